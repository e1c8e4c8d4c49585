import * as fc from 'fast-check';

import type { Booking } from './bookings';
import { arbitraryBooking } from './bookings';
import type { Cut } from './sagaWorld';
import { NOT, World } from './sagaWorld';

/*
 * All or nothing, whatever happens: a booking of a saga that has completed stands, one of a saga that has not is undone once, and
 * nothing else is touched.
 */

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

export interface History {
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

export const history: fc.Arbitrary<History> = fc.record({
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
export async function faultsOf(
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
  const [first, ...others] = made.cuts;
  // A history that lets its first life be tells nothing here that it does not tell as it is.
  const how = first === undefined || first.how === 'not' ? 'kill' : first.how;
  const faults: string[] = [];
  for (let at = 0; at < whole.events; at += step) {
    const cuts: readonly Cut[] = [{ how, by: 'event', at }, ...others];
    for (const fault of await faultsOf(shape, { ...made, cuts }))
      faults.push(`cut at ${String(at)}: ${fault}`);
  }
  return faults;
}

/** So many random histories; the first life of each is cut at so many of its events at most. */
export async function checkSagas(cases: number, most: number, seed: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(arbitraryBooking, history, async (shape, made) => {
      expect(await faultsOf(shape, made)).toEqual([]);
      expect(await faultsAtEveryEvent(shape, made, most)).toEqual([]);
    }),
    { numRuns: cases, seed, endOnFailure: cases > 1000 },
  );
}
