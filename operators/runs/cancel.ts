import { UnknownRunError } from '../../lib/errors/storageErrors';
import type { Store } from '../../lib/store/store';

/**
 * Cancels a run, also one that another process carries on: it stops within a quarter of a second, tells `run.cancelled`, and
 * can be resumed. When nobody carries it on, the next one who resumes it is stopped at once.
 *
 * @throws UnknownRunError when the store does not know the run.
 */
export async function cancel(
  store: Pick<Store, 'loadRun' | 'post'>,
  runId: string,
  reason?: string,
): Promise<void> {
  if ((await store.loadRun(runId)) === undefined) throw new UnknownRunError(runId);
  await store.post(runId, { kind: 'cancel', ...(reason !== undefined && { reason }) });
}
