import type { Failure } from './failure';
import type { GivenBy } from './givenBy';
import type { SharedPatch } from './shared';

/** Where a step stands. */
export type StepStatus = 'PENDING' | 'RUNNING' | 'SUSPENDED' | 'COMPLETED' | 'FAILED' | 'SKIPPED';

/** How one step of a run stands now. */
export interface StepResult {
  /** Path of the step. */
  readonly stepId: string;
  /** Name of the agent that carries it out. */
  readonly agent: string;
  /** How the step stands. */
  readonly status: StepStatus;
  /**
   * What the agent was given, with `recordInputs`: without secrets, and with notes in brackets for what is no JSON, deeper than 12 levels,
   * or more than 2,000 values or 32,768 characters.
   */
  readonly input?: unknown;
  /**
   * What the agent gave; for a skipped step what its dependants get instead. Absent where there is none; null then in the JSON of
   * a state, which always has `stepId`, `status`, `output`, `duration`, `error` and `timestamp` for every step.
   */
  readonly output?: unknown;
  /** Who gave the output, where it could be another agent: `branch`, `fallback`, `firstOf`, `approval` and what passes on theirs. */
  readonly givenBy?: GivenBy;
  /** Seconds; 0 until the step has ended. */
  readonly duration: number;
  /**
   * Why the step, or its latest attempt, failed: the error as plain data, its text in `message`; null where none has. A step that is
   * PENDING or RUNNING again keeps it until it completes.
   */
  readonly error: Failure | null;
  /** True for a failed step whose failure what it belongs to has taken up: it is not tried again. */
  readonly contained?: true;
  /** When this result last changed, ISO 8601; null for a step that has not begun. */
  readonly timestamp: string | null;
  /** How often the agent was called, over all lives of the run. */
  readonly attempts: number;
  /** How many partial results the latest attempt gave; absent when none. */
  readonly partials?: number;
  /** The partial results, where another step reads them live. */
  readonly kept?: readonly unknown[];
  /** True for a step whose policy says `critical`. */
  readonly critical?: boolean;
  /** Number of the event that completed it. */
  readonly seq?: number;
  /** What it has changed of the shared state, when it did. */
  readonly updates?: readonly SharedPatch[];
  /** Path of the workflow whose shared state it has changed; absent for that of the run. */
  readonly updated?: string;
  /** The shared state of a workflow below the root, once it has begun. */
  readonly shared?: unknown;
  /** What that began with. */
  readonly sharedInitial?: unknown;
  /** True when the answer of an earlier call was taken and the agent was not called. */
  readonly cached?: boolean;
  /** True when the run that this one was made from has done it: only that run undoes it. */
  readonly inherited?: true;
  /** How often the process died inside this step, alone or beside others; absent when never. */
  readonly crashes?: number;
  /** How often it did while no other step was under way; absent when never. */
  readonly crashedAlone?: number;
  /**
   * True for a step whose latest attempt was begun with nothing beside it, to find out which step kills the process; false once it
   * took so long that others were let in beside it.
   */
  readonly alone?: boolean;
  /** How often its calls counted no more, because what it is called with had changed; absent when never. */
  readonly revision?: number;
  /** Hash of the input and, behind a dot, of the agent, for steps whose place is decided while the run goes on. */
  readonly inputHash?: string;
  /** The key of its limit, for a step that can be undone: undoing is under the same limit. */
  readonly limitKey?: string;
  /** What the answerer is asked to decide on, while the step is suspended. */
  readonly request?: unknown;
  /** Epoch milliseconds until which an answer is waited for. */
  readonly deadline?: number;
  /** The id of the question that is open, or whose answer the step has not used yet. */
  readonly asking?: string;
  /** The name of the signals that may answer it; absent where somebody is asked. */
  readonly signal?: string;
  /** The ids of the signals that it has taken: nobody takes them again. Absent when it has taken none. */
  readonly signalIds?: readonly string[];
  /** How many questions this step has asked in this run; absent when none. */
  readonly asked?: number;
  /** Epoch milliseconds at which the attempt ends in any case, while something in a step with a time limit waits. */
  readonly limitAt?: number;
  /** True for a skipped step that had asked, and whose answer nobody waited for any more: it may be asked for again. */
  readonly abandoned?: true;
  /** The answer that came, until the step has used it. */
  readonly answer?: { readonly by: 'answer' | 'deadline'; readonly value?: unknown };
}

/** The result of a step that has not begun. */
export function pendingStep(stepId: string, agent: string): StepResult {
  return Object.freeze(newStep(stepId, agent));
}

/** The same, to be changed before anybody sees it. */
export function newStep(stepId: string, agent: string): { -readonly [K in keyof StepResult]: StepResult[K] } {
  return { stepId, agent, status: 'PENDING', duration: 0, error: null, timestamp: null, attempts: 0 };
}

const NEW_FIELDS: readonly string[] = Object.keys(newStep('', ''));

/** The same result, to be changed. */
export function copiedStep(row: StepResult): { -readonly [K in keyof StepResult]: StepResult[K] } {
  let count = 0;
  // Most have not begun. To name their fields takes V8 a fifth of what it takes to spread them, because they are frozen.
  for (const field in row) if (field !== NEW_FIELDS[count++]) return { ...row };
  if (count !== NEW_FIELDS.length) return { ...row };
  const { stepId, agent, status, duration, error, timestamp, attempts } = row;
  return { stepId, agent, status, duration, error, timestamp, attempts };
}

/**
 * A moment as ISO 8601 text with milliseconds, in UTC. Many events share a millisecond, and nearly all a second: what was made last is kept,
 * because a `Date` takes ten times as long.
 *
 * @param at - Epoch milliseconds.
 * @throws RangeError where no `Date` can be that late or early.
 */
export function isoTime(at: number): string {
  if (at === latestAt) return latestIso;
  const millis = Math.trunc(at);
  const second = Math.floor(millis / 1_000);
  if (second !== latestSecond) {
    upToSecond = new Date(second * 1_000).toISOString().slice(0, -4);
    latestSecond = second;
  }
  latestIso = `${upToSecond}${String(millis - second * 1_000).padStart(3, '0')}Z`;
  latestAt = at;
  return latestIso;
}

let latestAt = Number.NaN;
let latestIso = '';
let latestSecond = Number.NaN;
let upToSecond = '';
