import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Store } from '../../index';
import { lowdbStore, memoryStore } from '../../index';
import { everyNth, isLong, tally } from '../support/torture';
import type { Booking } from './support/bookings';
import type { Cut } from './support/sagaWorld';
import { NOT, World } from './support/sagaWorld';

/*
 * Sagas that are stopped, over several deaths in a row: each life is killed at every event in turn. After the second death in the
 * same steps those run one at a time, so that a race may be decided otherwise than it would have been.
 */

/** From how many events one is looked at: of the first life, of a later one, and of any one in a folder. */
const FIRST = everyNth(1);
const LATER = isLong ? everyNth(1) : 4;
const IN_FOLDER = isLong ? everyNth(2) : 6;
/** From how many events of all structures of the sweep one is looked at. */
const IN_SWEEP = everyNth(10, 10);

const book = (ms: number, undo: 'at once' | 'later' = 'later'): Booking & { readonly kind: 'book' } => ({
  kind: 'book',
  ms,
  isCached: false,
  undo,
});
const chain = (first: Booking, ...rest: readonly Booking[]): Booking => {
  const [second, ...others] = rest;
  return second === undefined ? first : { kind: 'chain', parts: [first, chain(second, ...others)] };
};
const saga = (inner: Booking): Booking => ({ kind: 'saga', inner });
const race = (...parts: readonly [Booking, Booking]): Booking => ({ kind: 'race', parts });
const fallback = (...parts: readonly [Booking, Booking]): Booking => ({ kind: 'fallback', parts });
const both = (...parts: readonly [Booking, Booking]): Booking => ({ kind: 'both', parts });
const each = (inner: Booking): Booking => ({ kind: 'each', inner });
const loop = (inner: Booking): Booking => ({ kind: 'loop', inner });
const limited = (inner: Booking, ms: number): Booking => ({ kind: 'limited', inner, ms });
const failing = (ms: number): Booking => ({ kind: 'fail', ms, times: 99 });
const fail = failing(1);
const quick = book(25);

const shapes: Readonly<Record<string, Booking>> = {
  'a saga that loses a race': race(saga(chain(book(1), book(1), book(40))), quick),
  'one between sagas that go back, and one that ends': chain(
    fallback(saga(chain(book(1), fail)), book(0)),
    race(saga(chain(book(1), book(40))), quick),
    saga(book(1)),
  ),
  'one behind a step of what loses': race(quick, chain(book(1), saga(chain(book(1), book(40))))),
  'one of items beside what wins': race(quick, each(saga(chain(book(1), book(40))))),
  'one within another one': race(saga(chain(book(1), saga(chain(book(1), book(40))))), quick),
  'one in a race within a race': race(race(saga(chain(book(1), book(40))), book(30)), quick),
  'two beside one another': race(
    both(saga(chain(book(1), book(40))), saga(chain(book(2, 'at once'), book(41)))),
    quick,
  ),
  'one of a function': race(saga({ kind: 'function', parts: [book(1), book(40)] }), quick),
  'one of items': race(saga(each(chain(book(1), book(40)))), quick),
  'one of rounds': race(saga(loop(chain(book(1), book(20)))), quick),
  'one under a time limit': fallback(limited(saga(chain(book(1), book(1), book(40))), 25), book(1)),
  'one that goes back within another one': saga(chain(book(0), saga(chain(book(5), fail)))),
  'one of a function that books for the cache': saga({
    kind: 'function',
    parts: [
      { ...book(0), isCached: true, undo: 'twice' },
      { ...book(1), isCached: true },
    ],
  }),
};

/** What stops a saga at 25 ms, while the run goes on. */
const stops: Readonly<Record<string, (within: Booking) => Booking>> = {
  'the first of its race wins': (within) => race(quick, within),
  'the last of its race wins': (within) => race(within, quick),
  'a time limit is over': (within) => fallback(limited(within, 24), book(1)),
  'a step behind it fails': (within) => fallback(both(within, failing(25)), book(1)),
  'a step before it fails': (within) => fallback(both(failing(25), within), book(1)),
};

/** Sagas that have booked something by then, and are not through. */
const sagas: readonly Booking[] = [
  saga(chain(book(1), book(40))),
  saga(each(chain(book(1), book(40)))),
  saga(loop(chain(book(1), book(20)))),
  saga(both(chain(book(1), book(40)), book(2))),
  saga({ kind: 'function', parts: [book(1), book(40)] }),
  saga(chain(book(1), saga(chain(book(1), book(40))))),
  saga(race(chain(book(1), book(40)), chain(book(2), book(50)))),
  // Is going back by itself when it is stopped.
  saga(chain(book(1), failing(23))),
];

/** What stands between what stops and the saga. */
const between: readonly ((within: Booking) => Booking)[] = [
  (within) => within,
  (within) => chain(book(1), within),
  (within) => chain(within, book(1)),
  each,
  loop,
  (within) => fallback(fail, within),
  (within) => fallback(within, book(1)),
  (within) => both(book(2), within),
  (within) => both(within, saga(book(2))),
  (within) => race(book(60), within),
  (within) => race(within, chain(book(1), book(60))),
  (within) => limited(within, 1_000),
  (within) => ({ kind: 'retried', inner: within }),
  (within) => saga(chain(book(1), within)),
];

/**
 * Two of what stands between around each of the sagas in turn, so that each saga is within each of them; outside the long form only
 * every other one of the outer ones, by turns of the stops.
 */
