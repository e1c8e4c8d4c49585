import type { RunState } from './state';
import type { StepResult } from './stepResult';

/** Which run this is: two runs may have had the same id, one after the other or in two stores. */
export type RunIdentity = Pick<RunState, 'runId' | 'incarnation'>;

/** What a key is for. */
interface Keyed {
  readonly path: string;
  readonly revision: number;
  /** The row of the step whose work it undoes. */
  readonly undoes?: Pick<StepResult, 'stepId' | 'revision'> | undefined;
}

/**
 * The name under which a step does its work outside: the same for every attempt in every life of the run, another one for
 * every other step, for every other run, and when the step is called with something else. Undoing is named after the work that is
 * undone, whichever saga does it.
 */
export function idempotencyKeyOf(
  // Only runs of earlier versions have no incarnation: the keys that those have handed out stay what they were.
  { runId, incarnation = runId }: RunIdentity,
  { path, revision, undoes }: Keyed,
): string {
  const of = undoes ?? { stepId: path, revision };
  // No incarnation holds a "/", and no path has an empty part: no two steps of any runs share a key.
  const key = `${incarnation}/${of.stepId}${(of.revision ?? 0) === 0 ? '' : `//${String(of.revision)}`}`;
  return undoes === undefined ? key : `${key}//undo`;
}

/** The id of a question: which run asked it, and with which of its events. */
export function askingOf(incarnation: string | undefined, seq: number): string {
  return `${incarnation ?? ''}.${String(seq)}`;
}

/**
 * The state with which a run of its own begins where this one stands. Steps keep their results, but what is open is asked
 * anew: an answer to the old run is none to the new one.
 *
 * @param incarnation - That of the new run.
 */
export function asAnotherRun(state: RunState, runId: string, incarnation: string): RunState {
  const steps = state.steps.withRows((row) => inherited(askedAnew(row, incarnation)));
  const { used: _used, died: _died, revision: _revision, ...rest } = state;
  return Object.freeze({ ...rest, runId, incarnation, steps });
}

function askedAnew(row: StepResult, incarnation: string): StepResult {
  if (row.asked === undefined && row.asking === undefined) return row;
  const { asking, asked: _, signalIds: _taken, ...rest } = row;
  if (row.status !== 'SUSPENDED' || asking === undefined) return Object.freeze(rest);
  const seq = Number(asking.slice(asking.lastIndexOf('.') + 1));
  return Object.freeze({ ...rest, asking: askingOf(incarnation, seq), asked: 1 });
}

/** What is done was done by the run that this one is made from, which alone may undo it. */
function inherited(row: StepResult): StepResult {
  return row.status === 'COMPLETED' ? Object.freeze({ ...row, inherited: true as const }) : row;
}
