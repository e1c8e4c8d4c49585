import type { Agent, StepPolicy } from '../model/agentType';
import type { StepSkipped } from '../model/event';
import type { Failure } from '../model/failure';
import { bail, hasBailed } from '../model/bail';
import type { GivenBy } from '../model/givenBy';
import type { StepResult } from '../model/stepResult';
import type { StepTable } from '../model/stepTable';
import type { Pull, PullReceiver } from '../streams/pull';

/** How a step ended, as the structure it belongs to hears it. */
export type Answer =
  | {
      readonly kind: 'completed';
      readonly output: unknown;
      readonly kept?: readonly unknown[];
      readonly givenBy?: GivenBy | undefined;
    }
  | { readonly kind: 'skipped'; readonly output: unknown }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly cause: unknown };

/** Who gave what an answer holds, for a structure that passes it on. */
export function givenByOf(answer: Answer): GivenBy | undefined {
  if (answer.kind === 'completed') return answer.givenBy;
  // The value in place of a skipped step came from no agent.
  return answer.kind === 'skipped' ? false : undefined;
}

/** Whether a step wants the chain or workflow around it to end with what it gave. */
export function isBail(answer: Answer): boolean {
  return answer.kind === 'completed' && hasBailed(answer.givenBy);
}

/** Ends a structure with the answer of a step of it: when that step has bailed, so has the structure. */
export function passOn(scope: Scope, answer: Exclude<Answer, { kind: 'failed' }>, givenBy?: GivenBy): void {
  scope.complete(isBail(answer) ? bail(answer.output) : answer.output, givenBy);
}

/** What a user's function decided, or how it failed. */
export type Decided<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/** How a step is carried out, with the decisions that change its type. */
export interface TaskPolicy extends StepPolicy {
  readonly when?: (input: never) => boolean;
  readonly otherwise?: unknown;
  /** Keep the partial results with the output, because another step reads them live. */
  readonly keepPartials?: boolean;
  /** The input decides together with the path which step this is: it must not differ when the step is asked for again. */
  readonly checkInput?: boolean;
}

/** Hears of a step before it ends. */
export interface Watch {
  started(): void;
  /** Where a Promise comes back, it is demand: the next partial result is only asked for after it has settled. */
  partial(value: unknown): void | Promise<void>;
}

/** Asks for a step below a structure. */
export interface StepRequest {
  /** Continues the path of the structure; an id that begins with `[` stands behind it without a `/`. */
  readonly id: string;
  readonly agent: Agent<never, unknown>;
  readonly input: unknown;
  /** Its input could not be made: the step fails without being called. */
  readonly problem?: { readonly error: unknown } | undefined;
  readonly policy?: TaskPolicy;
  readonly watch?: Watch | undefined;
  /** The row of the step whose work it undoes; such a step also runs while the run is being cancelled. */
  readonly undoes?: StepResult;
  /** It has been stopped in an earlier life: it is begun only for what sagas in it have to undo, and gives no answer. */
  readonly isStopped?: boolean;
  /** Its input holds streams of steps under way. While it waits for those, it does not keep the run active. */
  readonly isReader?: boolean;
  /** Its input differs from the one before: what is on record below it is dropped, unless the step has ended. */
  readonly isAnew?: boolean;
  /** Paths of nested steps whose failures the function had heard of when it asked for this one, and so has gone on without. */
  readonly caught?: readonly string[] | undefined;
  /**
   * Decides whether the structure goes on without the step. Called when the step fails for good, before that is on record.
   * When left out, the structure fails with the step.
   */
  readonly contain?: (() => Containment) | undefined;
  /**
   * The steps beside it that go on from its failure. Where one of them has ended, another attempt at the structure leaves the failure as it
   * is. When left out, another attempt opens it.
   */
  readonly readers?: (() => readonly FailureReader[]) | undefined;
}

/** A step that goes on from the failure of another one. */
export interface FailureReader {
  readonly id: string;
  /** Steps between that read a quorum: where one of these has ended, the quorum was made without the other one. */
  readonly past: readonly string[];
}

