import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Store } from '../../index';
import { lowdbStore, memoryStore } from '../../index';
import { everyNth, isLong, tally } from '../support/torture';
import type { Booking } from './support/bookings';
import type { Cut } from './support/sagaWorld';
import { World } from './support/sagaWorld';

/*
 * Sagas that are stopped, over several deaths in a row: each life is killed at every event in turn. After the second death in the
 * same steps those run one at a time, so that a race may be decided otherwise than it would have been.
 */

/** From how many events one is looked at: of the first life, of a later one, and of any one in a folder. */
const FIRST = everyNth(1);
const LATER = isLong ? everyNth(1) : 4;
const IN_FOLDER = isLong ? everyNth(2) : 6;

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
const fail: Booking = { kind: 'fail', ms: 1, times: 99 };
const quick = book(25);

const shapes: Readonly<Record<string, Booking>> = {
  'a saga that loses a race': race(saga(chain(book(1), book(1), book(40))), quick),
  'one between sagas that go back, and one that ends': chain(
    fallback(saga(chain(book(1), fail)), book(0)),
    race(saga(chain(book(1), book(40))), quick),
    saga(book(1)),
  ),
  'one behind a step of what loses': race(quick, chain(book(1), saga(chain(book(1), book(40))))),
  'one of items beside what wins': race(quick, { kind: 'each', inner: saga(chain(book(1), book(40))) }),
  'one within another one': race(saga(chain(book(1), saga(chain(book(1), book(40))))), quick),
  'one in a race within a race': race(race(saga(chain(book(1), book(40))), book(30)), quick),
  'two beside one another': race(
    { kind: 'both', parts: [saga(chain(book(1), book(40))), saga(chain(book(2, 'at once'), book(41)))] },
    quick,
  ),
  'one of a function': race(saga({ kind: 'function', parts: [book(1), book(40)] }), quick),
  'one of items': race(saga({ kind: 'each', inner: chain(book(1), book(40)) }), quick),
  'one of rounds': race(saga({ kind: 'loop', inner: chain(book(1), book(20)) }), quick),
  'one under a time limit': fallback(
    { kind: 'limited', inner: saga(chain(book(1), book(1), book(40))), ms: 25 },
    book(1),
  ),
  'one that goes back within another one': saga(chain(book(0), saga(chain(book(5), fail)))),
  'one of a function that books for the cache': saga({
    kind: 'function',
    parts: [
      { ...book(0), isCached: true, undo: 'twice' },
      { ...book(1), isCached: true },
    ],
  }),
};

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

/** What is wrong when each of so many lives is killed at one event after the other. */
async function faultsOver(
  shape: Booking,
  deaths: number,
  { open, isSlow, every }: Place,
  { maxCrashes = 99, isCancelled = false } = {},
): Promise<readonly string[]> {
  const faults: string[] = [];
  let histories = 0;
  const dies = async (cuts: readonly Cut[]): Promise<boolean> => {
    const { store, close } = open();
    const world = new World(shape, false, store, isSlow);
    world.maxCrashes = maxCrashes;
    for (const cut of cuts) await world.live('r', cut);
    const isLonger = world.wasCut;
    const last = await world.liveOn('r', [], false);
    for (const fault of [...world.ledger.wrong, ...world.ledger.faults(last, false)])
      faults.push(`killed at ${cuts.map(({ at }) => at).join(', ')}: ${fault}`);
    histories += 1;
    await close();
    return isLonger;
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
