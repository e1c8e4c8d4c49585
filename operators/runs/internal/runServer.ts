import { hostname } from 'node:os';
import { isDeepStrictEqual } from 'node:util';

import type { SchedulerLike, Subscriber } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { Drain } from '../../../lib/engine/local/drain';
import { claimAndRun } from '../../../lib/engine/local/runLife';
import { startTimer } from '../../../lib/engine/local/startTimer';
import type { RunSettings } from '../../../lib/engine/runOptions';
import { AgentNotServedError, RunEndedError, RunError } from '../../../lib/errors/runErrors';
import {
  RunActiveError,
  StorageError,
  StoreLockedError,
  StoreNotServedError,
  UnknownRunError,
} from '../../../lib/errors/storageErrors';
import type { Agent } from '../../../lib/model/agentType';
import type { StepLogged, Transition } from '../../../lib/model/event';
import { toFailure } from '../../../lib/model/failure';
import type { RunMessage } from '../../../lib/model/message';
import type { RunState, RunStatus } from '../../../lib/model/state';
import { idleState } from '../../../lib/model/state';
import { fateOf, hearingOf } from '../../../lib/store/messages';
import type {
  Attendance,
  Attendant,
  QueuedRun,
  QueuedTurn,
  RunSummary,
  Store,
} from '../../../lib/store/store';
import { summaryOf } from '../../../lib/store/summary';
import { Fifo } from '../../../lib/streams/fifo';
import { onAbort } from '../../../lib/streams/onAbort';
import type { Stop } from '../../../lib/streams/pull';
import { realTimers } from '../../../lib/streams/realTimers';
import { TimeHeap } from '../../../lib/streams/timeHeap';
import type { Pause } from '../../../lib/streams/yieldOften';
import { sharedPauses } from '../../../lib/streams/yieldOften';
import { markLastFailure, markOneOfMany } from '../outcomes';
import type { Schedule } from '../schedule';
import { ScheduleClock } from './scheduleClock';
import { SignalDesk } from './signalDesk';

/** How often a run that fails is resumed, and after how many milliseconds. */
export type ServeRetry = number | { readonly count: number; readonly delayMs?: number };

/** How runs are served. */
export interface ServeOptions extends Pick<
  RunSettings,
  'maxCrashes' | 'onMismatch' | 'recordInputs' | 'services' | 'signal'
> {
  /** Where the runs rest. One process serves a folder at a time. */
  readonly store: Store;
  /** How many runs are under way at once; 16 when left out. A run that waits for an answer takes no place, one that sleeps does. */
  readonly concurrency?: number;
  /**
   * How often a run that fails is resumed, counted since this began to serve; those that it finds failed are resumed too then.
   * Failed runs are left alone when left out.
   */
  readonly retry?: ServeRetry;
  /** How long steps under way may go on when this stops, in milliseconds; 0 when left out. They are cut off then. */
  readonly drainMs?: number;
  /** Agents that are run again and again; their runs are served too. */
  readonly schedules?: readonly Schedule[];
  /** Whether SIGTERM and SIGINT drain; no handler is installed when left out. A second signal ends the process as usual. */
  readonly signals?: boolean;
  /** The clock. Give a virtual one in tests. */
  readonly scheduler?: SchedulerLike;
}

/** How long at most until the clock is looked at again, in milliseconds: it may have been set, or the machine been asleep. */
const LONGEST_WAIT_MS = 30_000;

/** How long taking up what is due may keep everything else from running, in milliseconds. */
const LONGEST_TURN_MS = 8;

/**
 * Serves the runs of a store for one subscriber.
 *
 * A run that may want to be carried on stands in `#ready`, by its id alone. Whether it does is decided when its turn comes, from
 * its state: so everything that points to it, such as a message, a deadline, a crash, may point to it twice, or wrongly.
 */
