import { setTimeout as wait } from 'node:timers/promises';

import { Subject, takeUntil, VirtualTimeScheduler } from 'rxjs';

import type { Agent, RunState, Store } from '../../../index';
import { answer, chain, fork, memoryStore, restore, run, saga } from '../../../index';
import { undoingOf } from '../../../lib/engine/undone';
import { openFailures } from '../../../lib/model/openFailures';
import type { Booking } from './bookings';
import { agentsOf, Ledger } from './bookings';

/** How one life is stopped: at an event it has told, or at a change of the world outside. */
export interface Cut {
  readonly how: 'not' | 'kill' | 'leave' | 'abort' | 'cancel' | 'cancel twice' | 'cancel, then kill';
  readonly by: 'event' | 'change';
  readonly at: number;
}

/** A life that comes to its end. */
export const NOT: Cut = { how: 'not', by: 'event', at: 0 };

/**
 * The runs of one structure in one store, and the world outside. Time is virtual; a kill takes the run back to the journal's latest
 * event, and leaves the world as it is.
 */
export class World {
  readonly ledger = new Ledger();
  /** How runs stood after their events, for snapshots. */
  readonly stood: RunState[] = [];
  events = 0;
  /** Whether the latest life was cut where it was to be. */
  wasCut = false;
  /** How often the process may die in a step before that is the step's fault. */
  maxCrashes = 3;
  readonly store: Store;
  readonly #self: Agent<unknown, unknown>;
  /** Whether the run is a saga itself. */
  readonly #isWhole: boolean;
  /** Whether the store answers in later turns: the moments of virtual time come one by one then, between turns. */
  readonly #isSlow: boolean;

  constructor(shape: Booking, isWhole: boolean, store: Store = memoryStore(), isSlow = false) {
    this.store = store;
    this.#isSlow = isSlow;
    this.#isWhole = isWhole;
    const { work, books } = agentsOf(shape, this.ledger);
    this.#self = isWhole ? saga('whole', work, { dynamic: books }) : chain('root', work);
  }

  /** One life, up to where it is cut. */
  async live(runId: string, { how, by, at }: Cut, isCancelled = false): Promise<RunState> {
    const { ledger, store, maxCrashes } = this;
    const scheduler = new VirtualTimeScheduler();
    const controller = new AbortController();
    const leave$ = new Subject<void>();
    let state: RunState | undefined;
    let killed: RunState | undefined;
    let last = 'nothing';
    let seen = 0;
    let asks = 0;
    let isEnded = false;
    this.wasCut = false;
    if (isCancelled) controller.abort();
    const cancel = (): void => {
      asks += 1;
      if (how === 'abort') controller.abort();
      else void store.post(runId, { kind: 'cancel' }).catch(() => undefined);
    };
    const kill = (): void => {
      killed ??= state;
      leave$.next();
    };
    const reached = (): void => {
      seen += 1;
      if (seen === at + 1) this.wasCut = true;
      if (killed !== undefined) return;
      if (how === 'kill' && seen === at + 1) kill();
      else if (how === 'leave' && seen === at + 1) leave$.next();
      else if (how === 'cancel, then kill' && asks > 0 && seen === at + 4) kill();
      else if (how !== 'not' && how !== 'kill' && how !== 'leave') {
        if (seen === at + 1 || (how === 'cancel twice' && seen === at + 3)) cancel();
      }
    };
    ledger.scheduler = scheduler;
    ledger.changed = () => {
      if (by === 'change') reached();
    };
    run(this.#self, 'in', { store, runId, scheduler, maxCrashes, signal: controller.signal })
      .pipe(takeUntil(leave$))
      .subscribe({
        next: (transition) => {
          state = transition.state;
          last = `${transition.event.type} ${String(state.seq)} of ${state.status}, life ${String(state.life)}`;
          this.events += 1;
          this.stood.push(state);
          ledger.told(transition);
          if (by === 'event') reached();
        },
        error: () => (isEnded = true),
        complete: () => (isEnded = true),
      });
    if (!this.#isSlow) scheduler.flush();
    else if (!(await passed(scheduler, () => isEnded))) ledger.wrong.push(`${runId} hangs behind ${last}`);
    if (killed !== undefined) {
      // A cache keeps what it was given before the death.
      await store.deleteRun(runId, { cache: false });
      await store.importRun(killed);
      if (asks > 0) await store.post(runId, { kind: 'cancel' }).catch(() => undefined);
    }
    const left = await store.loadRun(runId);
    if (killed === undefined && left?.status === 'RUNNING') ledger.wrong.push(`${runId} ends in silence`);
    if (killed === undefined && (asks > 0 || isCancelled) && left?.status === 'CANCELLED')
      ledger.wrong.push(
        ...ledger.faults(left, this.#isWhole, true).map((fault) => `when cancelled: ${fault}`),
      );
    return left as RunState;
  }

  /** As many lives as the run needs; then it is cancelled, where it can still go on. */
  async liveOn(runId: string, cuts: readonly Cut[], answers: boolean): Promise<RunState> {
    let state: RunState | undefined;
    for (const each of cuts) {
      state = await this.live(runId, each);
      if (answers) await this.#answerAll(state);
    }
    for (let lives = 0; lives < 5 && (state === undefined || !isOver(state)); lives += 1) {
      if (state !== undefined && answers) await this.#answerAll(state);
      state = await this.live(runId, NOT);
    }
    if (state !== undefined && !isOver(state)) state = await this.live(runId, NOT, true);
    return state as RunState;
  }

  async copy(runId: string, as: 'fork' | 'restore', at: number): Promise<boolean> {
    const { store } = this;
    if (as === 'fork') {
      const steps = [...((await store.loadRun('r'))?.steps ?? [])];
      const from = steps[at % (steps.length + 1)]?.stepId;
      await fork('r', { store, runId, ...(from !== undefined && { from }) });
      return true;
    }
    const state = this.stood[at % Math.max(1, this.stood.length)];
    if (state === undefined) return false;
    const { snapshotId } = await store.snapshots.save('s', state);
    await restore(snapshotId, { store, runId });
    return true;
  }

  async #answerAll({ runId, status, steps }: RunState): Promise<void> {
    if (status !== 'SUSPENDED') return;
    for (const { stepId, status: is, asking } of steps)
      if (is === 'SUSPENDED' && asking !== undefined)
        await answer(runId, stepId, 'yes', { store: this.store });
  }
}

/** Lets virtual time pass until a run has ended; gives false when nothing has moved for ten seconds. */
async function passed(scheduler: VirtualTimeScheduler, isEnded: () => boolean): Promise<boolean> {
  for (let quiet = 0; !isEnded() && quiet < 10_000; quiet += 1) {
    await wait(quiet === 0 ? 0 : 1);
    const [first] = scheduler.actions;
    if (first === undefined) continue;
    quiet = -1;
    scheduler.maxFrames = first.delay;
    scheduler.flush();
  }
  return isEnded();
}

/**
 * Nothing of it goes on, however often it is resumed. What could not be undone is undone again by a resume, though the run fails, and
 * a step in which the process has died too often is tried anew.
 */
function isOver({ status, error, steps }: RunState): boolean {
  if (status === 'COMPLETED') return true;
  return (
    status === 'FAILED' &&
    error?.retryable === false &&
    error.code !== 'POISON_STEP' &&
    !openFailures(steps).some((row) => undoingOf(row, steps) !== undefined)
  );
}
