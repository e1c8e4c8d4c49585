import type { SchedulerLike } from 'rxjs';
import { lastValueFrom, Observable, throwError } from 'rxjs';

import type { FunctionDefinition } from '../../definition/definition';
import { checkedOutput } from '../../definition/definition';
import {
  AttemptOverError,
  EmptyAnswerError,
  NoSharedStateError,
  StepError,
  StepTimeoutError,
} from '../../errors/stepErrors';
import type { Agent, CircuitPolicy, Services, StepContext } from '../../model/agentType';
import { bailIn } from '../../model/bail';
import type { LogLevel } from '../../model/event';
import { toFailure } from '../../model/failure';
import type { RunIdentity } from '../../model/incarnation';
import { idempotencyKeyOf } from '../../model/incarnation';
import type { Stop } from '../../streams/pull';
import type { CallCallbacks } from '../engine';
import type { StepTask } from '../task';
import { pathBelow } from '../task';
import { callInScopes } from './callScopes';
import type { Passage } from './circuit';
import { circuitOf } from './circuit';
import { servicesView } from './givenServices';
import { beginCall } from './limiter';
import type { Receiver } from './receive';
import { receive } from './receive';
import { TimeLimit } from './startTimer';

/**
 * Calls the function of an agent once, in this process, under the limits of its policy.
 *
 * Stopping aborts the signal that the function was given and takes nothing more from it. An answer that comes all the same
 * is dropped and logged.
 */
export function callFunction(
  run: RunIdentity,
  task: StepTask,
  input: unknown,
  callbacks: CallCallbacks,
  scheduler: SchedulerLike,
  services: Services = servicesView(undefined),
): Stop | undefined {
  const call = new Call(task, callbacks, scheduler);
  callInScopes(run, task, () => {
    call.begin(input, new CallContext(run, call, services));
  });
  if (call.isOver) return undefined;
  return () => {
    call.stop();
  };
}

/** One call under way. A class, because there is one for every step and a dozen closures each would cost more than the rest. */
class Call implements Receiver, ContextCall {
  readonly task: StepTask;
  readonly callbacks: CallCallbacks;
  isOver = false;
  readonly #attempt: number;
  readonly #definition: FunctionDefinition;
  readonly #scheduler: SchedulerLike;
  #controller: AbortController | undefined;
  #stopReceiving: Stop | undefined;
  #deadline: TimeLimit | undefined;
  #idle: TimeLimit | undefined;
  /** What keeps its time from counting: nested steps that it waits for, a thread that is not free yet. */
  #holds = 0;
  #values = 0;
  /** Ids of the nested steps that it has asked for and never subscribed to. */
  #unsubscribed: Set<string> | undefined;
  #isStopped = false;
  #output: unknown;
  #passage: Passage | undefined;
  /** What a stream has given that ends early: no partial result, and not folded. */
  #bailed: unknown;

