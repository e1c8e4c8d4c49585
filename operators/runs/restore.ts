import { asyncScheduler } from 'rxjs';

import { checkedNow } from '../../lib/engine/clockProblem';
import { newIncarnation, newRunId } from '../../lib/engine/newRunId';
import type { RunEngine } from '../../lib/engine/engine';
import type { RunSettings } from '../../lib/engine/runOptions';
import { checkedWhere } from '../../lib/engine/runOptions';
import type { Agent } from '../../lib/model/agentType';
import { InvalidArgumentError } from '../../lib/model/failure';
import { undoneSagas, withoutUndone } from '../../lib/engine/undone';
import { asAnotherRun } from '../../lib/model/incarnation';
import { reduceRun } from '../../lib/model/reduce';
import type { RunState } from '../../lib/model/state';
import type { StepTable } from '../../lib/model/stepTable';
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
 * It has the status of the snapshot. Questions that were open are asked anew, so it can be answered at once. What was under way is
 * not under way in the new run, which is CANCELLED then. What a saga has undone then or since, as far as the store knows the run, is
 * done again: such a run is CANCELLED too.
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
  if (!isStepTable(saved.steps))
    throw new InvalidArgumentError(
      `Cannot ${action}: it holds a plain object, not how a run stood`,
      'read it with store.snapshots.load()',
    );
  const runId = options.runId ?? (options.newRunId ?? newRunId)();
  const at = checkedNow(options.scheduler ?? asyncScheduler);
  const now = await store.loadRun(saved.runId);
  // Where the id has been used again, what was undone there was undone in another run.
  const since = now?.incarnation === saved.incarnation ? (now?.steps ?? saved.steps) : saved.steps;
  const undone = [...new Set([...undoneSagas(saved.steps), ...undoneSagas(since)])];
  const state = asAnotherRun(
    { ...saved, steps: withoutUndone(saved.steps, saved.plan, undone) },
    runId,
    newIncarnation(options.scheduler),
  );
  const rested = undone.length > 0 ? leftAlone(atRest(state, at)) : atRest(state, at);
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

/** By what it can do: the store may be of another copy of this package. */
function isStepTable(steps: unknown): boolean {
  return typeof (steps as Partial<StepTable> | undefined)?.withRows === 'function';
}

/** What was under way is not under way in the new run, and waits for whoever resumes it. */
function atRest(state: RunState, at: number): RunState {
  const { runId, seq, status, steps } = state;
  // Copied after a drain: whoever serves goes on with the run itself, not with every copy of it.
  const waits = [...steps].some((row) => row.status === 'SUSPENDED');
  if (status === 'SUSPENDED' && !waits) return leftAlone(state);
  return reduceRun(state, { type: 'run.cancelled', runId, seq: seq + 1, at, duration: 0, reason: REASON });
}

/** A run that neither waits nor has failed, because it stands before what it waited for or failed at. */
function leftAlone(state: RunState): RunState {
  if (state.status === 'COMPLETED') return state;
  const { error: _error, ...rest } = state;
  return Object.freeze({ ...rest, status: 'CANCELLED', reason: REASON });
}

const REASON = 'restored';

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
