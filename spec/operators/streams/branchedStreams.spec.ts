import type { Observable } from 'rxjs';
import {
  concat,
  connect,
  EMPTY,
  from,
  identity,
  lastValueFrom,
  map,
  merge,
  NEVER,
  share,
  take,
  takeUntil,
  timer,
  toArray,
} from 'rxjs';

import { agent, fromOffset, memoryStore, runEach, together, windowed } from '../../../index';

/** So many numbers; then it ends, or stands still. */
const numbers =
  (count: number, ends: boolean) =>
  (offset = 0) => {
    const rest = Array.from({ length: count - offset }, (_, i) => ({
      offset: offset + i + 1,
      value: offset + i,
    }));
    return concat(from(rest), ends ? EMPTY : NEVER);
  };

/** A store that takes a while to open a stream, as one on a disk does: all branches are there by then. */
function slowStore() {
  const { streams } = memoryStore();
  return { streams: { ...streams, claim: async (name: string) => Promise.resolve(streams.claim(name)) } };
}

const branches = (numbers$: Observable<number>) =>
  merge(
    numbers$.pipe(
      windowed('threes', { count: 3 }),
      map(({ items }) => `threes ${items.join(' ')}`),
    ),
    numbers$.pipe(
      windowed('fours', { count: 4 }),
      windowed('pairs of fours', { count: 2 }),
      map(({ items }) => `pairs ${items.map((four) => four.items.join(' ')).join(', ')}`),
    ),
  );

describe.each<[string, (numbers$: Observable<number>) => Observable<string>]>([
  ['share()', (numbers$) => branches(numbers$.pipe(share()))],
  ['connect()', (numbers$) => numbers$.pipe(connect(branches))],
])('several operators behind one source with %s', (_name, branched) => {
  const life = (store: ReturnType<typeof slowStore>, count: number, ends: boolean) =>
    lastValueFrom(
      branched(fromOffset(numbers(count, ends), { name: 's', store })).pipe(
        ends ? identity : takeUntil(timer(20)),
        toArray(),
      ),
    );

  it('close what an earlier life has left open when the source ends, though nothing comes', async () => {
    const store = slowStore();

    expect(await life(store, 5, false)).toEqual(['threes 0 1 2']);
    expect((await life(store, 5, true)).sort()).toEqual(['pairs 0 1 2 3, 4', 'threes 3 4']);
    expect(await life(store, 5, true)).toEqual([]);
  });

  it('leave open what is open when the source is only left', async () => {
    const store = slowStore();
    const left$ = fromOffset(numbers(9, true), { name: 's', store }).pipe(take(5));

    expect(await lastValueFrom(branched(left$).pipe(toArray()))).toEqual(['threes 0 1 2']);
    expect((await life(store, 9, true)).sort()).toEqual([
      'pairs 0 1 2 3, 4 5 6 7',
      'pairs 8',
      'threes 3 4 5',
      'threes 6 7 8',
    ]);
  });

  it('tell what an earlier life has sealed where all sources of together() end at once, with nothing more', async () => {
    const store = slowStore();
    const both$ = together(
      { name: 't', store },
      fromOffset(numbers(2, true), { name: 'a', store }),
      fromOffset(numbers(1, true), { name: 'b', store }),
    );
    const never = agent('never', (_: string) => NEVER);
    await lastValueFrom(branched(both$).pipe(runEach(never), takeUntil(timer(20)), toArray()));
    expect((await store.streams.list())[0]?.offsets).toEqual({ a: 2, b: 1 });

    const told = await lastValueFrom(branched(both$).pipe(toArray()));

    expect(told.sort()).toEqual(['pairs 0 1 0', 'threes 0 1 0']);
  });
});
