import { asyncScheduler } from 'rxjs';

import { newIncarnation, newRunId } from '../../lib/engine/newRunId';
import type { RunSettings } from '../../lib/engine/runOptions';
import { checkedWhere } from '../../lib/engine/runOptions';
import { InvalidArgumentError } from '../../lib/model/failure';
import { undoneSagas, withoutUndone } from '../../lib/engine/undone';
import { asAnotherRun } from '../../lib/model/incarnation';
import { reduceRun } from '../../lib/model/reduce';
import type { Store } from '../../lib/store/store';

/** Which store holds the snapshot, and takes the new run. Engines keep no snapshots. */
export interface RestoreOptions extends Pick<RunSettings, 'runId' | 'newRunId' | 'scheduler'> {
  readonly store: Pick<Store, 'importRun' | 'loadRun'> & {
    readonly snapshots: Pick<Store['snapshots'], 'load'>;
  };
  readonly engine?: never;
}

/**
 * Makes a new run that stands where a snapshot stood: subscribing to it goes on from there. Gives its id.
 *
 * What a saga has undone then or since, as far as the store knows the run, is done again.
 *
 * @throws UnknownSnapshotError
 */
export async function restore(snapshotId: string, options: RestoreOptions): Promise<string> {
  const { store } = checkedWhere(`restore snapshot "${snapshotId}"`, options, 'importRun');
  if (store === undefined) {
    throw new InvalidArgumentError(
      `Cannot restore snapshot "${snapshotId}" on an engine: engines keep no snapshots`,
      'give { store }',
    );
  }
  const { executionState: saved } = await store.snapshots.load(snapshotId);
  const runId = options.runId ?? (options.newRunId ?? newRunId)();
  const at = (options.scheduler ?? asyncScheduler).now();
  const now = await store.loadRun(saved.runId);
  // Where the id has been used again, what was undone there was undone in another run.
  const since = now?.incarnation === saved.incarnation ? (now?.steps ?? saved.steps) : saved.steps;
  const undone = [...new Set([...undoneSagas(saved.steps), ...undoneSagas(since)])];
  const state = asAnotherRun(
    { ...saved, steps: withoutUndone(saved.steps, saved.plan, undone) },
    runId,
    newIncarnation(options.scheduler),
  );
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
