import type { Observable } from 'rxjs';
import { from, Subject, switchMap, takeUntil, throwError } from 'rxjs';

import { jsonValue } from '../../../lib/codec/jsonValue';
import type { Definition } from '../../../lib/definition/definition';
import { defineAgent } from '../../../lib/definition/definition';
import type { CallCallbacks } from '../../../lib/engine/engine';
import { StepExecutor } from '../../../lib/engine/interpreter/stepExecutor';
import type { LocalOptions } from '../../../lib/engine/local/localEngine';
import { LocalEngine } from '../../../lib/engine/local/localEngine';
import type { StepTask } from '../../../lib/engine/task';
import { AttemptOverError, DuplicateStepError } from '../../../lib/errors/stepErrors';
import type { Agent, Services } from '../../../lib/model/agentType';
import type { RunEvent } from '../../../lib/model/event';
import { isJournaled } from '../../../lib/model/event';
import type { RunIdentity } from '../../../lib/model/incarnation';
import { openFailures } from '../../../lib/model/openFailures';
import { idleState } from '../../../lib/model/state';
import type { StepResult } from '../../../lib/model/stepResult';
import { StepTable } from '../../../lib/model/stepTable';
import type { AnswerCache } from '../../../lib/store/answerCache';
import type { Claim } from '../../../lib/store/store';
import type { Stop } from '../../../lib/streams/pull';
import type { CallId } from '../protocol/protocol';
import { keptPartials, NESTED, toWire } from '../protocol/wireEvent';
import { LARGEST_VALUE } from '../protocol/wireLimits';
import { NestedWaitError, refuseShared } from '../restateErrors';
import type { EventPublisher } from './eventPublisher';
import { withEmit } from './withEmit';

/** The call that asks for nested steps, and what is known of earlier ones. */
export interface NestedOptions {
  readonly run: RunIdentity;
  readonly under: CallId;
  readonly publisher: EventPublisher;
  readonly known: () => Promise<StepTable | undefined>;
  readonly cache: AnswerCache;
  readonly services?: Services | undefined;
  /** Whether what is kept of another input or agent is dropped. */
  readonly onMismatch: 'refuse' | 'actual';
  /** A nested step waits for an answer, and nothing else moves: the call cannot go on. */
  readonly cannotWait: (error: Error) => void;
}

/**
 * The steps that one call of a function asks for while it runs: a run in this process, by the local engine, whose events go
 * to the publisher instead of into a store.
 *
 * The journal of the run cannot hold these steps: a replay would need the function to ask in the same order. So they are
 * kept by path, as durable promises beside it: a step that has finished is answered from there, in whatever order it is
 * asked for and on whichever worker.
 */
export class NestedEngine {
  readonly #options: NestedOptions;
  readonly #used = new Set<string>();
  readonly #closed$ = new Subject<never>();
  #session: Promise<Session> | undefined;
  #opened: Session | undefined;
  #isClosed = false;
  /** Partial results and log entries published so far. */
  #published = 0;

  constructor(options: NestedOptions) {
    this.#options = options;
  }