/** What a failure means to the structure that asked for the step. */
export interface Containment {
  /** The structure goes on without the step; a resume takes the failure as a fact. */
  readonly isContained: boolean;
  /** Ids of steps whose failures the structure had gone on without, and can no longer. */
  readonly exposes?: readonly string[];
}

/** What a structure may ask for while it runs. Answers never come from within the call that asked. */
export interface Scope {
  readonly path: string;
  /** The structure's own policy, whatever that of the step is. */
  readonly policy: StepPolicy;
  /** Runs a nested step. Returns its handle. */
  step(request: StepRequest, answer: (answer: Answer) => void): RunningStep;
  /** Records that a nested step will not run. */
  skip(id: string, agent: Agent<never, unknown>, reason: StepSkipped['reason']): void;
  /**
   * The row of a nested step that began in an earlier life, or an earlier attempt of this structure; undefined for any other.
   */
  recorded(id: string): StepResult | undefined;
  /** Whether a nested step waits since an earlier life, or something below it does. */
  isWaitedIn(id: string): boolean;
  /** How many nested steps do. */
  waitingBelow(): number;
  /** Whether steps that undo what was done below this structure have begun, in an earlier life or attempt. */
  hasGoneBack(): boolean;
  /** Whether the run only goes back, because somebody has cancelled it. */
  isCancelled(): boolean;
  /** All steps of the run as they stand now. */
  table(): StepTable;
  /** Says how to undo what the structure has done, should the run be cancelled on request, or the structure be stopped. */
  canUndo(undoable: Undoable): void;
  /** Calls a user's function whose result decides how the run goes on. */
  decide<T>(question: string, decision: () => T, answer: (value: T) => void): void;
  /** Waits for an answer from outside, until its deadline if there is one. */
  wait(request: WaitRequest, answered: (answer: WaitAnswer) => void): void;
  /**
   * Waits. When the wait ends is put on record, so that a resumed run waits for no more than the rest. `decide` gives the length to
   * `begin`, in milliseconds: it is asked only where no moment is on record.
   */
  sleep(decide: (begin: (delayMs: number) => void) => void, wake: () => void): void;
  /** A reader of streams of steps has begun to wait: the run may rest now. */
  readerWaits(): void;
  /**
   * Takes items from a stream, one for each `next()`; each comes in a turn of its own.
   *
   * @throws StreamSourceError where the engine cannot replay a stream.
   */
  pull(source: object, receiver: PullReceiver): Pull;
  /** A partial result of the structure itself. */
  emit(value: unknown): void;
  /** `givenBy` says which agent gave the output, where there is more than one candidate. */
  complete(output: unknown, givenBy?: GivenBy): void;
  /** `failure` is the failure of a nested step, if that is the cause: it keeps the path at which the failure began. */
  fail(error: unknown, failure?: Failure): void;
}

/** What undoes what it has done, once: nothing restarts it or tears it down but the end of the life. */
export interface Undoable {
  readonly isUndoing: () => boolean;
  /** Whether all is undone. */
  readonly isUndone: () => boolean;
  /** Begins to undo, unless it has. `done` tells that all is undone. */
  undo(done: () => void): void;
}

export interface WaitRequest {
  readonly request: unknown;
  readonly timeoutMs?: number;
  /** Why an answer is not acceptable; undefined when it is. */
  readonly problem: (value: unknown) => string | undefined;
  /** Signals that may answer, by their name, and whether one is for this step. May throw. */
  readonly signal?: { readonly name: string; readonly takes: (value: unknown) => boolean };
}

export interface WaitAnswer {
  readonly by: 'answer' | 'deadline';
  readonly value?: unknown;
}

/** A step that a structure has asked for. */
export interface RunningStep {
  /**
   * Stops it. It is on record as SKIPPED where another step won (`lost`) or nobody needs it any more (`abandoned`), otherwise as
   * PENDING again.
   */
  cancel(as?: 'lost' | 'abandoned'): void;
}
