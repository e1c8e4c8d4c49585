import type { CancelRequest } from '../../lib/engine/engine';
import type { Where } from '../../lib/engine/runOptions';
import { checkedWhere } from '../../lib/engine/runOptions';
import { checkRunId, UnknownRunError } from '../../lib/errors/storageErrors';
import type { Store } from '../../lib/store/store';

/** Where the run rests, and why it is cancelled. */
export type CancelOptions = CancelRequest & Where<Pick<Store, 'loadRun' | 'post'>>;

/**
 * Cancels a run, also one that another process carries on: it stops within a quarter of a second, tells `run.cancelled`, and
 * can be resumed. When nobody carries it on, the next one who resumes it is stopped at once.
 *
 * @throws UnknownRunError when the store, or the engine, does not know the run.
 * @throws RunEndedError when the run has ended on its engine.
 */
export async function cancel(runId: string, options: CancelOptions): Promise<void> {
  checkRunId(runId);
  const { store, engine } = checkedWhere(`cancel run "${runId}"`, options, 'post');
  const { agent, reason } = options;
  const why = reason !== undefined && { reason };
  if (engine !== undefined) {
    await engine.cancel(runId, { ...(agent !== undefined && { agent }), ...why });
    return;
  }
  if ((await store.loadRun(runId)) === undefined) throw new UnknownRunError(runId);
  await store.post(runId, { kind: 'cancel', ...why });
}