export class RunServer implements Attendant {
  readonly #agents: ReadonlyMap<string, Agent<never, unknown>>;
  readonly #options: ServeOptions;
  readonly #subscriber: Subscriber<Transition>;
  readonly #scheduler: SchedulerLike;
  readonly #retry: { readonly count: number; readonly delayMs: number };
  readonly #ready = new Fifo<string>();
  readonly #isReady = new Set<string>();
  readonly #underWay = new Set<string>();
  /** Runs that something pointed to while they were under way. */
  readonly #again = new Set<string>();
  readonly #due = new TimeHeap<string | ScheduleClock | typeof QUEUE>();
  readonly #clocks: readonly ScheduleClock[];
  /** Hands signals to runs that rest. */
  readonly #signals: SignalDesk;
  /** Runs that are to begin, unless they have. */
  readonly #fresh = new Map<string, Schedule>();
  /** Runs that could not be carried on, with how they stood then. */
  readonly #refused = new Map<string, string>();
  /** Answers that the latest life of a run has not come to: another life would not come to them either. */
  readonly #passedOver = new Map<string, readonly RunMessage[]>();
  /** Runs that have to be carried on to find out whether they take a signal. */
  readonly #asked = new Set<string>();
  /** Those under way whose life has begun and goes on: a queued run of their id is what an earlier process left of them. */
  readonly #onRecord = new Set<string>();
  /** Queued runs whose turn came while a run of the same id was looked at here; they have it again when that one has left. */
  readonly #behind = new Map<string, QueuedTurn>();
  /** Queued runs that could not begin here. */
  readonly #unfit: QueuedTurn[] = [];
  /** Who has asked for a run to be resumed, however it ended, and waits for it to come to rest. */
  readonly #waiters = new Map<string, Waiter[]>();
  /** How often a run was resumed because it had failed. With its incarnation: a later run of the same id begins at 0. */
  readonly #retried = new Map<string, { readonly incarnation: string | undefined; readonly count: number }>();
  /** In virtual time nothing else has to run meanwhile. */
  readonly #pause: Pause;
  readonly #drain = new Drain();
  readonly #stops: Stop[] = [];
  #attendance: Attendance | undefined;
  #stopTimer: Stop | undefined;
  #timerAt = Infinity;
  /** What the clock showed when it was last looked at, and the failed runs that wait to be resumed: one that is set back holds none of them up. */
  #seenAt = -Infinity;
  readonly #failed = new Set<string>();
  /** When the queue is looked at again for what is delayed. */
  #queueAt = Infinity;
  /** Whether it knows what rests in the store. */
  #hasLooked = false;
  #isStopping = false;
  #broken: { readonly error: unknown } | undefined;

