import { clearImmediate, setImmediate } from 'node:timers';

import type { SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../codec/jsonValue';
import { isStructure } from '../../definition/definition';
import type { Decided } from '../../definition/scope';
import { NoRunError } from '../../errors/runErrors';
import type { LimitPolicy, Services } from '../../model/agentType';
import type { RunEvent, Transition } from '../../model/event';
import { idempotencyKeyOf } from '../../model/incarnation';
import { reduceRunAll } from '../../model/reduce';
import type { RunState } from '../../model/state';
import type { RowPlace, StepTable } from '../../model/stepTable';
import { answerOf, offerSignals } from '../../store/signalAnswer';
import type { Claim } from '../../store/store';
import type { Pace } from '../../streams/pace';
import type { Pull, PullReceiver, Stop } from '../../streams/pull';
import { isStream, pullFrom } from '../../streams/pull';
import type { CallCallbacks, Engine, KnownAnswer, RecallCallbacks } from '../engine';
import type { LeaveCall, StepTask } from '../task';
import { Transitions } from '../transitions';
import { clockProblem } from '../clockProblem';
import { cacheKeyOf, forgetIn, hashOfInput, memorizeIn, recallFrom } from './cachedAnswers';
import { callFunction } from './callFunction';
import { admitTo } from './limiter';
import type { Listener, Mailbox } from './mailbox';
import type { Look } from './sharedCalls';
import { sharedCallsOf } from './sharedCalls';
import { startTimer } from './startTimer';

/** What the engine of this process needs for one life of a run. */
export interface LocalOptions<O> {
  readonly claim: Claim;
  /** How the run stands before this life. */
  readonly state: RunState<O>;
  readonly scheduler: SchedulerLike | undefined;
  /** What agents are given besides their input; nothing when left out. */
  readonly services?: Services;
  /** Where answers from outside come from; absent in a plain pipe. */
  readonly mailbox?: Mailbox;
  /** Hears every transition, one at a time and in order. */
  readonly tell?: (transition: Transition<O>) => void;
  /** Hears every event instead, where nobody is shown a state: no transition is made then. */
  readonly tellEvent?: (event: RunEvent) => void;
  /** How fast the events are taken. */
  readonly pace?: Pace | undefined;
  /** The store can no longer be written to. */
  readonly broken: (error: unknown) => void;
}

interface Entry {
  readonly event: RunEvent;
  readonly then: (() => void) | undefined;
  isDurable: boolean;
  readonly place: RowPlace | undefined;
}

/**
 * Carries out runs in this process. It adds no turn of the event loop of its own: with synchronous agents and a store
 * that answers at once, a run begins and ends within `subscribe`.
 *
 * Events are told in the order in which they were written down; one that is not durable yet holds back those behind it,
 * never the work itself.
 *
 * A class, because there is one for every run, and for every input of an agent in a plain pipe: an object literal that
 * spreads another one took V8 15 to 30 us.
 */
export class LocalEngine<O> implements Engine {
  readonly #options: LocalOptions<O>;
  readonly #scheduler: SchedulerLike;
  readonly #steady: { now(): number };
  readonly #transitions: Transitions<O>;
  readonly #waiting: Entry[] = [];
  /** What other runs may wait for; most runs use no cache. */
  #recalls: Set<LeaveCall> | undefined;
  /** Hashes of inputs that are on record; looked at only for inputs that are no JSON. */
  #hashes: Set<string> | undefined;
  #isTelling = false;
  #isClosed = false;
  #problem: Error | undefined;

  constructor(options: LocalOptions<O>) {
    this.#options = options;
    this.#scheduler = options.scheduler ?? asyncScheduler;
    this.#steady = options.scheduler ?? performance;
    this.#transitions = new Transitions(options.state);
  }

  get incarnation(): string | undefined {
    return this.#options.state.incarnation;
  }

  get isUnreachable(): boolean {
    return this.#options.claim.isUnreachable === true;
  }

  /** Why nothing more can be written down: the clock has given a time that nobody could read again. */
  get problem(): Error | undefined {
    return this.#problem;
  }

  now(): number {
    return this.#checked(this.#scheduler.now());
  }

  elapsed(): number {
    return this.#checked(this.#steady.now());
  }

  record(event: RunEvent, then: () => void, stored: RunEvent = event, place?: RowPlace): void {
    if (this.#isClosed || this.#breaks()) return;
    let durable: void | Promise<void>;
    try {
      durable = this.#options.claim.append(stored);
    } catch (error) {
      this.#options.broken(error);
      return;
    }
    this.#enqueue(event, then, this.#atPace(durable), place);
  }

  note(event: RunEvent, place?: RowPlace): void {
    if (this.#isClosed || this.#breaks()) return;
    try {
      this.#options.claim.note(event);
    } catch (error) {
      this.#options.broken(error);
      return;
    }
    this.#enqueue(event, undefined, undefined, place);
  }

  tell(event: RunEvent): void {
    if (this.#isClosed || this.#breaks()) return;
    if (event.type === 'step.logged' || event.type === 'step.emitted') {
      try {
        this.#options.claim.keep?.(event);
      } catch (error) {
        this.#options.broken(error);
        return;
      }
    }
    this.#enqueue(event, undefined, undefined);
  }

  demand(): Promise<void> | undefined {
    return this.#options.pace?.wait();
  }

  steps(): StepTable {
    const waiting = this.#waiting.map(({ event }) => event);
    return reduceRunAll(this.#transitions.state(), waiting).steps;
  }

  shared(of: string): unknown {
    const waiting = this.#waiting.map(({ event }) => event);
    const state = reduceRunAll(this.#transitions.state(), waiting);
    return of === '' ? state.shared : state.steps.get(of)?.shared;
  }

  keep(value: unknown, path: string): unknown {
    return this.#options.claim.checksValues ? jsonValue(value, path) : value;
  }

  hash(value: unknown): string | undefined {
    if (!this.#options.claim.checksValues || isStream(value)) return undefined;
    return hashOfInput(value, (hash) => {
      this.#hashes ??= new Set(
        [...this.#options.state.steps].map(({ inputHash = '' }) => inputHash.split('.', 1)[0] ?? ''),
      );
      return this.#hashes.has(hash);
    });
  }

  call(task: StepTask, input: unknown, callbacks: CallCallbacks): Stop | undefined {
    const { state, services } = this.#options;
    return callFunction(state, task, input, callbacks, this.#scheduler, services);
  }

  admit(limit: LimitPolicy, task: StepTask, enter: () => void, isBack = false): Stop {
    const { cache } = this.#options.claim;
    const waiting: { stop?: Stop } = {};
    let isIn = false;
    const enterRoom = (): void => {
      isIn = true;
      waiting.stop?.();
      enter();
    };
    // A function, because the compiler does not see that others may make room meanwhile.
    const hasEntered = (): boolean => isIn;
    // A composite is no call: it begins when it is let in. What comes back has begun.
    const call = isBack || isStructure(task.definition) ? undefined : task;
    const leave = admitTo(limit, task, this.#scheduler, enterRoom, call, isBack);
    if (hasEntered() || cache === undefined) return leave;
    const stopWaiting = sharedCallsOf(cache, this.#scheduler).waitsForRoom(task, limit);
    waiting.stop = stopWaiting;
    if (hasEntered()) stopWaiting();
    return () => {
      stopWaiting();
      leave();
    };
  }

  recall(task: StepTask, callbacks: RecallCallbacks): LeaveCall | undefined {
    const { cache } = this.#options.claim;
    const key = cache && cacheKeyOf(task);
    if (cache === undefined || key === undefined) {
      callbacks.answer(undefined);
      return undefined;
    }
    const look: Look = () => recallFrom(cache, key, task, this.now());
    const calls = sharedCallsOf(cache, this.#scheduler);
    const leaveCall = calls.recall(key, { ...callbacks, task, run: this }, look);
    const leave: LeaveCall = (hasFailed) => {
      this.#recalls?.delete(leave);
      leaveCall(hasFailed);
    };
    (this.#recalls ??= new Set()).add(leave);
    // Its call may have begun meanwhile, and whoever heard of that have left.
    if (this.#isClosed) leave(false);
    return leave;
  }

  memorize(task: StepTask, known: KnownAnswer): void {
    const { cache } = this.#options.claim;
    const key = cache && cacheKeyOf(task);
    if (cache === undefined || key === undefined) return;
    const doneBy = this.#done(task);
    const at = this.now();
    if (this.#problem !== undefined) return;
    const written = memorizeIn(cache, key, task, at, known, {
      madeBy: this.#options.state.runId,
      doneBy,
    });
    sharedCallsOf(cache, this.#scheduler).answered(task, known, written, doneBy);
  }

  forget(path: string, revision: number): void {
    const { cache } = this.#options.claim;
    if (cache === undefined) return;
    const doneBy = this.#done({ path, revision });
    sharedCallsOf(cache, this.#scheduler).forget(doneBy);
    forgetIn(cache, doneBy);
  }

  decide<T>(
    _path: string,
    _question: string,
    decision: () => T,
    answer: (decided: Decided<T>) => void,
  ): void {
    answer(decided(decision));
  }

  sleep(_path: string, delayMs: number, wake: () => void): Stop {
    return startTimer(this.#scheduler, delayMs, wake);
  }

  signal(path: string, answered: Listener): Stop {
    const { mailbox } = this.#options;
    if (mailbox === undefined) throw new NoRunError(path);
    return mailbox.hear(path, answered);
  }

  hearSignals(path: string, name: string, takes: (value: unknown) => boolean, lost: () => void): Stop {
    const { signals } = this.#options.claim;
    if (signals === undefined) return () => undefined;
    const { runId, incarnation } = this.#options.state;
    return offerSignals(signals, name, (signal) => {
      const { asking, deadline = Infinity } = this.steps().get(path) ?? {};
      const isLate = Math.min(signal.at, this.now()) > deadline;
      if (this.#isClosed || isLate || (signal.until ?? Infinity) <= this.now() || !takes(signal.value))
        return undefined;
      const given = signals.give(signal, runId, answerOf(signal, { path, asking, incarnation }));
      return given.then(
        (isGiven) => {
          if (!isGiven) lost();
          return isGiven;
        },
        (error: unknown) => {
          if (!this.#isClosed) this.#options.broken(error);
          return true;
        },
      );
    });
  }

  unheard(): readonly string[] {
    return this.#options.mailbox?.unheard() ?? [];
  }

  settle(then: () => void): Stop {
    if (this.#options.scheduler !== undefined) return startTimer(this.#scheduler, 0, then);
    const immediate = setImmediate(then);
    return () => {
      clearImmediate(immediate);
    };
  }

  pull(source: object, receiver: PullReceiver): Pull {
    return pullFrom(source, receiver);
  }

  /** The state after everything that was told. */
  state(): RunState<O> {
    return this.#transitions.state();
  }

  /** From here on nothing is told any more; `state()` then is the state after everything that was written down. */
  close(): void {
    this.#isClosed = true;
    for (const leave of this.#recalls ?? []) leave(false);
    for (const { event, place } of this.#waiting.splice(0)) this.#transitions.pass(event, place);
  }

  #checked(at: number): number {
    this.#problem ??= clockProblem(at);
    return at;
  }

  /** Where a time that is about to be written is wrong, the life ends as where the store fails. */
  #breaks(): boolean {
    if (this.#problem === undefined) return false;
    this.#options.broken(this.#problem);
    return true;
  }

  /** Names what a step of this run has done, for those who find its answer in the cache. */
  #done({ path, revision }: Pick<StepTask, 'path' | 'revision'>): string {
    return idempotencyKeyOf(this.#options.state, { path, revision });
  }

  /** What waits for the event goes on when the one before it was taken, too. */
  #atPace(durable: void | Promise<void>): void | Promise<void> {
    const wanted = this.demand();
    if (wanted === undefined || durable === undefined) return wanted ?? durable;
    return durable.then(() => wanted);
  }

  #enqueue(
    event: RunEvent,
    then: (() => void) | undefined,
    durable: void | Promise<void>,
    place?: RowPlace,
  ): void {
    if (durable === undefined && this.#waiting.length === 0 && !this.#isTelling) {
      this.#isTelling = true;
      try {
        this.#show(event, place);
      } finally {
        this.#isTelling = false;
      }
      then?.();
      if (this.#isDue()) this.#deliver();
      return;
    }
    const entry: Entry = { event, then, isDurable: durable === undefined, place };
    this.#waiting.push(entry);
    if (durable === undefined) this.#deliver();
    else {
      durable.then(
        () => {
          entry.isDurable = true;
          this.#deliver();
        },
        (error: unknown) => {
          if (!this.#isClosed) this.#options.broken(error);
        },
      );
    }
  }

  /** Tells what is due. Reactions come afterwards, so that they meet a stream that is up to date. */
  #deliver(): void {
    if (this.#isTelling) return;
    const reactions: (() => void)[] = [];
    this.#isTelling = true;
    try {
      while (this.#waiting[0]?.isDurable === true && !this.#isClosed) {
        const { event, then, place } = this.#waiting.shift() as Entry;
        this.#show(event, place);
        if (then !== undefined) reactions.push(then);
      }
    } finally {
      this.#isTelling = false;
    }
    for (const react of reactions) react();
  }

  // A method, because the compiler does not see that what is told may bring more.
  #isDue(): boolean {
    return this.#waiting.length > 0;
  }

  #show(event: RunEvent, place: RowPlace | undefined): void {
    const { tell, tellEvent } = this.#options;
    if (tellEvent === undefined) tell?.(this.#transitions.next(event, place));
    else {
      this.#transitions.pass(event, place);
      tellEvent(event);
    }
  }
}

function decided<T>(decision: () => T): Decided<T> {
  try {
    return { ok: true, value: decision() };
  } catch (error) {
    return { ok: false, error };
  }
}