  constructor(task: StepTask, callbacks: CallCallbacks, scheduler: SchedulerLike) {
    this.task = task;
    this.callbacks = callbacks;
    this.#attempt = task.attempt;
    this.#definition = task.definition as FunctionDefinition;
    this.#scheduler = scheduler;
    this.#output = ownCopy(this.#definition.reduce?.seed);
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isStopped) this.#controller.abort();
    return this.#controller.signal;
  }

  begin(input: unknown, context: StepContext): void {
    try {
      const { task } = this;
      const { invoke } = this.#definition;
      const { circuit } = task.policy;
      if (circuit !== undefined) this.#passage = this.#enterCircuit(circuit, input);
      const answer =
        task.policy.limit === undefined
          ? invoke(input, context)
          : beginCall(task, this.#scheduler, () => invoke(input, context));
      this.#stopReceiving = receive(answer, this);
    } catch (error) {
      this.fail(error);
    }
    if (this.isOver) {
      this.#tearDown();
      return;
    }
    const { timeoutMs, idleTimeoutMs } = this.task.policy;
    if (timeoutMs !== undefined) this.#deadline = this.#giveUpAfter(timeoutMs, 'timeoutMs');
    if (idleTimeoutMs !== undefined) this.#idle = this.#giveUpAfter(idleTimeoutMs, 'idleTimeoutMs');
    if (this.#holds > 0) return;
    this.#deadline?.restart();
    this.#idle?.restart();
  }

  #enterCircuit(circuit: CircuitPolicy, input: unknown): Passage {
    const { task, callbacks } = this;
    const key = circuit.key === undefined ? '' : `:${circuit.key(input as never)}`;
    return circuitOf(circuit, key, this.#scheduler).enter(task.path, ({ level, message, data }) => {
      callbacks.log(task, level, message, data);
    });
  }

  stop(): void {
    if (this.isOver) return;
    this.#close();
    this.#passage?.left();
    this.#isStopped = true;
    this.#controller?.abort();
    this.#tearDown();
  }

  /** A nested step for the function, as long as it is being called. */
  step<I, O>(id: string, agent: Agent<I, O>, input: I): Observable<O> {
    if (this.isOver) {
      const { path } = this.task;
      const message = `Step "${path}" asks for "${id}" after its call is over: nothing is begun`;
      this.callbacks.log(this.task, 'WARNING', message);
      return throwError(() => new AttemptOverError(`${path}/${id}`));
    }
    const nested = this.callbacks.step(this.task, id, agent, input);
    const { timeoutMs, idleTimeoutMs } = this.task.policy;
    const isTimed = timeoutMs !== undefined || idleTimeoutMs !== undefined;
    (this.#unsubscribed ??= new Set()).add(id);
    return new Observable((subscriber) => {
      this.#unsubscribed?.delete(id);
      if (isTimed) subscriber.add(this.hold());
      return nested.subscribe(subscriber);
    });
  }

  /** Its time does not count until the function that comes back is called. */
  hold(): Stop {
    let isHeld = true;
    this.#holds += 1;
    if (this.#holds === 1) {
      this.#deadline?.hold();
      this.#idle?.hold();
    }
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holds -= 1;
      if (this.#holds > 0 || this.isOver) return;
      this.#deadline?.resume();
      // What it has waited for is as good as a sign of life.
      this.#idle?.restart();
    };
  }

  get shared(): unknown {
    return this.callbacks.shared?.(this.task);
  }

  /** What it changes counts when the call has given its output. */
  update(change: unknown): void {
    const { task, callbacks } = this;
    if (this.isOver) {
      const message = `Step "${task.path}" updates the shared state after its call is over: nothing is changed`;
      callbacks.log(task, 'WARNING', message);
      return;
    }
    if (callbacks.update === undefined) throw new NoSharedStateError(task.path);
    callbacks.update(task, change);
  }

  emit(partial: unknown): void {
    if (this.isOver) return;
    this.#watchIdle();
    void this.callbacks.emit(this.task, partial);
  }

  value(value: unknown): void | Promise<void> {
    if (this.isOver) return undefined;
    try {
      return this.#take(value);
    } catch (error) {
      this.stop();
      this.callbacks.fail(this.task, error);
      return undefined;
    }
  }

  #take(value: unknown): void | Promise<void> {
    const { reduce } = this.#definition;
    this.#values += 1;
    if (bailIn(value) !== undefined) {
      this.#bailed = value;
      this.#watchIdle();
      return undefined;
    }
    this.#output = reduce === undefined ? value : reduce.fold(this.#output, value);
    this.#watchIdle();
    const demand = this.callbacks.emit(this.task, value);
    // Whoever heard the value may have stopped the run, while this call had not come back yet.
    if (this.callbacks.isWanted?.(this.task) === false) this.stop();
    if (demand === undefined) return undefined;
    // A reader that takes its time is no silence of this function.
    this.#idle?.hold();
    return demand.then(() => {
      this.#watchIdle();
    });
  }

  end(): void {
    const { reduce, name } = this.#definition;
    if (this.#values === 0 && reduce === undefined) this.fail(new EmptyAnswerError(name));
    else this.answer(this.#bailed ?? this.#output);
  }

  answer(value: unknown): void {
    if (this.isOver) {
      this.#late();
      return;
    }
    let output: unknown;
    try {
      output = checkedOutput(this.#definition, value);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#warnOfUnsubscribed();
    this.#close();
    this.#passage?.succeeded();
    try {
      this.callbacks.done(this.task, output);
    } catch (error) {
      // Values of strangers are looked at there: whatever that throws is the failure of this step.
      this.callbacks.fail(this.task, error);
    }
  }

  fail(error: unknown): void {
    if (this.isOver) {
      // That is how a function ends whose question is not answered.
      if (!(error instanceof AttemptOverError)) this.#late();
      return;
    }
    // What stands behind a step that fails, as in `concat()`, is never subscribed to, and nobody has forgotten it.
    const isOfStep = error instanceof StepError || (this.task.heardFailures ?? []).length > 0;
    if (!isOfStep) this.#warnOfUnsubscribed();
    this.#close();
    this.#passage?.failed(error);
    this.callbacks.fail(this.task, error);
  }

  /** A step that nobody has subscribed to did nothing, and its function would not say so. */
  #warnOfUnsubscribed(): void {
    for (const id of this.#unsubscribed ?? []) {
      const path = pathBelow(this.task.path, id);
      const message =
        `Step "${path}" was not carried out: nobody subscribed to context.step("${id}", …). ` +
        'Use context.call(), which gives a Promise, or subscribe';
      this.callbacks.log(this.task, 'WARNING', message);
    }
  }

  #close(): void {
    this.isOver = true;
    this.#deadline?.hold();
    this.#idle?.hold();
  }

  /** Stops what the function gave. What its own teardown throws must not keep the run from ending. */
  #tearDown(): void {
    try {
      this.#stopReceiving?.();
    } catch (error) {
      const message = `Teardown of step "${this.task.path}" failed: ${toFailure(error).message}`;
      this.callbacks.log(this.task, 'WARNING', message);
    }
  }

  #late(): void {
    const message = `Late answer of attempt ${String(this.#attempt)} of step "${this.task.path}" dropped`;
    this.callbacks.log(this.task, 'WARNING', message);
  }

  #watchIdle(): void {
    if (this.#holds === 0 && !this.isOver) this.#idle?.restart();
  }

  #giveUpAfter(limitMs: number, kind: 'timeoutMs' | 'idleTimeoutMs'): TimeLimit {
    return new TimeLimit(this.#scheduler, limitMs, () => {
      const error = new StepTimeoutError(this.task.path, limitMs, kind);
      this.#passage?.failed(error);
      this.stop();
      this.callbacks.fail(this.task, error);
    });
  }
}

