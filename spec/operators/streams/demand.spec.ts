import type { OperatorFunction } from 'rxjs';
import { map, mergeMap, Observable, of, take, tap } from 'rxjs';

import {
  agent,
  deduped,
  fromOffset,
  joined,
  latestBy,
  memoryStore,
  runEach,
  scanned,
  together,
  windowed,
} from '../../../index';

interface Item {
  readonly n: number;
  readonly key: string;
}

const BUFFER = 3;
const key = (item: Item): string => item.key;
const at = ({ n }: Item): number => n;

/** Items without an end; tells how many were read. */
function endless(name: string, store: ReturnType<typeof memoryStore>) {
  const read = { count: 0 };
  const items$ = fromOffset(
    function* (offset: number | undefined) {
      for (let n = (offset ?? 0) + 1; ; n += 1) {
        read.count += 1;
        yield { offset: n, value: { n, key: `k${String(n)}` } };
      }
    },
    { name, store, inFlight: BUFFER },
  );
  return { read, items$ };
}

/** Everything that may stand between a source and its end; each of them gives one thing an item. */
const operators: readonly (readonly [string, OperatorFunction<Item, Item>])[] = [
  ['nothing', map((item) => item)],
  ['scanned()', scanned('s', (_, item: Item) => item, { n: 0, key: '' } as Item)],
  [
    'scanned() by key',
    (items) =>
      items.pipe(
        scanned('s', (_, item: Item) => item, { n: 0, key: '' } as Item, { key, ttlMs: 5, at }),
        map(([, item]) => item),
      ),
  ],
  ['deduped()', deduped('d', key, { at, withinMs: 5 })],
  [
    'windowed() by count',
    (items) =>
      items.pipe(
        windowed('w', { count: 1 }),
        mergeMap((window) => of(...window.items)),
      ),
  ],
  [
    'latestBy()',
    (items) =>
      items.pipe(
        latestBy('l', () => 'all'),
        map((all) => all.get('all') as Item),
      ),
  ],
];

/** Ten windows of the same two, and so on: the source is a few items ahead of what has come out. */
const spans: readonly (readonly [string, OperatorFunction<Item, unknown>])[] = [
  ['windowed() by time', windowed('w', { sizeMs: 1 }, { at })],
  ['windowed() by hops', windowed('w', { sizeMs: 2, everyMs: 1 }, { at })],
  ['windowed() by sessions', windowed('w', { gapMs: 1 }, { at })],
];

const never = agent('never', () => new Promise<number>(() => undefined));

describe('a slow end', () => {
  it.each(operators)('reads 5 items through %s when 5 are taken', (_name, operator) => {
    const { read, items$ } = endless('s', memoryStore());
    const taken: Item[] = [];

    items$.pipe(operator, take(5)).subscribe((item) => taken.push(item));

    expect(taken).toHaveLength(5);
    expect(read.count).toBe(5);
  });

  it.each([...operators, ...spans])(
    'reads no more through %s than may be under way, while nothing is handled',
    (_name, operator) => {
      const { read, items$ } = endless('s', memoryStore());
      const begun: unknown[] = [];

      const subscription = items$
        .pipe(
          operator,
          tap((item) => begun.push(item)),
          map(() => 0),
          runEach(never, { concurrency: 2 }),
        )
        .subscribe();

      // A window closes with the item behind it.
      expect(read.count).toBeLessThanOrEqual(BUFFER + 2);
      expect(begun.length).toBeLessThanOrEqual(BUFFER + 1);
      subscription.unsubscribe();
    },
  );

  it.each(operators)('leaves an endless Observable that gives all at once, through %s', (_name, operator) => {
    let given = 0;
    const all$ = new Observable<{ readonly offset: number; readonly value: Item }>((subscriber) => {
      while (!subscriber.closed && given < 1_000) {
        given += 1;
        subscriber.next({ offset: given, value: { n: given, key: `k${String(given)}` } });
      }
    });
    const items$ = fromOffset(() => all$, { name: 's', store: memoryStore(), inFlight: BUFFER });
    const taken: Item[] = [];

    items$.pipe(operator, take(5)).subscribe((item) => taken.push(item));

    expect(taken).toHaveLength(5);
    expect(given).toBe(5);
  });

  it('reads 5 windows of time and the item that closes the last one', () => {
    const { read, items$ } = endless('s', memoryStore());

    items$.pipe(windowed('w', { sizeMs: 1 }, { at }), take(5)).subscribe();

    expect(read.count).toBe(6);
  });

  it('reads no more of two sources than may be under way in all', () => {
    const store = memoryStore();
    const left = endless('left', store);
    const right = endless('right', store);

    const subscription = together({ name: 'both', store }, left.items$, right.items$)
      .pipe(runEach(never, { concurrency: 1 }))
      .subscribe();

    expect(left.read.count + right.read.count).toBeLessThanOrEqual(2 * BUFFER);
    subscription.unsubscribe();
  });

  it('stops both sources of joined() when 5 pairs are taken', () => {
    const store = memoryStore();
    const left = endless('left', store);
    const right = endless('right', store);
    const both$ = joined(left.items$.pipe(take(5)), right.items$, {
      name: 'both',
      store,
      key: { left: key, right: key },
      withinMs: 1_000,
      at: { left: at, right: at },
    });
    const pairs: unknown[] = [];

    both$.pipe(take(5)).subscribe((pair) => pairs.push(pair));

    expect(pairs).toHaveLength(5);
    expect([left.read.count, right.read.count]).toEqual([5, 5]);
  });
});
