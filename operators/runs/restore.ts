import { asyncScheduler } from 'rxjs';

import { newIncarnation, newRunId } from '../../lib/engine/newRunId';
import type { RunEngine } from '../../lib/engine/engine';
import type { RunSettings } from '../../lib/engine/runOptions';
import { checkedWhere } from '../../lib/engine/runOptions';
import type { Agent } from '../../lib/model/agentType';
import { InvalidArgumentError } from '../../lib/model/failure';
import { undoneSagas, withoutUndone } from '../../lib/engine/undone';
import { asAnotherRun } from '../../lib/model/incarnation';
import { reduceRun } from '../../lib/model/reduce';
import { StepTable } from '../../lib/model/stepTable';
import type { Store } from '../../lib/store/store';

/** Which store holds the snapshot, and what takes the new run: that store, or an engine, which keeps no snapshots itself. */
export interface RestoreOptions extends Pick<RunSettings, 'runId' | 'newRunId' | 'scheduler'> {
  readonly store: Pick<Store, 'importRun' | 'loadRun'> & {
    readonly snapshots: Pick<Store['snapshots'], 'load'>;
  };
  /** Begins the new run at once. */
  readonly engine?: RunEngine;
  /** The agent of the run: an engine then refuses a snapshot of another definition. */
  readonly agent?: Agent<never, unknown>;
}

/**
 * Makes a new run that stands where a snapshot stood, and gives its id. In a store subscribing to it goes on from there; an engine
 * begins it at once.
 *
 * What a saga has undone then or since, as far as the store knows the run, is done again.
 *
 * @throws UnknownSnapshotError
 * @throws InvalidArgumentError when it holds no run, or an engine shall begin what had completed.
 * @throws RunExistsError when the engine has a run of the new id.
 * @throws DefinitionMismatchError when the snapshot is not one of the agent that is given with an engine.
 */
export async function restore(snapshotId: string, options: RestoreOptions): Promise<string> {
  const action = `restore snapshot "${snapshotId}"`;
  const { engine, agent, ...given } = (options as RestoreOptions | undefined) ?? ({} as RestoreOptions);
  if (engine !== undefined) checkedEngine(action, engine, given.store);
  const { store } = checkedWhere(action, given, 'importRun') as Pick<RestoreOptions, 'store'>;
  const { executionState: saved } = await store.snapshots.load(snapshotId);
  if (!(saved.steps instanceof StepTable))
    throw new InvalidArgumentError(
      `Cannot ${action}: it holds a plain object, not how a run stood`,
      'read it with store.snapshots.load()',
    );
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
  const rested = reduceRun(state, {
    type: 'run.cancelled',
    runId,
    seq: saved.seq + 1,
    at,
    duration: 0,
    reason: 'restored',
  });
  if (engine?.begin === undefined) await store.importRun(rested);
  else {
    if (rested.status === 'COMPLETED')
      throw new InvalidArgumentError(
        `Cannot ${action} on an engine: it had completed`,
        'give { store } alone',
      );
    await engine.begin(rested, agent === undefined ? {} : { agent });
  }
  return runId;
}

/** @throws InvalidArgumentError when it cannot begin with a state, or no store is given that holds the snapshot. */
function checkedEngine(action: string, engine: RunEngine, store: unknown): void {
  // Says what is no engine at all.
  checkedWhere<object>(action, { engine }, 'importRun' as never);
  if (store === undefined)
    throw new InvalidArgumentError(
      `Cannot ${action} on an engine: engines keep no snapshots`,
      'give { store, engine }',
    );
  if (engine.begin === undefined)
    throw new InvalidArgumentError(
      `Cannot ${action} on this engine: it cannot begin with a state`,
      'give { store } alone',
    );
}
