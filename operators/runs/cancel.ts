import type { CancelRequest } from '../../lib/engine/engine';
import type { Where } from '../../lib/engine/runOptions';
import { checkedWhere } from '../../lib/engine/runOptions';
import { checkRunId } from '../../lib/errors/storageErrors';
import type { Store } from '../../lib/store/store';

/** Where the run rests, and why it is cancelled. */
export type CancelOptions = CancelRequest & Where<Pick<Store, 'post'>>;

/**
 * Cancels a run, also one that another process carries on: it stops within a quarter of a second, tells `run.cancelled`, and
 * can be resumed. Of a run that waits, or was left behind by a crash, the next life is stopped at once. Lives after that
 * do not hear it.
 *
 * @throws UnknownRunError when the store, or the engine, does not know the run.
 * @throws RunEndedError when the run has ended: it has completed, failed, or been cancelled.
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
  await store.post(runId, { kind: 'cancel', ...why });
}
