import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import * as fc from 'fast-check';
import { Subject, takeUntil, VirtualTimeScheduler } from 'rxjs';

import type { Agent, RunState, Store } from '../../index';
import { answer, chain, fork, lowdbStore, memoryStore, restore, run, saga } from '../../index';
import { Cancellation } from '../../lib/engine/interpreter/cancellation';
import { PriorSteps } from '../../lib/engine/interpreter/priorSteps';
import { amount, seedOr, tally } from '../support/torture';
import type { Booking } from './support/bookings';
import { agentsOf, arbitraryBooking, Ledger } from './support/bookings';

/*
 * All or nothing, whatever happens: a booking of a saga that has completed stands, one of a saga that has not is undone once, and
 * nothing else is touched. Time is virtual; a kill takes the run back to the journal's latest event, and leaves the world as it is.
 */

/** 50 cases, or as many as `LAW_CASES` says; 10,000 in the long form. */
const CASES = amount(Number(process.env['LAW_CASES'] ?? 50), 10_000);

/** A tenth of that in folders. */
const IN_FOLDERS = Math.ceil(CASES / 10);

/** How one life is stopped: at an event it has told, or at a change of the world outside. */
interface Cut {
  readonly how: 'not' | 'kill' | 'leave' | 'abort' | 'cancel' | 'cancel twice' | 'cancel, then kill';
  readonly by: 'event' | 'change';
  readonly at: number;
}

const cut: fc.Arbitrary<Cut> = fc.record({
  how: fc.constantFrom<Cut['how']>(
    'kill',
    'kill',
    'kill',
    'leave',
    'abort',
    'cancel',
    'cancel twice',
    'cancel, then kill',
    'not',
  ),
  by: fc.constantFrom<Cut['by']>('event', 'event', 'change'),
  at: fc.nat(24),
});

interface History {
  readonly cuts: readonly Cut[];
  /** What is made of the run in between, and how that is stopped. */
  readonly copies: readonly {
    readonly as: 'fork' | 'restore';
    readonly at: number;
    readonly cuts: readonly Cut[];
  }[];
  readonly isWhole: boolean;
  readonly answers: boolean;
}

const history: fc.Arbitrary<History> = fc.record({
  cuts: fc.array(cut, { maxLength: 3 }),
  copies: fc.array(
    fc.record({
      as: fc.constantFrom('fork' as const, 'restore' as const),
      at: fc.nat(30),
      cuts: fc.array(cut, { maxLength: 2 }),
    }),
    { maxLength: 2 },
  ),
  isWhole: fc.boolean(),
  answers: fc.boolean(),
});

const NOT: Cut = { how: 'not', by: 'event', at: 0 };

/** The runs of one structure in one store, and the world outside. */
class World {
  readonly ledger = new Ledger();
  /** How runs stood after their events, for snapshots. */
  readonly stood: RunState[] = [];
  events = 0;
  readonly store: Store;
  readonly #self: Agent<unknown, unknown>;
  /** Whether the store answers in later turns: the moments of virtual time come one by one then, between turns. */
  readonly #isSlow: boolean;

  constructor(shape: Booking, isWhole: boolean, store: Store = memoryStore(), isSlow = false) {
    this.store = store;
    this.#isSlow = isSlow;
    const { work, books } = agentsOf(shape, this.ledger);
    this.#self = isWhole ? saga('whole', work, { dynamic: books }) : chain('root', work);
  }

