import { typeName } from '../../lib/codec/typeName';
import type { CancelRequest } from '../../lib/engine/engine';
import type { Where } from '../../lib/engine/runOptions';
import { checkedWhere } from '../../lib/engine/runOptions';
import { RunEndedError } from '../../lib/errors/runErrors';
import { checkRunId, UnknownRunError } from '../../lib/errors/storageErrors';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { Store } from '../../lib/store/store';

/** Where the run rests, and why it is cancelled. */
export type CancelOptions = CancelRequest & Where<Pick<Store, 'post' | 'isServed' | 'queue'>>;

/** What has become of a cancel that is kept until the run hears it. */
export interface CancelReceipt {
  /** Whether somebody serves, who goes on with a run that waits; one that is under way hears it in any case. */
  readonly isServed: boolean;
}

/**
 * Cancels a run, also one that another process carries on: it stops within a quarter of a second, tells `run.cancelled`, and
 * can be resumed. Of a run that waits, or was left behind by a crash, the next life is stopped at once. Lives after that
 * do not hear it. One that was submitted and has not begun never does, and nothing stays of it; where it begins at that very moment
 * it is cancelled before anything of it is called, or stopped like any other.
 *
 * @throws UnknownRunError when the store, or the engine, does not know the run.
 * @throws RunEndedError when the run has ended: it has completed, failed, or been cancelled.
 */
export async function cancel(runId: string, options: CancelOptions): Promise<CancelReceipt> {
  checkRunId(runId);
  const { store, engine } = checkedWhere(`cancel run "${runId}"`, options, 'post');
  const { agent, reason } = options;
  if (reason !== undefined && typeof (reason as unknown) !== 'string')
    throw new InvalidArgumentError(
      `Cannot cancel run "${runId}" with a reason of type ${typeName(reason)}`,
      'give a text',
    );
  const why = reason !== undefined && { reason };
  if (engine !== undefined) {
    await engine.cancel(runId, { ...(agent !== undefined && { agent }), ...why });
    return { isServed: true };
  }
  const post = () => store.post(runId, { kind: 'cancel', ...why });
  try {
    await post();
  } catch (error) {
    if (!(error instanceof UnknownRunError)) throw error;
    const wasQueued = await store.queue.remove(runId);
    // It may have begun since. A run that left the queue by itself is on record; one that was taken out as it began is cancelled by
    // whoever serves.
    await post().catch((again: unknown) => {
      const isOver = again instanceof UnknownRunError || again instanceof RunEndedError;
      if (!wasQueued || !isOver) throw again;
    });
  }
  return { isServed: await store.isServed() };
}
