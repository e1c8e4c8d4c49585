import type { Observable } from 'rxjs';

import type { CallCallbacks } from '../../lib/graph/engine';
import type { StepTask } from '../../lib/graph/stepTask';
import type { Agent, StepContext } from '../../lib/model/agent';
import type { LogLevel } from '../../lib/model/logLevel';

/** What the context needs of the call that it belongs to. */
export interface ContextCall {
  readonly task: StepTask;
  readonly callbacks: Pick<CallCallbacks, 'log'>;
  /** Made when it is first read. */
  readonly signal: AbortSignal;
  emit(partial: unknown): void;
  step<I, O>(id: string, agent: Agent<I, O>, input: I): Observable<O>;
}

/**
 * What an agent's function sees of its call. All of it is its own and bound, so that it may be taken apart and spread.
 *
 * A class, because there is one for every call.
 */
export class CallContext implements StepContext {
  readonly runId: string;
  readonly path: string;
  readonly attempt: number;
  readonly idempotencyKey: string;
  declare readonly signal: AbortSignal;
  readonly #call: ContextCall;

  constructor(runId: string, call: ContextCall) {
    const { path, attempt, revision } = call.task;
    this.runId = runId;
    this.path = path;
    this.attempt = attempt;
    // No path has an empty part, so no other step can have this key.
    this.idempotencyKey = revision === 0 ? `${runId}/${path}` : `${runId}/${path}//${String(revision)}`;
    this.#call = call;
    Object.defineProperty(this, 'signal', CallContext.#signal);
  }

  readonly emit = (partial: unknown): void => {
    this.#call.emit(partial);
  };

  readonly log = (level: LogLevel, message: string, data?: object | (() => object)): void => {
    this.#call.callbacks.log(this.#call.task, level, message, data);
  };

  readonly step = <I, O>(id: string, agent: Agent<I, O>, input: I): Observable<O> =>
    this.#call.step(id, agent, input);

  // One for all: a getter in a literal makes V8 keep every such object as a hash table. Most calls need no signal.
  static readonly #signal: PropertyDescriptor & ThisType<CallContext> = {
    get() {
      return this.#call.signal;
    },
    enumerable: true,
  };
}