  /** One life, up to where it is cut. */
  async live(runId: string, { how, by, at }: Cut, isCancelled = false): Promise<RunState> {
    const { ledger, store } = this;
    const scheduler = new VirtualTimeScheduler();
    const controller = new AbortController();
    const leave$ = new Subject<void>();
    let state: RunState | undefined;
    let killed: RunState | undefined;
    let seen = 0;
    let asks = 0;
    let isEnded = false;
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
    run(this.#self, 'in', { store, runId, scheduler, signal: controller.signal })
      .pipe(takeUntil(leave$))
      .subscribe({
        next: (transition) => {
          state = transition.state;
          this.events += 1;
          this.stood.push(state);
          ledger.told(transition);
          if (by === 'event') reached();
        },
        error: () => (isEnded = true),
        complete: () => (isEnded = true),
      });
    if (!this.#isSlow) scheduler.flush();
    else if (!(await passed(scheduler, () => isEnded))) ledger.wrong.push(`${runId} hangs`);
    if (killed !== undefined) {
      await store.deleteRun(runId);
      await store.importRun(killed);
      if (asks > 0) await store.post(runId, { kind: 'cancel' }).catch(() => undefined);
    }
    const left = await store.loadRun(runId);
    if (killed === undefined && left?.status === 'RUNNING') ledger.wrong.push(`${runId} ends in silence`);
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

/** Lets virtual time pass until a run has ended; gives false when nothing has moved for seconds. */
async function passed(scheduler: VirtualTimeScheduler, isEnded: () => boolean): Promise<boolean> {
  for (let quiet = 0; !isEnded() && quiet < 3000; quiet += 1) {
    await wait(quiet === 0 ? 0 : 1);
    const [first] = scheduler.actions;
    if (first === undefined) continue;
    quiet = -1;
    scheduler.maxFrames = first.delay;
    scheduler.flush();
  }
  return isEnded();
}

/** Nothing of it goes on, however often it is resumed. */
function isOver({ status, error }: RunState): boolean {
  return status === 'COMPLETED' || (status === 'FAILED' && error?.retryable === false);
}

/** What is wrong with a history: nothing, it is to be hoped. */
async function faultsOf(
  shape: Booking,
  { cuts, copies, isWhole, answers }: History,
  world = new World(shape, isWhole),
): Promise<readonly string[]> {
  const states = [await world.liveOn('r', cuts, answers)];
  for (const [index, { as, at, cuts: later }] of copies.entries()) {
    const runId = `copy${String(index)}`;
    if (await world.copy(runId, as, at)) states.push(await world.liveOn(runId, later, answers));
  }
  return [...world.ledger.wrong, ...states.flatMap((state) => world.ledger.faults(state, isWhole))];
}

/** The same with the first life cut at each of its events: at all of them, or at so many. */
async function faultsAtEveryEvent(shape: Booking, made: History, most: number): Promise<readonly string[]> {
  const whole = new World(shape, made.isWhole);
  await whole.live('r', NOT);
  const step = Math.max(1, Math.ceil(whole.events / most));
  const [first = NOT, ...others] = made.cuts;
  const faults: string[] = [];
  for (let at = 0; at < whole.events; at += step) {
    const cuts: readonly Cut[] = [{ how: first.how, by: 'event', at }, ...others];
    for (const fault of await faultsOf(shape, { ...made, cuts }))
      faults.push(`cut at ${String(at)}: ${fault}`);
  }
  return faults;
}

async function check(cases: number, most: number, seed: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(arbitraryBooking, history, async (shape, made) => {
      expect(await faultsOf(shape, made)).toEqual([]);
      expect(await faultsAtEveryEvent(shape, made, most)).toEqual([]);
    }),
    { numRuns: cases, seed, endOnFailure: cases > 1000 },
  );
}

/** The same history in a folder of its own. */
async function faultsInFolder(shape: Booking, made: History): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-sagas-'));
  const store = lowdbStore(folder, { durability: 'process' });
  try {
    return await faultsOf(shape, made, new World(shape, made.isWhole, store, true));
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

describe('sagas, whatever they are made of and whatever happens to them', () => {
  it('keep what a saga that has completed has booked, undo once what any other one has, and touch nothing else', async () => {
    await check(CASES, CASES > 50 ? 40 : 4, seedOr(22));
    tally('histories of sagas', CASES);
  }, 3_600_000);

  it('do so in a folder', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryBooking, history, async (shape, made) => {
        expect(await faultsInFolder(shape, made)).toEqual([]);
      }),
      { numRuns: IN_FOLDERS, seed: seedOr(22) + 1, endOnFailure: IN_FOLDERS > 100 },
    );
    tally('histories of sagas in folders', IN_FOLDERS);
  }, 3_600_000);

  /* Tests of the test: each of these makes the interpreter behave as if a line of it were wrong. */
  const bugs: Readonly<Record<string, () => jest.SpyInstance>> = {
    'a saga that has gone back goes forth in the next life': () =>
      jest.spyOn(Cancellation.prototype, 'hasGoneBack').mockReturnValue(false),
    'what is stopped around a saga does not wait for its undoing': () =>
      jest.spyOn(Cancellation.prototype, 'undoBelow').mockReturnValue(false),
    'undoing is not on record, so that it is done again': () => {
      const { at } = PriorSteps.prototype;
      return jest.spyOn(PriorSteps.prototype, 'at').mockImplementation(function (this: PriorSteps, path) {
        const row = at.call(this, path);
        return row?.agent.startsWith('undo ') === true ? undefined : row;
      });
    },
  };
  it.each(Object.keys(bugs))('would notice that %s', async (bug) => {
    const spy = bugs[bug]?.();
    try {
      await expect(check(200, 4, 7)).rejects.toThrow('Property failed');
    } finally {
      spy?.mockRestore();
    }
  });
});
