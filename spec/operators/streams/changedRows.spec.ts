import { lastValueFrom, map, toArray } from 'rxjs';

import type { Store } from '../../../index';
import { fromOffset, lowdbStore, scanned, windowed } from '../../../index';
import { everyStore } from '../../support/everyStore';

/** The items that stand behind an offset, each with its place as its offset. */
const items =
  (values: readonly unknown[]) =>
  (offset = 0) =>
    values.slice(offset).map((value, index) => ({ offset: offset + index + 1, value }));

const reading = (store: Store, values: readonly unknown[]) => fromOffset(items(values), { name: 's', store });

type Counts = Record<string, { n: number }>;

function count(counts: Counts, word: string): void {
  if (Object.hasOwn(counts, word)) (counts[word] as { n: number }).n += 1;
  else counts[word] = { n: 1 };
}

const nested = (levels: number): unknown =>
  Array.from({ length: levels }).reduce<unknown>((inner) => ({ inner }), 1);

describe.each(everyStore)('a row that is changed piece by piece, %s', (_name, open) => {
  let store: Store;
  beforeEach(() => {
    store = open();
  });
  afterEach(() => store.close());

  /** Another process opens the store. */
  const again = async (): Promise<Store> => {
    const { folder } = store;
    if (folder === undefined) return store;
    await store.close();
    return (store = lowdbStore(folder, { durability: 'process' }));
  };

  it.each(['constructor', 'prototype', 'toString', 'hasOwnProperty', 'length', '0'])(
    'may have a property called %s, which counts on after a restart',
    async (word) => {
      const counted = (store: Store, words: readonly string[]) =>
        lastValueFrom(
          reading(store, words).pipe(map(String), scanned('count', count as never, {} as Counts)),
        );
      const words = ['a', word, word, word];
      const live = await counted(store, words);
      const later = await counted(await again(), [...words, word]);

      expect(live).toEqual({ a: { n: 1 }, [word]: { n: 3 } });
      expect(later).toEqual({ a: { n: 1 }, [word]: { n: 4 } });
      expect(await store.streams.list()).toHaveLength(1);
    },
  );

  it('may have a key called constructor or __proto__', async () => {
    const sums = (store: Store, words: readonly string[]) =>
      lastValueFrom(
        reading(store, words).pipe(
          scanned('sum', (sum: { n: number }) => void (sum.n += 1), { n: 0 }, { key: String }),
          toArray(),
        ),
      );
    const words = ['constructor', '__proto__'];
    await sums(store, [...words, ...words]);
    const later = await sums(await again(), [...words, ...words, ...words]);

    expect(later).toEqual([
      ['constructor', { n: 3 }],
      ['__proto__', { n: 3 }],
    ]);
  });

  it('is refused where it gets deeper than a whole one may be, and goes on before that', async () => {
    const deepened = (store: Store, length: number) =>
      lastValueFrom(
        reading(
          store,
          Array.from({ length }, (_, index) => index),
        ).pipe(
          scanned(
            'deep',
            (root: Record<string, unknown>) => {
              let at = root;
              while (at['next'] !== undefined) at = at['next'] as Record<string, unknown>;
              at['next'] = {};
            },
            {},
          ),
          map(() => 'deeper'),
        ),
      );

    // The row holds the accumulator: it has 255 levels.
    expect(await deepened(store, 254)).toBe('deeper');
    await expect(deepened(await again(), 255)).rejects.toMatchObject({
      name: 'StateValueError',
      why: 'nested deeper than 256',
    });
    await again();
    await expect(deepened(store, 255)).rejects.toMatchObject({ name: 'StateValueError' });
    expect((await store.streams.list())[0]?.offsets).toEqual({ s: 254 });
  });

  it('is refused where an item of a window lies too deep in it', async () => {
    const collected = (store: Store, levels: number) =>
      lastValueFrom(reading(store, [nested(levels)]).pipe(windowed('w', { count: 1 }), toArray()));

    await expect(collected(store, 255)).rejects.toMatchObject({
      name: 'StateValueError',
      why: 'nested deeper than 256',
    });
    expect(await collected(await again(), 254)).toHaveLength(1);
  });

  it.each<[string, (list: unknown[]) => void, string]>([
    ['undefined that is added', (list) => list.push(undefined), '.state.list[0]'],
    ['a hole', (list) => (list[3] = 1), '.state.list[0]'],
    ['a length that is raised', (list) => (list.length = 2), '.state.list[0]'],
    ['undefined deeper inside', (list) => list.push({ in: [undefined] }), '.state.list[0].in[0]'],
  ])('is refused where JSON would change a list: %s', async (_what, change, at) => {
    const changed$ = reading(store, ['item']).pipe(
      scanned(
        'l',
        (state: { list: unknown[] }) => {
          change(state.list);
        },
        { list: [] },
      ),
    );

    await expect(lastValueFrom(changed$)).rejects.toMatchObject({ name: 'StateValueError', at });
  });

  it('is refused where an item of a window is undefined', async () => {
    const windows$ = reading(store, [undefined]).pipe(windowed('w', { count: 2 }));

    await expect(lastValueFrom(windows$)).rejects.toMatchObject({ name: 'StateValueError', at: '.items[0]' });
  });

  it('is the same live as after a restart where JSON leaves something out', async () => {
    const kept = (store: Store, values: readonly unknown[]) =>
      lastValueFrom(
        reading(store, values).pipe(
          scanned(
            'k',
            (state: Record<string, unknown>, item) => {
              if (item === 'look') return;
              state['gone'] = undefined;
              state['zero'] = -0;
              state['inner'] = { gone: undefined, there: 1 };
            },
            { gone: 1 } as Record<string, unknown>,
          ),
          map((state) => [Object.entries(state), Object.is(state['zero'], 0)]),
        ),
      );
    const live = await kept(store, ['change']);
    const later = await kept(await again(), ['change', 'look']);

    expect(live).toEqual([
      [
        ['zero', 0],
        ['inner', { there: 1 }],
      ],
      true,
    ]);
    expect(later).toEqual(live);
  });

  it('is refused where it gets larger than a whole one may be, and goes on before that', async () => {
    const text = 'x'.repeat(4 * 1024 * 1024);
    const grown = (store: Store, length: number) =>
      lastValueFrom(
        reading(
          store,
          Array.from({ length }, () => text),
        ).pipe(
          scanned('g', (list: string[], item) => void list.push(item as string), [] as string[]),
          map((list) => list.length),
        ),
      );

    expect(await grown(store, 3)).toBe(3);
    const refused = { name: 'StateValueError', why: 'larger than 16777216 bytes' };
    await expect(grown(await again(), 4)).rejects.toMatchObject(refused);
    await again();
    expect((await store.streams.list())[0]?.offsets).toEqual({ s: 3 });
    expect(await grown(store, 3).catch(() => 'nothing new')).toBe('nothing new');
  });
});
