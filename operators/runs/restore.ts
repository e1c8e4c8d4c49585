import { asyncScheduler } from 'rxjs';

import { newIncarnation, newRunId } from '../../lib/engine/newRunId';
import type { RunOptions } from '../../lib/engine/runOptions';
import { asAnotherRun } from '../../lib/model/incarnation';
import { reduceRun } from '../../lib/model/reduce';
import type { Store } from '../../lib/store/store';

/**
 * Makes a new run that stands where a snapshot stood: subscribing to it goes on from there. Gives its id.
 *
 * @throws UnknownSnapshotError
 */
export async function restore(
  store: Store,
  snapshotId: string,
  options: Pick<RunOptions, 'runId' | 'newRunId' | 'scheduler'> = {},
): Promise<string> {
  const { executionState: saved } = await store.snapshots.load(snapshotId);
  const runId = options.runId ?? (options.newRunId ?? newRunId)();
  const at = (options.scheduler ?? asyncScheduler).now();
  const state = asAnotherRun(saved, runId, newIncarnation(options.scheduler));
  // What was under way then is not under way in the new run.
  await store.importRun(
    reduceRun(state, {
      type: 'run.cancelled',
      runId,
      seq: saved.seq + 1,
      at,
      duration: 0,
      reason: 'restored',
    }),
  );
  return runId;
}
