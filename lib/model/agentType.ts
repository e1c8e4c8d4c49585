import type { Draft, Immutable } from 'immer';
import type { Observable } from 'rxjs';

import type { LogLevel } from './event';
import type { Failure } from './failure';

/**
 * A named, typed unit of work, and an RxJS operator: put it into `pipe()`, chain it, or make it a step of a workflow.
 *
 * In a plain `pipe` it handles its inputs in order, one at a time; nothing is durable there.
 */
export interface Agent<in I, out O, out P = unknown, S = unknown> {
  /** What it is in `pipe()`: one answer an input, in order. */
  (source: Observable<I>): Observable<O>;
  readonly name: string;
  /**
   * What the agent consists of; the type tells the compiler that it consumes `I`, gives `O`, `P` on the way, and needs a shared state `S`.
   */
  readonly [AGENT]: AgentMark<I, O, P, S>;
}

/** The key under which an agent keeps what it consists of. Registered, so that two copies of this package agree. */
export const AGENT: unique symbol = Symbol.for('millrace.agent') as never;

/** Never a value: carries the types of an agent. */
export interface AgentMark<in I, out O, out P = unknown, S = unknown> {
  readonly consumes: (input: I) => void;
  // A method, so that an agent fits wherever nothing is known of a shared state; `SharesWith` asks for more.
  shares(shared: S): void;
  readonly gives: O;
  readonly emits: P;
}

/** An agent that can work with the shared state `S`; any one where nothing is known of that. */
export type SharesWith<S> = unknown extends S
  ? unknown
  : { readonly [AGENT]: { readonly shares: (shared: S) => void } };

/** What an agent takes in. */
export type InputOf<A> = A extends Agent<infer I, unknown> ? I : never;

/** What an agent gives. */
export type OutputOf<A> = A extends Agent<never, infer O> ? O : never;

/**
 * What agents are given besides their input and must never be saved: connections, clients, the keys of a tenant. Say what there is by
 * declaration merging.
 *
 * @example
 * ```ts
 * declare module 'millrace' {
 *   interface Services {
 *     readonly db: Database;
 *   }
 * }
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- whoever uses the library says what is in it
export interface Services {}

/** Some of them, as a life of a run is given them. */
export type GivenServices = Partial<Services>;

/**
 * What a step offers to the function that carries it out.
 *
 * `S` is the shared state that it needs, `A` what the `reduce` of that takes: `(text: string, context: StepContext<Board>) => …`.
 */
export interface StepContext<S = unknown, A = never> {
  /** The id of the run in which it is called. */
  readonly runId: string;
  /** The step's place in the run: the ids from the root, such as `pages[3]/ocr`. */
  readonly path: string;
  /** Counts the calls for this step from 1, over all lives of the run. */
  readonly attempt: number;
  /**
   * The same for every attempt of this step, also after a crash: hand it to services that must not act twice. Another one when
   * the step is called with something else, because the run was resumed with another input or definition.
   */
  readonly idempotencyKey: string;
  /** Aborted when nobody wants the answer any more. */
  readonly signal: AbortSignal;
  /** Tells a partial result, such as a token or a percentage, to whoever watches. */
  emit(partial: unknown): void;
  /** Writes to the log of whoever watches; `data` as a function is only called when somebody keeps the entry. */
  log(level: LogLevel, message: string, data?: object | (() => object)): void;
  /**
   * Runs another agent as a durable step below this one.
   *
   * When this function is called again, after a failure or a crash, a nested step that has finished gives its saved output
   * and is not called again.
   *
   * Cold: nothing happens before somebody subscribes. A step that nobody has subscribed to when the function ends is told as a
   * WARNING.
   *
   * @throws DuplicateStepError when this call of the function has used the id before.
   */
  step<I, O>(id: string, agent: Agent<I, O>, input: I): Observable<O>;
  /**
   * The same as a Promise, for functions that `await`: the step begins at once.
   *
   * Rejects with a `StepError` when the step fails, and with an `AttemptOverError` when the call of the function is over before.
   * A Promise that nobody awaits does not end the process.
   *
   * @throws DuplicateStepError when this call of the function has used the id before.
   */
  call<I, O>(id: string, agent: Agent<I, O>, input: I): Promise<O>;
  /**
   * What `run`, `resume` or `serve` was given as `services`: never saved, never logged. `'db' in services` tells whether one is there; to
   * read one that is not throws a `MissingServiceError`.
   */
  readonly services: Services;
  /**
   * What the steps of the nearest workflow with `shared` share: as it is now, with what this call has changed. Frozen. Undefined where
   * nothing is shared.
   */
  readonly shared: Immutable<S>;
  /**
   * Changes the shared state with a recipe of Immer, once this call has given its output: a call that fails changes nothing. The recipe
   * is called again, on what others have made of the state by then, so it must be pure.
   *
   * @throws NoSharedStateError when no workflow above has a shared state.
   * @throws StateValueError for what JSON would not keep.
   */
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- what a block without `return` gives
  update(recipe: (draft: Draft<S>) => S | void): void;
  /** The same by the `reduce` of the workflow. */
  update(action: A): void;
}