  /** What `context.step` does. */
  step<I, O>(id: string, agent: Agent<I, O>, input: I): Observable<O> {
    const path = `${this.#options.under.path}/${id}`;
    if (this.#isClosed) return throwError(() => new AttemptOverError(path));
    // Here and not only in the interpreter: whoever asks twice hears of it at once.
    refuseShared(agent);
    if (this.#used.has(id)) throw new DuplicateStepError(path);
    this.#used.add(id);
    const session = (this.#session ??= this.#open());
    return from(session).pipe(
      switchMap(({ caller, callbacks }) => callbacks.step(caller, id, agent, input)),
      // The function may still wait for it: an end without a value would pass for success.
      takeUntil(this.#closed$),
    );
  }

  /** Stops what is under way; whoever waits for it hears that the attempt is over. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#opened?.interpreter.stop();
    this.#opened?.engine.close();
    this.#closed$.error(new AttemptOverError(this.#options.under.path, 'the call that asked for it is over'));
  }

  /** Paths of nested steps that failed. */
  get failedBelow(): readonly string[] {
    return this.#opened?.caller.failedBelow?.map(({ path }) => path) ?? [];
  }

  /** Paths of those whose failure the function has heard of. */
  get heardFailures(): readonly string[] {
    return this.#opened?.caller.heardFailures ?? [];
  }

  /** Begins a run of one step, which stands for the function that is being called. */
  async #open(): Promise<Session> {
    const { run, under, known, onMismatch } = this.#options;
    const steps = stepsBelow(await known(), under.path);
    let call: Pick<Session, 'caller' | 'callbacks'> | undefined;
    const engine = new SinkEngine(this.#sink(steps), under.path, (caller, callbacks) => {
      call = { caller, callbacks };
      return () => {
        if (!this.#isClosed) this.#options.cannotWait(waitsError(engine, under.path));
      };
    });
    const agent = rootOver(under.path);
    const interpreter = new StepExecutor({
      runId: run.runId,
      agent,
      input: undefined,
      engine,
      known: steps,
      seq: 0,
      onMismatch,
      maxCrashes: Infinity,
      ended: () => undefined,
    });
    interpreter.begin();
    if (call === undefined) throw new AttemptOverError(under.path);
    this.#opened = { ...call, engine, interpreter };
    if (this.#isClosed) interpreter.stop();
    return this.#opened;
  }

  /** The publisher in the place of a store. */
  #sink(steps: StepTable): LocalOptions<unknown> {
    const { run, cache, publisher, services } = this.#options;
    const state = { ...idleState(run.runId, '', []), ...run, status: 'RUNNING' as const, steps };
    const claim: Claim = {
      state,
      cache,
      checksValues: true,
      append: (event) => (this.#publish(event) ? publisher.flush() : undefined),
      note: (event) => void this.#publish(event),
      inbox: () => () => undefined,
      release: () => undefined,
    };
    return {
      claim,
      state,
      scheduler: undefined,
      ...(services !== undefined && { services }),
      tellEvent: (event) => {
        // The journaled ones were published when they were written down.
        if (!isJournaled(event)) this.#publish(event);
      },
      // What is published is sent until it arrives: this sink cannot break.
      broken: () => undefined,
    };
  }

  /** False for what is not published: the run around the steps, and the call itself. */
  #publish(given: RunEvent): boolean {
    const { under, publisher } = this.#options;
    if (!('path' in given) || given.path === '' || given.path === under.path) return false;
    const event = toWire(given);
    if (event === undefined) return false;
    const detail =
      event.type === 'step.emitted' || event.type === 'step.logged'
        ? `${under.execution}:${this.#published++}`
        : 'attempt' in event
          ? event.attempt
          : '';
    publisher.add({ key: `${NESTED}${given.path}:${event.type}:${detail}`, under, event });
    return true;
  }
}

/** The run under way that carries the nested steps out. */
interface Session {
  readonly interpreter: StepExecutor;
  readonly engine: SinkEngine;
  /** The step that stands for the function. */
  readonly caller: StepTask;
  readonly callbacks: CallCallbacks;
}

/** An agent whose one step has this path, and whose function nobody calls: it is under way already. */
function rootOver(path: string): Agent<never, unknown> {
  const caller: Definition = { kind: 'function', name: path, policy: {}, invoke: () => undefined };
  const agent = defineAgent<never, unknown>((source) => source, caller);
  return defineAgent<never, unknown>((source) => source, {
    kind: 'chain',
    name: path,
    policy: {},
    parts: [],
    depth: 1,
    shape: 'sequence',
    madeWith: [],
    begin(_input, scope) {
      const step = scope.step({ id: path, agent, input: undefined }, () => undefined);
      return () => {
        step.cancel();
      };
    },
  });
}

/** The local engine, in a run around a call that is under way already. */
class SinkEngine extends LocalEngine<unknown> {
  readonly #callerPath: string;
  readonly #called: (caller: StepTask, callbacks: CallCallbacks) => Stop;

  constructor(
    options: LocalOptions<unknown>,
    callerPath: string,
    called: (caller: StepTask, callbacks: CallCallbacks) => Stop,
  ) {
    super(options);
    this.#callerPath = callerPath;
    this.#called = called;
  }

  override keep(value: unknown, path: string): unknown {
    return jsonValue(value, path, { bytes: LARGEST_VALUE });
  }

  /** An answer from outside goes to the run, not to one of its calls. */
  override signal(): Stop {
    return () => undefined;
  }

  /** The partial results that are kept with an answer may not grow without end. */
  override call(task: StepTask, input: unknown, callbacks: CallCallbacks): Stop | undefined {
    if (task.path === this.#callerPath) return this.#called(task, callbacks);
    if (task.policy.keepPartials !== true) return super.call(task, input, callbacks);
    const kept = keptPartials(task.path);
    // Not const: a function may give a value before its call has come back.
    let stop: Stop | undefined = undefined;
    const emit: CallCallbacks['emit'] = (called, given) => {
      let value: unknown;
      try {
        value = kept.add(given);
      } catch (error) {
        callbacks.fail(called, error);
        stop?.();
        return undefined;
      }
      return callbacks.emit(called, value);
    };
    stop = super.call(task, input, withEmit(callbacks, emit));
    return stop;
  }
}

/**
 * The steps below a path as they stood when this call began: what had failed is tried again, unless the function had caught it and gone
 * on; what had begun begins anew.
 */
function stepsBelow(table = StepTable.of(), path: string): StepTable {
  const open = new Set(openFailures(table).map(({ stepId }) => stepId));
  const rows: StepResult[] = [];
  for (const row of table) {
    if (!row.stepId.startsWith(`${path}/`)) continue;
    const isDone = row.status === 'COMPLETED' || row.status === 'SKIPPED';
    const isFact = row.status === 'FAILED' && !open.has(row.stepId);
    rows.push(isDone || isFact ? row : { ...row, status: 'PENDING' });
  }
  return StepTable.of(rows);
}

function waitsError(engine: LocalEngine<unknown>, path: string): Error {
  const waiting = [...engine.steps()].find(({ status }) => status === 'SUSPENDED')?.stepId ?? path;
  return new NestedWaitError(waiting);
}