const nestedIn = (stop: string): readonly Booking[] =>
  between.flatMap((outer, row) =>
    isLong || (row + Object.keys(stops).indexOf(stop)) % 2 === 0
      ? between.map((inner, column) => outer(inner(sagas[(row + column) % sagas.length] as Booking)))
      : [],
  );

/** Where the runs of one history are kept, and from how many events of a life one is looked at. */
interface Place {
  readonly open: () => { readonly store: Store; readonly close: () => Promise<void> };
  readonly isSlow: boolean;
  readonly every: (life: number) => number;
}

const inMemory: Place = {
  open: () => ({ store: memoryStore(), close: () => Promise.resolve() }),
  isSlow: false,
  every: (life) => (life === 0 ? FIRST : LATER),
};

const inFolder: Place = {
  open: () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-deaths-'));
    const store = lowdbStore(folder, { durability: 'process' });
    return {
      store,
      close: async () => {
        await store.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
  isSlow: true,
  every: () => IN_FOLDER,
};

/** How many bookings were undone. */
const undoneIn = ({ ledger }: World): number =>
  [...ledger.entries.values()].filter(({ undone }) => undone.size > 0).length;

/** What is wrong with a run whose lives are cut like this, and whether the latest of them was. */
async function faultsWith(
  shape: Booking,
  cuts: readonly Cut[],
  { open, isSlow }: Place = inMemory,
  maxCrashes = 99,
): Promise<{ readonly faults: readonly string[]; readonly wasCut: boolean }> {
  const { store, close } = open();
  const world = new World(shape, false, store, isSlow);
  world.maxCrashes = maxCrashes;
  for (const cut of cuts) await world.live('r', cut);
  const { wasCut, ledger } = world;
  const last = await world.liveOn('r', [], false);
  await close();
  return {
    faults: [...ledger.wrong, ...ledger.faults(last, false)].map(
      (fault) => `killed at ${cuts.map(({ at }) => at).join(', ')}: ${fault}`,
    ),
    wasCut,
  };
}

/** What is wrong when each of so many lives is killed at one event after the other. */
async function faultsOver(
  shape: Booking,
  deaths: number,
  place: Place,
  { maxCrashes = 99, isCancelled = false } = {},
): Promise<readonly string[]> {
  const { every } = place;
  const faults: string[] = [];
  let histories = 0;
  const dies = async (cuts: readonly Cut[]): Promise<boolean> => {
    const { faults: found, wasCut } = await faultsWith(shape, cuts, place, maxCrashes);
    faults.push(...found);
    histories += 1;
    return wasCut;
  };
  const explore = async (cuts: readonly Cut[]): Promise<void> => {
    for (let at = 0, isLonger = true; isLonger; at += every(cuts.length)) {
      const how = isCancelled && cuts.length === 0 ? 'cancel, then kill' : 'kill';
      const longer: readonly Cut[] = [...cuts, { how, by: 'event', at }];
      isLonger = await dies(longer);
      if (isLonger && longer.length < deaths) await explore(longer);
    }
  };
  await explore([]);
  tally('histories of sagas that died', histories);
  return faults;
}

describe('a saga that is stopped, whose process dies again and again', () => {
  it.each(Object.keys(shapes))('stands or is undone once after two deaths: %s', async (name) => {
    expect(await faultsOver(shapes[name] as Booking, 2, inMemory)).toEqual([]);
  });

  it('does so after three deaths, when what was under way runs alone', async () => {
    expect(await faultsOver(shapes['a saga that loses a race'] as Booking, 3, inMemory)).toEqual([]);
  });

  it.each(Object.keys(stops))('does so wherever it stands within what is stopped: when %s', async (name) => {
    const stop = stops[name] as (within: Booking) => Booking;
    const faults: string[] = [];
    const within = nestedIn(name);
    let stopped = 0;
    let events = 0;
    let histories = 0;
    for (const shape of within.map(stop)) {
      const whole = new World(shape, false);
      const last = await whole.live('r', NOT);
      faults.push(...whole.ledger.faults(last, false));
      if (undoneIn(whole) > 0) stopped += 1;
      for (let at = 0; at < whole.events; at += 1) {
        events += 1;
        if (events % IN_SWEEP !== 0) continue;
        const { faults: found } = await faultsWith(shape, [{ how: 'kill', by: 'event', at }]);
        faults.push(...found.map((fault) => `${fault} of ${JSON.stringify(shape)}`));
        histories += 1;
      }
    }
    tally('histories of sagas that died', histories);
    expect(faults).toEqual([]);
    // One that is tried again behind its time limit may be through then.
    expect(stopped).toBeGreaterThan(0.95 * within.length);
  });

  it('does so in a folder', async () => {
    expect(await faultsOver(shapes['a saga that loses a race'] as Booking, 2, inFolder)).toEqual([]);
  });

  /* What undoes is given up then, as any step is that its process dies in; resuming the run undoes it. */
  it.each(Object.keys(shapes))(
    'does so where a single death is taken for the step’s doing: %s',
    async (name) => {
      const shape = shapes[name] as Booking;
      expect(await faultsOver(shape, 2, inMemory, { maxCrashes: 1 })).toEqual([]);
      expect(await faultsOver(shape, 2, inMemory, { maxCrashes: 1, isCancelled: true })).toEqual([]);
    },
  );

  it('does so there in a folder', async () => {
    const shape = shapes['one that goes back within another one'] as Booking;
    expect(await faultsOver(shape, 2, inFolder, { maxCrashes: 1 })).toEqual([]);
  });
});
