import { finalize } from 'rxjs';

import type { Store } from '../../../index';
import type { StreamClaim } from '../../../lib/store/streamRest';
import type { streamOf as StreamOf } from './streamLife';
import { mortalStore } from './streamLife';
import { modelOf } from './streamModel';
import type { Item, Shape } from './streamShapes';

/** The library, or a broken one. */
export interface World {
  memoryStore(): Store;
  readonly streamOf: typeof StreamOf;
  /** What stands between a stream and its store. */
  readonly around?: (claim: StreamClaim) => StreamClaim;
}

/** A life that takes this long hangs. */
const PATIENCE_MS = 10_000;

/** What can be seen of a stream from outside, over all its lives. */
export interface Seen {
  /** Windows by id. */
  readonly windows: Map<string, string>;
  /** Outputs of runs by id. */
  readonly runs: Map<string, string>;
  /** What came out, in the order of the lives. */
  readonly out: Item[];
  readonly faults: string[];
  beats: number;
}

/** One life in this process, ended at a beat: nothing it does afterwards reaches the store. */
export async function live(
  world: World,
  shape: Shape,
  store: Store,
  seen: Seen,
  killAt = Infinity,
): Promise<boolean> {
  const { around } = world;
  let left = killAt;
  const beat = (): void => {
    seen.beats += 1;
    left -= 1;
    if (left < 0) throw new Error('killed');
  };
  const once = (map: Map<string, string>, id: string, content: string): void => {
    const before = map.get(id);
    if (before !== undefined && before !== content) seen.faults.push(`${id}: ${before} and then ${content}`);
    map.set(id, content);
  };
  const stream$ = world.streamOf(shape, mortalStore(store, beat, around), {
    beat,
    window: (id, content) => {
      once(seen.windows, id, content);
    },
    done: (id, output) => {
      once(seen.runs, id, JSON.stringify(output));
    },
    out: (item) => seen.out.push(item),
  });
  return new Promise((resolve, reject) => {
    const stuck = setTimeout(() => {
      reject(new Error('nothing happens any more'));
    }, PATIENCE_MS);
    stream$
      .pipe(
        finalize(() => {
          clearTimeout(stuck);
        }),
      )
      .subscribe({
        error: (error: unknown) => {
          if (left < 0) resolve(false);
          else reject(error instanceof Error ? error : new Error(String(error)));
        },
        complete: () => {
          resolve(true);
        },
      });
  });
}

export const nothingSeen = (): Seen => ({
  windows: new Map(),
  runs: new Map(),
  out: [],
  faults: [],
  beats: 0,
});

/** What is kept, as it would be found by the next process. */
export async function keptIn(store: Store) {
  const claim = await store.streams.claim('one');
  const { saved } = claim;
  await claim.release();
  return {
    offsets: Object.fromEntries(saved?.offsets ?? []),
    tables: Object.fromEntries([...(saved?.tables ?? [])].map(([name, rows]) => [name, [...rows]])),
  };
}

const sorted = (texts: Iterable<string>): string[] => [...texts].sort();

const texts = (items: Iterable<Item>): string[] => [...items].map((item) => JSON.stringify(item));

/** The law for one shape and the shares of the whole at which it is killed; gives the number of kills. */
export async function holds(shape: Shape, shares: readonly number[], world: World): Promise<number> {
  const whole = nothingSeen();
  const store = world.memoryStore();
  await live(world, shape, store, whole);
  const { out, late } = modelOf(shape);
  // The uninterrupted stream is what the model says.
  expect(texts(whole.out)).toEqual(texts(out));
  const [summary] = await store.streams.list();
  const counted = shape.ops.map((_, index) => summary?.late[`op${String(index)}`] ?? 0);
  expect(counted).toEqual(late);

  const killed = nothingSeen();
  const other = world.memoryStore();
  let kills = 0;
  for (const share of shares) {
    if (await live(world, shape, other, killed, Math.floor(share * whole.beats))) break;
    kills += 1;
  }
  if (kills === shares.length) expect(await live(world, shape, other, killed)).toBe(true);

  // The killed one has seen the same windows and runs, each with one content, and stands where that one stands.
  expect(killed.faults).toEqual([]);
  expect(sorted(killed.windows.keys())).toEqual(sorted(whole.windows.keys()));
  expect(sorted(killed.runs.keys())).toEqual(sorted(whole.runs.keys()));
  expect(killed.windows).toEqual(new Map([...whole.windows].filter(([id]) => killed.windows.has(id))));
  expect(new Map(sorted(killed.runs.keys()).map((id) => [id, killed.runs.get(id)]))).toEqual(
    new Map(sorted(whole.runs.keys()).map((id) => [id, whole.runs.get(id)])),
  );
  expect(new Set(texts(killed.out))).toEqual(new Set(texts(whole.out)));
  expect(await keptIn(other)).toEqual(await keptIn(store));
  return kills;
}

/** One life of a source that grows: the share of the items that are there, and the event at which the life ends. */
export interface GrowingLife {
  readonly there: number;
  readonly killAt: number;
}

/**
 * The law where the source grows between lives, and ends in each of them: a window that was told under an id is never told with
 * something else, and neither is a run.
 */
export async function holdsWhileItGrows(
  shape: Shape,
  lives: readonly GrowingLife[],
  world: World,
): Promise<number> {
  const seen = nothingSeen();
  const store = world.memoryStore();
  let kills = 0;
  for (const { there, killAt } of lives.toSorted((a, b) => a.there - b.there)) {
    const part = { ...shape, left: shape.left.slice(0, Math.ceil(there * shape.left.length)) };
    if (!(await live(world, part, store, seen, killAt))) kills += 1;
    // What a life had under way has gone back before the next process begins.
    await Promise.resolve();
  }
  expect(await live(world, shape, store, seen)).toBe(true);
  expect(seen.faults).toEqual([]);
  return kills;
}
