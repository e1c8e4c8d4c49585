import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { catchError, EMPTY, lastValueFrom, map, of, Subject, switchMap, take, tap, toArray } from 'rxjs';

import type { Store } from '../../../index';
import { lowdbStore, memoryStore } from '../../../index';
import { currentItem } from '../../../lib/streams/streamItem';
import { deduped } from '../../../operators/streams/deduped';
import type { Positioned } from '../../../operators/streams/fromOffset';
import { fromOffset } from '../../../operators/streams/fromOffset';
import { scanned } from '../../../operators/streams/scanned';

/** Numbers from 1 on, each with itself as its offset. */
const counting = (most: number, read: number[] = []) =>
  function* (offset = 0): Generator<Positioned<number, number>> {
    for (let n = offset + 1; n <= most; n += 1) {
      read.push(n);
      yield { offset: n, value: n };
    }
  };

const add = (sum: number, n: number) => sum + n;

const folders: string[] = [];
const stores: readonly (readonly [string, () => Store])[] = [
  ['in memory', () => memoryStore()],
  [
    'in a folder',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-streams-'));
      folders.push(folder);
      return lowdbStore(folder);
    },
  ],
];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

describe.each(stores)('fromOffset(), with a store %s', (_name, newStore) => {
  let store: Store;
  beforeEach(() => {
    store = newStore();
  });
  afterEach(() => store.close());

  it('goes on behind what has been handled', async () => {
    const first = fromOffset(counting(3), { name: 's', store });
    const second = fromOffset(counting(5), { name: 's', store });

    expect(await lastValueFrom(first.pipe(toArray()))).toEqual([1, 2, 3]);
    expect(await lastValueFrom(second.pipe(toArray()))).toEqual([4, 5]);
  });

  it('is forgotten as soon as it has been left', async () => {
    const first = fromOffset(counting(3), { name: 's', store }).pipe(take(2));

    expect(await lastValueFrom(first)).toBe(2);
    expect(await store.streams.delete('s')).toBe(true);
    expect(await lastValueFrom(first)).toBe(2);
  });

  it('counts each item once in an accumulator, whenever it is left', async () => {
    const sums = (most: number, leaveAfter: number) =>
      lastValueFrom(
        fromOffset(counting(most), { name: 's', store }).pipe(scanned('sum', add, 0), take(leaveAfter)),
      );

    await sums(10, 3);
    await sums(10, 2);
    const sum = await sums(10, 100);

    expect(sum).toBe(55);
  });

  it('handles an item again when its handling threw', async () => {
    let isDown = true;
    const seen: number[] = [];
    const handled = fromOffset(counting(3), { name: 's', store }).pipe(
      scanned('sum', add, 0),
      tap((sum) => {
        if (isDown && sum === 3) throw new Error('down');
        seen.push(sum);
      }),
      catchError(() => EMPTY),
    );

    await lastValueFrom(handled, { defaultValue: 0 });
    isDown = false;
    await lastValueFrom(handled);

    expect(seen).toEqual([1, 3, 6]);
  });

  it('refuses a second subscriber of the same name', async () => {
    const never = fromOffset(() => new Subject<Positioned<number, number>>(), { name: 's', store });
    const subscription = never.subscribe();
    await Promise.resolve();

    await expect(lastValueFrom(never)).rejects.toMatchObject({ name: 'StreamActiveError' });
    subscription.unsubscribe();
  });

  it('waits for a subscriber of the same name that left while the store was being opened', async () => {
    const later = async function* (offset = 0) {
      await Promise.resolve();
      yield* counting(3)(offset);
    };
    const rows$ = fromOffset(later, { name: 's', store });

    const switched$ = of('first', 'second', 'third').pipe(switchMap(() => rows$));

    expect(await lastValueFrom(switched$.pipe(toArray()))).toEqual([1, 2, 3]);
  });

  it('tells what it holds', async () => {
    await lastValueFrom(
      fromOffset(counting(4), { name: 's', store }).pipe(
        deduped('even', (n) => (n % 2 === 0 ? 'even' : 'odd')),
        scanned('sum', add, 0),
      ),
    );

    expect(await store.streams.list()).toEqual([
      expect.objectContaining({ name: 's', offsets: { s: 4 }, tables: { even: 2, sum: 1 } }),
    ]);
  });
});

describe('fromOffset()', () => {
  it('reads no further than the items that are under way', async () => {
    const store = memoryStore();
    const read: number[] = [];
    const held: (() => void)[] = [];

    // An operator that holds its item until it is told to let go, as runEach does for its runs.
    const subscription = fromOffset(counting(100, read), { name: 's', store, inFlight: 5 })
      .pipe(
        tap(() => {
          const release = currentItem()?.hold();
          if (release !== undefined) held.push(release);
        }),
      )
      .subscribe();

    expect(read).toHaveLength(5);
    for (const release of held.splice(0)) release();
    expect(read).toHaveLength(10);
    subscription.unsubscribe();
  });

  it('passes on what the source fails with, when everything before it is kept', async () => {
    const store = memoryStore();
    const broken = fromOffset(
      function* (): Generator<Positioned<number, number>> {
        yield { offset: 1, value: 1 };
        throw new Error('torn');
      },
      { name: 's', store },
    );

    await expect(lastValueFrom(broken)).rejects.toThrow('torn');
    expect((await store.streams.list())[0]?.offsets).toEqual({ s: 1 });
  });

  it('needs a source before what remembers, or a store', async () => {
    await expect(lastValueFrom(of(1).pipe(scanned('sum', add, 0)))).rejects.toThrow(
      'put it behind fromOffset()',
    );
    const store = memoryStore();
    expect(await lastValueFrom(of(1, 2).pipe(scanned('sum', add, 0, { store })))).toBe(3);
    expect(
      await lastValueFrom(
        of(3).pipe(
          scanned('sum', add, 0, { store }),
          map((sum) => sum),
        ),
      ),
    ).toBe(6);
  });
});
