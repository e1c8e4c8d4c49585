import type { Failure } from './failure';
import type { GivenBy } from './givenBy';
import type { Plan } from './plan';
import type { SharedPatch } from './shared';
import type { RunState } from './state';
import type { Usage } from './usage';

/** How serious a log entry is, from least to most. */
export type LogLevel = 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR' | 'CRITICAL';

/**
 * A fact of a run, in the order in which it became true.
 *
 * `at` is epoch milliseconds, `duration` is seconds, `path` is the step's place in the run. `seq` numbers the journaled
 * events of a run from 1 without gaps; `step.emitted` and `step.logged` are not journaled and carry the number of the
 * journaled event before them.
 */
export type RunEvent =
  | RunStarted
  | RunImported
  | RunResumed
  | StepStarted
  | StepEmitted
  | StepLogged
  | StepRetrying
  | StepCompleted
  | StepFailed
  | StepSkipped
  | StepCancelled
  | StepSuspended
  | StepAnswered
  | RunCompleted
  | RunFailed
  | RunSuspended
  | RunCancelled;

/** A `RunEvent` before the engine has given it a run, a number and a time. */
export type RunFact = RunEvent extends infer E
  ? E extends RunEvent
    ? Omit<E, keyof Occurrence>
    : never
  : never;

interface Occurrence {
  readonly runId: string;
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

interface OfStep extends Occurrence {
  readonly path: string;
}

interface OfAttempt extends OfStep {
  /** Name of the agent that carries out the step. */
  readonly agent: string;
  /** Counts the calls of the agent for this step from 1, over all lives of the run. */
  readonly attempt: number;
}

interface Reporting {
  /** What the run has used since the latest event that says so; absent when nothing was reported. */
  readonly usage?: Usage;
}

/** The first life of a run begins. */
export interface RunStarted extends Occurrence {
  readonly type: 'run.started';
  /** An id that no other run has, also when `runId` is used again; absent in runs that an earlier version began. */
  readonly incarnation?: string;
  /** Name of the agent that is run. */
  readonly name: string;
  /** What the run is found by besides. */
  readonly tags?: Readonly<Record<string, string>>;
  /** What the run was given. */
  readonly input: unknown;
  /** The steps that the definition declares. */
  readonly plan: Plan;
  /** Who carries out the steps that the plan does not name; absent where it names all. */
  readonly unplanned?: Readonly<Record<string, string>>;
  /** What its steps share, as it begins; absent where they share nothing. */
  readonly shared?: unknown;
}

/**
 * The run was put into its store as it stands: a fork, a restored snapshot, a run that has moved, or one whose events were not
 * kept before. Only stores tell it, as the first of the events that they keep; its `seq` is that of the state.
 */
export interface RunImported extends Occurrence {
  readonly type: 'run.imported';
  /** How the run stood. */
  readonly state: RunState;
}

/** A run that had stopped goes on. */
export interface RunResumed extends Occurrence {
  readonly type: 'run.resumed';
  /** 2 for the first resume. */
  readonly life: number;
  /** How many steps are finished already and will not be called again. */
  readonly reused: number;
  /** The definition changed and the new one wins: the plan from now on. */
  readonly plan?: Plan;
  /** Who carries out the steps that the plan does not name, from now on; absent where that has not changed. */
  readonly unplanned?: Readonly<Record<string, string>>;
  /** What is run has another name than before: its name from now on. */
  readonly name?: string;
  /** The input changed and the new one wins: the input from now on. */
  readonly input?: unknown;
  /** Steps whose saved results no longer hold and are dropped. */
  readonly dropped?: readonly string[];
  /** What its steps share from now on, where the run had nothing of the kind before. */
  readonly shared?: unknown;
  /** The failed steps that this life tries again. Events of earlier releases do not say. */
  readonly opened?: readonly string[];
}

/** An agent is about to be called, or an answer from the cache is about to be taken. */
export interface StepStarted extends OfAttempt {
  readonly type: 'step.started';
  /** True for a step whose policy says `critical`. */
  readonly critical?: boolean;
  /** Hash of the input and, behind a dot, of the agent, for steps whose place in the run is decided while it runs. */
  readonly inputHash?: string;
  /**
   * Steps whose saved results belong to another input or agent and are dropped: below this one, and with its own path this one
   * too, which then begins anew whatever it had come to.
   */
  readonly dropped?: readonly string[];
  /** The shared state of a workflow below the root, as it begins. */
  readonly shared?: unknown;
  /** Failed steps of the same function, which has heard of them and goes on. */
  readonly caught?: readonly string[];
  /** When the time limit of this attempt ends, epoch milliseconds, where something below it waits already since an earlier one. */
  readonly limitAt?: number;
  /** True when nothing else is under way beside this call, so that the death of the process would be its doing. */
  readonly alone?: true;
  /** Steps that were under way alone and have taken so long that this one is called beside them. */
  readonly joined?: readonly string[];
  /** The key of its limit, for a step that can be undone. */
  readonly limitKey?: string;
  /** What the step was given, in the form of a log line; only with `recordInputs`, and once a life unless it is asked for anew. */
  readonly input?: unknown;
}

/** A partial result: a token, a percentage, one value of a stream. */
export interface StepEmitted extends OfAttempt {
  readonly type: 'step.emitted';
  /** Counts the partial results of this attempt from 0. */
  readonly index: number;
  /** The partial result, or the answer. */
  readonly value: unknown;
}

/** Something worth a line in the log; with the empty path it concerns the whole run. */
export interface StepLogged extends OfStep {
  readonly type: 'step.logged';
  /** How much it matters. */
  readonly level: LogLevel;
  /** What it says. */
  readonly message: string;
  /** The details, or a function that makes them when somebody wants to see them. */
  readonly data?: object | (() => object);
}

/** An attempt failed and another one follows after `delayMs`; with the empty path it is the whole run that is tried again. */
export interface StepRetrying extends OfAttempt, Reporting {
  readonly type: 'step.retrying';
  /** Why it failed. */
  readonly error: Failure;
  /** Milliseconds until the next attempt. */
  readonly delayMs: number;
  /** Failed steps below this one that the next attempt tries again. */
  readonly reset?: readonly string[];
}

/** A step has its output, and the output is saved. */
export interface StepCompleted extends OfAttempt, Reporting {
  readonly type: 'step.completed';
  /** What it gave. */
  readonly output: unknown;
  /** Who gave the output, where it could be another agent. */
  readonly givenBy?: GivenBy;
  /** Seconds from the start of the first attempt of this life. */
  readonly duration: number;
  /** How many partial results came before the output; absent when none. */
  readonly partials?: number;
  /** The partial results themselves, when another step reads them live. */
  readonly kept?: readonly unknown[];
  /** True when the answer of an earlier call was taken and the agent was not called. */
  readonly cached?: boolean;
  /** What the attempt has changed of the shared state, when it did. */
  readonly updates?: readonly SharedPatch[];
  /** Path of the workflow whose shared state that is; absent for that of the run. */
  readonly updated?: string;
}

/** A step failed for good: no attempt is left. */
export interface StepFailed extends OfAttempt, Reporting {
  readonly type: 'step.failed';
  /** Why it failed. */
  readonly error: Failure;
  /** Seconds. */
  readonly duration: number;
  /** True where what the step belongs to goes on without it: its failure is a fact that no resume changes. */
  readonly contained?: true;
  /** Failed steps that were contained until this one failed too. */
  readonly exposes?: readonly string[];
}

/**
 * A step will not run: its `when` said no, another agent won, what it needs has failed, or nobody needs it any more
 * (`abandoned`).
 */
export interface StepSkipped extends OfStep {
  readonly type: 'step.skipped';
  /** Name of the agent. */
  readonly agent: string;
  /** What the dependants get instead of an output. */
  readonly output?: unknown;
  /** Why; absent when nobody said. */
  readonly reason: 'when' | 'lost' | 'upstream' | 'abandoned';
}

/** A running step was stopped because its run stops; it is PENDING again. */
export interface StepCancelled extends OfStep, Reporting {
  readonly type: 'step.cancelled';
}

/** A time limit of an attempt. */
export interface TimeLimit {
  readonly path: string;
  /** Epoch milliseconds. */
  readonly limitAt: number;
}

/** A step waits for an answer from outside. */
export interface StepSuspended extends OfAttempt {
  readonly type: 'step.suspended';
  /** What the answerer is asked to decide on. */
  readonly request: unknown;
  /** Epoch milliseconds after which it is not waited for any longer. */
  readonly deadline?: number;
  /** The id of the question, which no other question in any run has; absent for a step that sleeps. */
  readonly asking?: string;
  /** The name of the signals that may answer; absent where somebody is asked. */
  readonly signal?: string;
  /** The time limits that count on meanwhile: of this step and of those above it. */
  readonly limits?: readonly TimeLimit[];
}

/** The answer a suspended step waited for has come, or its deadline has passed. */
export interface StepAnswered extends OfStep {
  readonly type: 'step.answered';
  /** What decided so. */
  readonly by: 'answer' | 'deadline';
  /** The partial result, or the answer. */
  readonly value?: unknown;
  /** The id of the signal that the answer was made of; absent where somebody was asked. */
  readonly signalId?: string;
}

/** The run has its output. */
export interface RunCompleted extends Occurrence, Reporting {
  readonly type: 'run.completed';
  /** What it gave. */
  readonly output: unknown;
  /** Who gave the output, where it could be another agent. */
  readonly givenBy?: GivenBy;
  /** Seconds of this life. */
  readonly duration: number;
  /** True where the policy of what was run says `critical`. */
  readonly critical?: boolean;
  /** True when the run had completed earlier and its end is only told again. */
  readonly replayed?: boolean;
}

/** The run failed; it can be resumed. */
export interface RunFailed extends Occurrence, Reporting {
  readonly type: 'run.failed';
  /** The failure that ended the run. */
  readonly error: Failure;
  /** Paths of the other steps that failed by themselves and that a resume tries again too; absent when there are none. */
  readonly others?: readonly string[];
  /** Seconds. */
  readonly duration: number;
}

/** Every branch that can move has come to rest and at least one step waits for an answer, or whoever served the run stopped. */
export interface RunSuspended extends Occurrence, Reporting {
  readonly type: 'run.suspended';
  /** Paths of the steps that wait. */
  readonly waiting: readonly string[];
  /**
   * `drain` when whoever served the run stopped, and the run goes on by itself once it is served again. Says so, too, when the run has no
   * store and nobody can answer.
   */
  readonly reason?: string;
  /** Seconds. */
  readonly duration: number;
}

/** The run was stopped from outside; it can be resumed. */
export interface RunCancelled extends Occurrence, Reporting {
  readonly type: 'run.cancelled';
  /** Seconds. */
  readonly duration: number;
  /** Why; absent when nobody said. */
  readonly reason?: string;
  /** A step that could not be undone, and why; absent when all is undone that had to be. */
  readonly error?: Failure;
}

/** Whether the store keeps this event; the others are only shown to whoever watches. */
export function isJournaled(event: RunEvent): boolean {
  return event.type !== 'step.emitted' && event.type !== 'step.logged';
}

/** Whether this event shows that a life is under way, to somebody who has not heard it begin. */
export function isMidway(event: RunEvent): event is RunEvent & OfStep {
  return 'path' in event && event.path !== '' && isJournaled(event);
}

/** Whether a life of the run ends with this event. */
export function isEnd(event: RunEvent): event is RunCompleted | RunFailed | RunSuspended | RunCancelled {
  switch (event.type) {
    case 'run.completed':
    case 'run.failed':
    case 'run.suspended':
    case 'run.cancelled':
      return true;
    default:
      return false;
  }
}

/** What happened in a run, and how the run stands now: what `run()` emits. */
export interface Transition<O = unknown> {
  /** What happened. */
  readonly event: RunEvent;
  /** How the run stands after the event. */
  readonly state: RunState<O>;
}