  constructor(
    agents: ReadonlyMap<string, Agent<never, unknown>>,
    options: ServeOptions,
    subscriber: Subscriber<Transition>,
  ) {
    const { retry = 0, scheduler = asyncScheduler, schedules = [] } = options;
    this.#clocks = schedules.map((schedule) => new ScheduleClock(schedule));
    this.#signals = new SignalDesk([...agents.values(), ...schedules.map(({ agent }) => agent)], {
      now: () => this.#scheduler.now(),
      load: (runId) => options.store.loadRun(runId),
      isUnderWay: (runId) => this.#underWay.has(runId),
      wake: (runId) => {
        this.#asked.add(runId);
        this.#point(runId);
      },
      warn: (runId, error) => {
        this.#warn(runId, error, undefined);
      },
    });
    this.#agents = agents;
    this.#options = options;
    this.#subscriber = subscriber;
    this.#scheduler = scheduler;
    this.#pause = scheduler === asyncScheduler ? sharedPauses() : () => undefined;
    this.#retry = { delayMs: 0, ...(typeof retry === 'number' ? { count: retry } : retry) };
  }

  begin(): void {
    const { signal, signals = false, scheduler } = this.#options;
    const stop = (): void => {
      this.stop();
    };
    if (signals) {
      for (const name of ['SIGTERM', 'SIGINT'] as const) {
        process.on(name, stop);
        this.#stops.push(() => process.off(name, stop));
      }
    }
    if (signal !== undefined) this.#stops.push(onAbort(signal, stop));
    // A process that serves lives on although nothing happens.
    if (scheduler === undefined) {
      const alive = realTimers.setInterval(() => undefined, 2 ** 30);
      this.#stops.push(() => {
        realTimers.clearInterval(alive);
      });
    }
    this.#open().catch((error: unknown) => {
      this.#break(error);
    });
  }

  /** Begins nothing more, and ends once the runs under way have ended or rest. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const stop of this.#stops.splice(0)) stop();
    this.#signals.close();
    this.#attendance?.leave();
    this.#stopTimer?.();
    this.#ready.clear();
    for (const turn of this.#unfit.splice(0)) turn.back();
    for (const runId of [...this.#waiters.keys()])
      if (!this.#underWay.has(runId)) this.#refuse(runId, stopped(runId));
    const { drainMs = 0 } = this.#options;
    this.#drain.begin();
    if (drainMs > 0 && this.#underWay.size > 0) {
      const cut = (): void => {
        this.#drain.cut();
      };
      this.#stops.push(startTimer(this.#scheduler, drainMs, cut));
    } else this.#drain.cut();
    this.#endIfDone();
  }

  posted(runId: string): void {
    this.#point(runId);
  }

  rested(run: RunSummary): void {
    this.#look(run);
  }

  troubled(error: Error): void {
    this.#warn('', error, undefined);
  }

  queued(): void {
    this.#takeUp();
  }

  async resume(runId: string, accepted: () => void): Promise<RunSummary> {
    const state = await this.#options.store.loadRun(runId);
    if (state === undefined) throw new UnknownRunError(runId);
    if (this.#hasStopped()) throw stopped(runId);
    if (state.status === 'COMPLETED') return summaryOf(state);
    this.#agentOf(runId, state.name);
    const rested = new Promise<RunSummary>((resolve, reject) => {
      this.#waiters.set(runId, [...(this.#waiters.get(runId) ?? []), { resolve, reject }]);
    });
    // One that is under way tells how it comes to rest, or is looked at once more.
    if (!this.#underWay.has(runId)) this.#point(runId);
    accepted();
    return rested;
  }

  async #open(): Promise<void> {
    const { store } = this.#options;
    const attendance = await store.attend(this);
    this.#attendance = attendance;
    if (this.#hasStopped()) {
      attendance.leave();
      return;
    }
    this.#signals.open(attendance.signals);
    const hasSchedules = this.#clocks.length > 0;
    const wanted = this.#retry.count > 0 ? RESUMABLE : UNFINISHED;
    const runs = await store.listRuns({
      ...(!hasSchedules && { status: [...wanted], isResting: true }),
      onDamaged: (runId, error) => {
        this.#warn(runId, error, undefined);
      },
    });
    // What is told meanwhile, of runs that came to rest, is told anew.
    if (this.#hasStopped()) return;
    // Newest first: who has waited longest is looked at first.
    for (const run of [...runs].reverse()) {
      if (wanted.has(run.status)) this.#look(run);
      const rest = this.#pause();
      if (rest !== undefined) await rest;
    }
    if (this.#hasStopped()) return;
    for (const clock of this.#clocks) {
      clock.begin(runs, this.#scheduler.now(), this.#retry.count > 0);
      this.#await(clock);
      this.#beginTicks(clock);
      // Whether one that has failed is resumed is decided now.
      if (clock.current !== undefined) this.#point(clock.current);
    }
    this.#hasLooked = true;
    this.#takeUp();
  }

  /** A function, because the compiler does not see that it may have stopped while something was awaited. */
  #hasStopped(): boolean {
    return this.#isStopping;
  }

  /** A run that rests: what it waits for, if for anything. */
  #look(run: RunSummary): void {
    if (this.#isStopping) return;
    const { runId, status, reason } = run;
    this.#signals.look(run);
    const mayBeRetried = status === 'FAILED' && this.#retry.count > 0;
    if (!UNFINISHED.has(status) && !mayBeRetried) this.#freeClock(runId);
    if (status === 'RUNNING' || (status === 'SUSPENDED' && reason === 'drain')) this.#point(runId);
    else if (status === 'FAILED') {
      if (mayBeRetried && this.#isRetriedNow(run, this.#scheduler.now())) this.#point(runId);
    } else if (status === 'SUSPENDED') {
      const dueAt = earliestDue(run);
      if (dueAt !== undefined) this.#remindAt(dueAt, runId);
      const [first] = this.#attendance?.messages(runId) ?? [];
      if (first !== undefined) this.#point(runId);
    } else {
      this.#retried.delete(runId);
      this.#passedOver.delete(runId);
    }
  }

  /** A run may want to be carried on. */
  #point(runId: string): void {
    if (this.#isStopping || this.#isReady.has(runId)) return;
    if (this.#underWay.has(runId)) {
      this.#again.add(runId);
      return;
    }
    this.#isReady.add(runId);
    this.#ready.push(runId);
    this.#takeUp();
  }

  #await(clock: ScheduleClock): void {
    const at = clock.nextAt();
    if (at === undefined || at === clock.awaitedAt || this.#isStopping) return;
    clock.awaitedAt = at;
    this.#due.add(at, clock);
    this.#arm();
  }

  async #tick(clock: ScheduleClock): Promise<void> {
    const { current } = clock;
    // It may have ended, or have been forgotten, where nobody told.
    if (current !== undefined && !this.#fresh.has(current) && !this.#underWay.has(current)) {
      const isOver = await this.#isOver(current);
      if (clock.current === current && isOver) clock.current = undefined;
    }
    const wants = clock.tick(this.#scheduler.now());
    this.#await(clock);
    if (wants === 'cancel' && clock.current !== undefined) await this.#supersede(clock.current);
    this.#beginTicks(clock);
  }

  /** Whether a run has ended, is gone, or cannot be carried on because nobody can read it any more. */
  async #isOver(runId: string): Promise<boolean> {
    try {
      const state = await this.#options.store.loadRun(runId);
      return state === undefined || !this.#goesOn(state);
    } catch (error) {
      if (isOfStore(error)) throw error;
      this.#warn(runId, error, undefined);
      return true;
    }
  }

  async #supersede(runId: string): Promise<void> {
    const { store } = this.#options;
    try {
      await store.post(runId, { kind: 'cancel', reason: 'the next tick has come' });
      return;
    } catch (error) {
      if (!(error instanceof RunEndedError || error instanceof UnknownRunError)) throw error;
    }
    const state = await store.loadRun(runId);
    // It had failed, and has been resumed since.
    if (state !== undefined && UNFINISHED.has(state.status)) {
      await this.#supersede(runId);
      return;
    }
    // One that has failed is not resumed any more.
    if (state?.status === 'FAILED')
      this.#retried.set(runId, { incarnation: state.incarnation, count: Infinity });
    // Who looks at it now, or carries it on, frees the clock.
    if (!this.#underWay.has(runId)) this.#freeClock(runId);
  }

  #beginTicks(clock: ScheduleClock): void {
    if (this.#isStopping) return;
    const tick = clock.take();
    if (tick === undefined) return;
    const runId = clock.runId(tick);
    clock.current = runId;
    this.#fresh.set(runId, clock.schedule);
    this.#point(runId);
  }

  /** The run of a tick has ended, or cannot be carried on. */
  #freeClock(runId: string): void {
    for (const clock of this.#clocks) {
      if (clock.current !== runId) continue;
      clock.current = undefined;
      this.#beginTicks(clock);
    }
  }

  #remindAt(at: number, runId: string): void {
    this.#due.add(at, runId);
    this.#arm();
  }

  /** One timer, to what is due first. */
  #arm(): void {
    const at = this.#due.earliest;
    if (this.#isStopping || at >= this.#timerAt || at === Infinity) return;
    this.#stopTimer?.();
    this.#timerAt = at;
    this.#seenAt = Math.max(this.#seenAt, this.#scheduler.now());
    const leftMs = Math.max(0, at - this.#scheduler.now());
    const waitMs = this.#scheduler === asyncScheduler ? Math.min(leftMs, LONGEST_WAIT_MS) : leftMs;
    this.#stopTimer = startTimer(this.#scheduler, waitMs, () => {
      this.#timerAt = Infinity;
      const now = this.#scheduler.now();
      if (now < this.#seenAt) for (const runId of [...this.#failed]) this.#point(runId);
      this.#seenAt = now;
      const begun = performance.now();
      const isVirtual = this.#scheduler !== asyncScheduler;
      for (const clock of this.#clocks) if (clock.setBack(now)) this.#await(clock);
      // What is left of many is taken up in the next turn.
      while (this.#due.earliest <= now && (isVirtual || performance.now() - begun < LONGEST_TURN_MS)) {
        const { earliest } = this.#due;
        const what = this.#due.take();
        if (typeof what === 'string') {
          this.#failed.delete(what);
          this.#point(what);
        } else if (what === QUEUE) {
          this.#queueAt = Infinity;
          this.#takeUp();
        } else if (what?.awaitedAt === earliest) {
          what.awaitedAt = undefined;
          this.#tick(what).catch((error: unknown) => {
            this.#break(error);
          });
        }
      }
      this.#arm();
    });
  }

  /** What has begun goes on before anything new begins. */
  #takeUp(): void {
    const { concurrency = 16 } = this.#options;
    while (!this.#isStopping && this.#underWay.size < concurrency) {
      if (this.#ready.length > 0) {
        const runId = this.#ready.shift();
        this.#isReady.delete(runId);
        this.#carryOut(runId, () => this.#carryOn(runId));
        continue;
      }
      // What an earlier process has left comes first.
      const turn = this.#hasLooked ? this.#attendance?.takeQueued(this.#scheduler.now()) : undefined;
      if (turn === undefined) break;
      // It is known already; or the run of this id that is looked at was deleted before this one was submitted.
      if (this.#onRecord.has(turn.runId)) turn.done();
      else if (this.#underWay.has(turn.runId)) this.#behind.set(turn.runId, turn);
      else this.#carryOut(turn.runId, () => this.#beginQueued(turn));
    }
    this.#awaitQueue();
  }

  #carryOut(runId: string, work: () => Promise<void>): void {
    this.#underWay.add(runId);
    // Thousands may be due at once.
    const rest = this.#pause();
    const begun = rest === undefined ? work() : rest.then(work);
    begun.then(
      () => {
        this.#left(runId);
      },
      (error: unknown) => {
        this.#refuse(runId, error);
        this.#left(runId);
        this.#break(error);
      },
    );
  }

  #left(runId: string): void {
    this.#underWay.delete(runId);
    this.#behind.get(runId)?.back();
    this.#behind.delete(runId);
    // Who asked since it came to rest is still to be answered.
    const isAwaited = this.#waiters.has(runId);
    if (isAwaited && this.#isStopping) this.#refuse(runId, stopped(runId));
    if (this.#again.delete(runId) || isAwaited) this.#point(runId);
    this.#takeUp();
    this.#endIfDone();
  }

  #awaitQueue(): void {
    const at = this.#attendance?.queuedAt() ?? Infinity;
    if (this.#isStopping || at >= this.#queueAt) return;
    this.#queueAt = at;
    this.#due.add(at, QUEUE);
    this.#arm();
  }

  /** Begins a run that was queued, unless it is known; resolves when its life has ended. */
  async #beginQueued(turn: QueuedTurn): Promise<void> {
    const { runId } = turn;
    try {
      const queued = await turn.load();
      const isKnown = queued === undefined || (await this.#options.store.loadRun(runId)) !== undefined;
      if (isKnown) turn.done();
      else if (this.#hasStopped()) turn.back();
      else await this.#live(this.#agentOf(runId, queued.name), runId, queued, turn);
    } catch (error) {
      if (error instanceof RunActiveError) {
        turn.done();
        return;
      }
      if (isOfStore(error)) throw error;
      // It stays in the queue for whoever serves next.
      this.#unfit.push(turn);
      this.#warn(runId, error, undefined);
    }
  }

  #refuse(runId: string, error: unknown): void {
    this.#asked.delete(runId);
    const waiters = this.#waiters.get(runId) ?? [];
    this.#waiters.delete(runId);
    for (const { reject } of waiters) reject(error as Error);
  }

  /** @throws AgentNotServedError */
  #agentOf(runId: string, name: string): Agent<never, unknown> {
    const agent =
      this.#agents.get(name) ??
      this.#clocks.find(({ schedule }) => schedule.agent.name === name)?.schedule.agent;
    if (agent === undefined) throw new AgentNotServedError(runId, name, [...this.#agents.keys()]);
    return agent;
  }

  /** Carries a run on if it wants that; resolves when its life has ended. */
  async #carryOn(runId: string): Promise<void> {
    const { store } = this.#options;
    let state: RunState | undefined;
    try {
      state = await store.loadRun(runId);
      const fresh = this.#fresh.get(runId);
      this.#fresh.delete(runId);
      if (this.#hasStopped()) return;
      if (state === undefined) {
        if (fresh !== undefined) await this.#live(fresh.agent, runId, fresh);
        else this.#refuse(runId, new UnknownRunError(runId));
        return;
      }
      if (!this.#isWanted(state)) {
        this.#rest(state);
        if (!this.#goesOn(state)) this.#freeClock(runId);
        return;
      }
      const agent = this.#agentOf(runId, state.name);
      if (state.status === 'FAILED')
        this.#retried.set(runId, { incarnation: state.incarnation, count: this.#retriesOf(state) + 1 });
      const mail = [...this.#mailFor(state)];
      await this.#live(agent, runId);
      this.#passOver(runId, mail);
    } catch (error) {
      this.#refuse(runId, error);
      // Somebody else in this process carries it on, or has forgotten it.
      if (error instanceof RunActiveError || error instanceof UnknownRunError) return;
      if (isOfStore(error)) throw error;
      this.#refused.set(runId, standingOf(state));
      this.#warn(runId, error, state);
      this.#freeClock(runId);
    }
  }

  /** Whether somebody has to carry the run on, as it stands. */
  #isWanted(state: RunState): boolean {
    const { runId, status, reason } = state;
    const isAwaited = this.#waiters.has(runId);
    if (!isAwaited && this.#refused.get(runId) === standingOf(state)) return false;
    this.#refused.delete(runId);
    if (this.#asked.delete(runId) || isAwaited) return status !== 'COMPLETED';
    if (status === 'RUNNING') return true;
    const now = this.#scheduler.now();
    const summary = summaryOf(state);
    if (status === 'FAILED') return this.#goesOn(state) && this.#isRetriedNow(summary, now);
    if (status !== 'SUSPENDED') return false;
    const passedOver = this.#passedOver.get(runId) ?? [];
    const isNew = (message: RunMessage): boolean =>
      !passedOver.some((other) => isDeepStrictEqual(message, other));
    if (reason === 'drain') return true;
    // The first one is enough: there may be thousands.
    for (const message of this.#mailFor(state)) if (isNew(message)) return true;
    // What was due when the latest life began, that life has not come to.
    const dueAt = earliestDue(summary, state.resumedAt ?? state.startedAt);
    return dueAt !== undefined && this.#isNow(dueAt, runId, now);
  }

  /** Whether a failed run has waited as long as it should; how long one has that ended later than now, nobody knows. */
  #isRetriedNow({ runId, endedAt = 0 }: RunSummary, now: number): boolean {
    this.#failed.delete(runId);
    if (endedAt > now || this.#isNow(endedAt + this.#retry.delayMs, runId, now)) return true;
    this.#failed.add(runId);
    return false;
  }

  /** Whether the run has not ended, or has failed and is resumed. */
  #goesOn(state: RunState): boolean {
    if (state.status !== 'FAILED') return UNFINISHED.has(state.status);
    return this.#retriesOf(state) < this.#retry.count && state.error?.retryable !== false;
  }

  /** How often the run was resumed because it had failed; an earlier run of the same id does not count. */
  #retriesOf({ runId, incarnation }: Pick<RunState, 'runId' | 'incarnation'>): number {
    const retried = this.#retried.get(runId);
    return retried?.incarnation === incarnation ? (retried?.count ?? 0) : 0;
  }

  /** A timer may be early, and the clock may have been set back. */
  #isNow(at: number, runId: string, now: number): boolean {
    if (at <= now) return true;
    this.#remindAt(at, runId);
    return false;
  }

  /** The messages that wait and that the next life would take, as far as it comes to the steps that they are for. */
  *#mailFor(state: RunState): Iterable<RunMessage> {
    const hearing = hearingOf(state, state.incarnation);
    for (const message of this.#attendance?.messages(state.runId) ?? []) {
      const row = message.kind === 'answer' ? state.steps.get(message.path) : undefined;
      if (fateOf(message, hearing, row) === 'taken') yield message;
    }
  }

  #passOver(runId: string, mail: readonly RunMessage[]): void {
    const left = mail.length === 0 ? [] : [...(this.#attendance?.messages(runId) ?? [])];
    const passedOver = mail.filter((message) => left.some((other) => isDeepStrictEqual(message, other)));
    if (passedOver.length > 0) this.#passedOver.set(runId, passedOver);
    else this.#passedOver.delete(runId);
  }

  /**
   * @param fresh - With what a run begins that is not there yet.
   * @param turn - Its turn in the queue, done once the run is on record; when it was taken back meanwhile, the run is cancelled.
   */
  #live(
    agent: Agent<never, unknown>,
    runId: string,
    fresh?: Pick<QueuedRun, 'input' | 'tags'>,
    turn?: QueuedTurn,
  ): Promise<void> {
    const { store, maxCrashes, onMismatch, recordInputs, scheduler, services } = this.#options;
    const takenBack = turn && new AbortController();
    const options = {
      ...(takenBack !== undefined && { signal: takenBack.signal }),
      ...(services !== undefined && { services }),
      ...(recordInputs !== undefined && { recordInputs }),
      ...(maxCrashes !== undefined && { maxCrashes }),
      ...(onMismatch !== undefined && { onMismatch }),
      ...(scheduler !== undefined && { scheduler }),
      ...(fresh?.tags !== undefined && { tags: fresh.tags }),
    };
    const life = claimAndRun({
      rest: store,
      runId,
      agent,
      input: fresh?.input,
      mustExist: fresh === undefined,
      options,
      drain: this.#drain,
    });
    let latest: RunState | undefined;
    return new Promise<void>((resolve, reject) => {
      life.subscribe({
        next: (transition) => {
          // Before anything of it is called.
          const isTakenBack = latest === undefined && this.#isTakenBack(runId, turn);
          latest = transition.state;
          this.#tell(transition);
          if (isTakenBack) takenBack?.abort(TAKEN_BACK);
        },
        error: (error: unknown) => {
          this.#onRecord.delete(runId);
          // It was told as run.failed.
          if (error instanceof RunError) resolve();
          else reject(error instanceof Error ? error : new Error(String(error)));
        },
        complete: () => {
          this.#onRecord.delete(runId);
          resolve();
        },
      });
    }).then(async () => {
      // One that had nothing left to do rests as it did.
      const rested = latest ?? (await store.loadRun(runId));
      if (rested === undefined) return;
      this.#rest(rested);
      if (!this.#goesOn(rested)) this.#freeClock(runId);
    });
  }

  /** A life has begun: what waits in the queue under its id is done with. Tells whether its own turn was taken back meanwhile. */
  #isTakenBack(runId: string, turn: QueuedTurn | undefined): boolean {
    this.#onRecord.add(runId);
    this.#behind.get(runId)?.done();
    this.#behind.delete(runId);
    return turn?.done() === false;
  }

  /** Tells who has asked how a run has come to rest. */
  #rest(state: RunState): void {
    const waiters = this.#waiters.get(state.runId) ?? [];
    this.#waiters.delete(state.runId);
    for (const { resolve } of waiters) resolve(summaryOf(state));
  }

  #tell(transition: Transition): void {
    const { event, state } = transition;
    if (event.type === 'run.failed' && !this.#goesOn(state)) markLastFailure(event);
    if (event.type === 'run.suspended' || event.type === 'run.cancelled') markOneOfMany(event);
    this.#subscriber.next(transition);
  }

  #warn(runId: string, thrown: unknown, state: RunState | undefined): void {
    const { name, message, code } = toFailure(thrown);
    const event: StepLogged = {
      type: 'step.logged',
      runId,
      seq: state?.seq ?? 0,
      at: this.#scheduler.now(),
      path: '',
      level: 'WARNING',
      message,
      data: { error: name, ...(code !== undefined && { code }) },
    };
    this.#subscriber.next({ event, state: state ?? idleState(runId, '', []) });
  }

  /** The store can no longer be used: the error is told once no run is under way. */
  #break(error: unknown): void {
    this.#broken ??= { error };
    if (this.#isStopping) this.#endIfDone();
    else this.stop();
  }

  #endIfDone(): void {
    if (!this.#isStopping || this.#underWay.size > 0) return;
    for (const stop of this.#stops.splice(0)) stop();
    if (this.#broken !== undefined) this.#subscriber.error(this.#broken.error);
    else this.#subscriber.complete();
  }
}

/** The reason of a run that was taken out of the queue while it began. */
const TAKEN_BACK = 'it was taken out of the queue as it began';

/** Stands for the queue among what is due. */
const QUEUE = Symbol('queue');

/** Who has asked for a run to be resumed. */
interface Waiter {
  readonly resolve: (run: RunSummary) => void;
  readonly reject: (error: Error) => void;
}

function stopped(runId: string): StoreNotServedError {
  const me = { pid: process.pid, host: hostname() };
  return new StoreNotServedError(`resume run "${runId}"`, 'this store', me);
}

const UNFINISHED: ReadonlySet<RunStatus> = new Set<RunStatus>(['RUNNING', 'SUSPENDED']);
const RESUMABLE: ReadonlySet<RunStatus> = new Set<RunStatus>([...UNFINISHED, 'FAILED']);

/** Whether nothing can be done with the store any more, not only with this run. */
function isOfStore(error: unknown): boolean {
  return error instanceof StorageError || error instanceof StoreLockedError;
}

/** Names the point up to which a run has come; a later run of the same id never has the same name. */
function standingOf(state: RunState | undefined): string {
  return `${state?.incarnation ?? ''} ${String(state?.seq ?? 0)}`;
}

/** When the first of its questions is due, of those that are after a moment; undefined when none is. */
function earliestDue({ waiting }: RunSummary, after = -Infinity): number | undefined {
  let earliest: number | undefined;
  for (const { dueAt } of waiting)
    if (dueAt !== undefined && dueAt > after && !(dueAt >= (earliest ?? Infinity))) earliest = dueAt;
  return earliest;
}
