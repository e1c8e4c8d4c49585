import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as fc from 'fast-check';

import { lowdbStore } from '../../index';
import { Cancellation } from '../../lib/engine/interpreter/cancellation';
import { PriorSteps } from '../../lib/engine/interpreter/priorSteps';
import { StateEdit } from '../../lib/model/stateEdit';
import { amount, seedOr, tally } from '../support/torture';
import type { Booking } from './support/bookings';
import { arbitraryBooking } from './support/bookings';
import type { Cut } from './support/sagaWorld';
import { NOT, World } from './support/sagaWorld';

/*
 * All or nothing, whatever happens: a booking of a saga that has completed stands, one of a saga that has not is undone once, and
 * nothing else is touched.
 */

/** 50 cases, or as many as `LAW_CASES` says; 10,000 in the long form. */
const CASES = amount(Number(process.env['LAW_CASES'] ?? 50), 10_000);

/** A tenth of that in folders. */
const IN_FOLDERS = Math.ceil(CASES / 10);

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
  /** How many deaths alone in a step are taken for its doing: one of them is enough to see what comes of it. */
  readonly maxCrashes: number;
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
  maxCrashes: fc.constantFrom(3, 3, 1),
});

/** What is wrong with a history: nothing, it is to be hoped. */
async function faultsOf(
  shape: Booking,
  { cuts, copies, isWhole, answers, maxCrashes }: History,
  world = new World(shape, isWhole),
): Promise<readonly string[]> {
  world.maxCrashes = maxCrashes;
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
    'what could not be undone is not tried again by a resume': () => {
      const { open } = StateEdit.prototype;
      return jest.spyOn(StateEdit.prototype, 'open').mockImplementation(function (this: StateEdit, paths) {
        open.call(
          this,
          paths.filter((path) => !path.includes('undo[')),
        );
      });
    },
  };
  it.each(Object.keys(bugs))(
    'would notice that %s',
    async (bug) => {
      const spy = bugs[bug]?.();
      try {
        await expect(check(200, 4, 7)).rejects.toThrow('Property failed');
      } finally {
        spy?.mockRestore();
      }
    },
    120_000,
  );
});