/** When and how a failed attempt is repeated. */
export interface RetryPolicy {
  /** How many further attempts follow the first. */
  readonly count: number;
  /**
   * Milliseconds before the next attempt, or a function of the failure, the number of the attempt that failed, and the error
   * itself. Where the failure has a `retryAfterMs`, because a server asked for it, the wait is at least that.
   */
  readonly delayMs?: number | ((failure: Failure, attempt: number, error: unknown) => number);
  /** Most milliseconds that are waited because a server asked for it; 5 minutes when left out. */
  readonly maxMs?: number;
  /**
   * Whether this failure deserves another attempt. Errors that say `retryable: false` or `isRetryable: false` never do. When left
   * out, a failure with one of the statuses 400, 401, 403, 404, 405, 410, 413 and 422 does not: the same request fails again.
   *
   * The error is the one that was thrown; an engine that only has its record gives a `StepError`.
   */
  readonly retryIf?: (failure: Failure, error: unknown) => boolean;
}

/**
 * How many calls are under way at once, and how many begin within a span of time. What waits is neither started nor timed.
 *
 * One object is one limit: all runs that use the agent share it, and so do all agents that are given the same object. A step within
 * a composite of the same limit, or one that a function of that limit asks for, takes the place of that for as long as it runs.
 */
export interface LimitPolicy<I = never> {
  /** Most calls at once. */
  readonly concurrency?: number;
  /** At most `count` calls begin within any `perMs` milliseconds. */
  readonly rate?: { readonly count: number; readonly perMs: number };
  /** Inputs with different keys do not count against each other. */
  key?(input: I): string;
}

/**
 * When a service that fails is left alone. Closed, a circuit lets every call through; open, each fails at once with a
 * `CircuitOpenError`, whose `retryAfterMs` `retry` heeds; then it is half-open: one call is a probe, whose end closes or opens it.
 *
 * One object is one circuit: all runs that use the agent share it, and so do all agents that are given the same object. How it
 * moves is told in the run whose call moved it, as `step.logged` with `data.circuit`: `open`, `half-open` or `closed`.
 */
export interface CircuitPolicy<I = never> {
  /** Opens after so many failures within `withinMs`, or in a row where that is left out. */
  readonly failures?: number;
  /** Opens when so many percent of at least `minCalls` calls within `withinMs` have failed. */
  readonly rate?: { readonly percent: number; readonly minCalls: number };
  /** The window, in milliseconds; for `rate` a minute when left out. */
  readonly withinMs?: number;
  /** How long nothing is called, in milliseconds; 30 seconds when left out. */
  readonly openMs?: number;
  /**
   * Whether a failure speaks against the service. When left out, those do that another attempt may heal: not 400 or 404, nor
   * errors that say `retryable: false`.
   */
  readonly countIf?: (failure: Failure, error: unknown) => boolean;
  /** Inputs with different keys have circuits of their own. */
  key?(input: I): string;
}

/**
 * How long an answer is kept for other steps and runs that ask the same agent the same. Needs a store.
 *
 * Those that ask at the same time, in one process, wait for one call. When it fails for good, each of the others calls for itself;
 * when it is stopped, the next one calls. A step waits for the call of another no longer than its own `timeoutMs`.
 */
export interface CachePolicy<I = never> {
  /** Milliseconds until the answer is too old; it never is when left out. */
  readonly ttlMs?: number;
  /**
   * Inputs with the same key have the same answer, of all agents with this name and version: so agents share on purpose. When left
   * out it is the JSON of the input, and only the same agent is meant: the same name, parts, version and text of its functions.
   */
  key?(input: I): string;
}

/** How one step is carried out. Given at the agent; what is given at a step wins, field by field. */
export interface StepPolicy {
  /** How often a failed call is repeated. */
  readonly retry?: number | RetryPolicy;
  /** Longest time for one attempt, in milliseconds; while it waits for its own `context.step` none passes. */
  readonly timeoutMs?: number;
  /** Longest silence between two partial results of one attempt, in milliseconds, `context.step` apart as above. */
  readonly idleTimeoutMs?: number;
  /** How many calls may be under way, and begin, over all runs. */
  readonly limit?: LimitPolicy;
  /** When a service that fails is left alone, over all runs. */
  readonly circuit?: CircuitPolicy;
  /** Whether an answer is kept for others who ask the same. */
  readonly cache?: CachePolicy;
  /** Marks a step that is worth a snapshot of its own. */
  readonly critical?: boolean;
}

/** The same where the input is known: the keys of the limit and of the cache get it. */
export interface AgentPolicy<I> extends StepPolicy {
  /** How many calls may be under way, and begin, over all runs. */
  readonly limit?: LimitPolicy<I>;
  /** When a service that fails is left alone, over all runs. */
  readonly circuit?: CircuitPolicy<I>;
  /** Whether an answer is kept for others who ask the same. */
  readonly cache?: CachePolicy<I>;
  /**
   * Part of the definition, not of how it is carried out: change it when the functions given here have changed so much that saved outputs
   * must not be used any more. Resuming a run with such outputs then throws, or carries the step out again with `onMismatch: 'actual'`.
   * To keep using saved outputs, give an `output` codec that reads both forms instead.
   */
  readonly version?: string | number;
}

/** What an agent's function returns, unwrapped: the value inside Promises, Observables and AsyncIterables. */
export type Answered<R> =
  R extends PromiseLike<infer P>
    ? Answered<P>
    : R extends Observable<infer V>
      ? V
      : R extends AsyncIterable<infer V>
        ? V
        : R;

/** The partial results of an agent's function: the values of the stream it returns; unknown where it returns none. */
export type Emitted<R> =
  R extends PromiseLike<infer P>
    ? Emitted<P>
    : R extends Observable<infer V>
      ? V
      : R extends AsyncIterable<infer V>
        ? V
        : unknown;