/** A seed for one call: whoever folds may change what it is given, and the next call begins with what the agent has. */
function ownCopy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ownCopy);
  if (value instanceof Map)
    return new Map([...(value as Map<unknown, unknown>)].map(([key, one]) => [key, ownCopy(one)]));
  if (value instanceof Set) return new Set([...(value as Set<unknown>)].map(ownCopy));
  if (value instanceof Date) return new Date(value);
  if (typeof value !== 'object' || value === null) return value;
  const prototype: unknown = Object.getPrototypeOf(value);
  // What has methods of its own is not known to be a value.
  if (prototype !== Object.prototype && prototype !== null) return value;
  const fields = Object.entries(value).map(([key, one]) => [key, ownCopy(one)] as const);
  return Object.setPrototypeOf(Object.fromEntries(fields), prototype) as unknown;
}

const LEVELS: ReadonlySet<unknown> = new Set<LogLevel>(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']);

/** The level of a log line: an unknown one counts as WARNING, so that the line is neither lost nor harms the run. */
function levelOf(level: unknown): LogLevel {
  if (LEVELS.has(level)) return level as LogLevel;
  const upper = typeof level === 'string' ? level.toUpperCase() : '';
  return LEVELS.has(upper) ? (upper as LogLevel) : 'WARNING';
}

/** The text of a log line, also when the message is an error or another value. */
function textOf(message: unknown): string {
  return typeof message === 'string' ? message : toFailure(message).message;
}

/** What the context needs of the call that it belongs to. */
export interface ContextCall {
  readonly task: StepTask;
  readonly callbacks: Pick<CallCallbacks, 'log'>;
  /** Made when it is first read. */
  readonly signal: AbortSignal;
  /** The state that its step shares with others, as it is now. */
  readonly shared: unknown;
  update(change: unknown): void;
  emit(partial: unknown): void;
  step<I, O>(id: string, agent: Agent<I, O>, input: I): Observable<O>;
  hold(): Stop;
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
  readonly services: Services;
  declare readonly signal: AbortSignal;
  declare readonly shared: unknown;
  readonly #call: ContextCall;

  constructor(run: RunIdentity, call: ContextCall, services: Services) {
    const { path, attempt } = call.task;
    this.runId = run.runId;
    this.path = path;
    this.attempt = attempt;
    this.idempotencyKey = idempotencyKeyOf(run, call.task);
    this.services = services;
    this.#call = call;
    Object.defineProperty(this, 'signal', CallContext.#signal);
    // Only where something is shared: a property more for every call of every run costs.
    if (call.task.sharing !== undefined) Object.defineProperty(this, 'shared', CallContext.#shared);
  }

  readonly emit = (partial: unknown): void => {
    this.#call.emit(partial);
  };

  readonly log = (level: LogLevel, message: string, data?: object | (() => object)): void => {
    this.#call.callbacks.log(this.#call.task, levelOf(level), textOf(message), data);
  };

  readonly step = <I, O>(id: string, agent: Agent<I, O>, input: I): Observable<O> =>
    this.#call.step(id, agent, input);

  readonly call = <I, O>(id: string, agent: Agent<I, O>, input: I): Promise<O> => {
    const answered = lastValueFrom(this.#call.step(id, agent, input));
    // How the step ended is on record: a function that has left must not end the process because nobody hears it.
    answered.catch(() => undefined);
    return answered;
  };

  readonly update = (change: unknown): void => {
    this.#call.update(change);
  };

  /** For agents of this package that wait before they work: the time limits of the call do not count until that is over. */
  hold(): Stop {
    return this.#call.hold();
  }

  // One for all: a getter in a literal makes V8 keep every such object as a hash table. Most calls need no signal.
  static readonly #signal: PropertyDescriptor & ThisType<CallContext> = {
    get() {
      return this.#call.signal;
    },
    enumerable: true,
  };

  static readonly #shared: PropertyDescriptor & ThisType<CallContext> = {
    get() {
      return this.#call.shared;
    },
    enumerable: true,
  };
}
