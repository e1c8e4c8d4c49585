import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { OperatorFunction } from 'rxjs';
import {
  asyncScheduler,
  concat,
  defer,
  from,
  lastValueFrom,
  NEVER,
  of,
  retry,
  throwError,
  toArray,
  VirtualTimeScheduler,
} from 'rxjs';

import type { WindowSpec } from '../../../operators/streams/windowed';
import {
  createMonitor,
  deduped,
  fromOffset,
  joined,
  latestBy,
  lowdbStore,
  memoryStore,
  scanned,
  together,
  windowed,
} from '../../../index';

/** Items as somebody without a compiler gives them. */
const source = (...items: readonly unknown[]) =>
  fromOffset((offset = 0) => items.slice(offset).map((value, i) => ({ offset: offset + i + 1, value })), {
    name: 's',
    store: memoryStore(),
  });

describe('windowed() without a compiler', () => {
  it.each<[unknown, string]>([
    [{}, 'got nothing'],
    [undefined, 'got nothing'],
    [{ size: 5 }, 'got size'],
    [{ everyMs: 5 }, 'got everyMs'],
    [{ count: 2, sizeMs: 5 }, 'got count and sizeMs'],
    [{ gapMs: 2, everyMs: 5 }, 'got gapMs and everyMs'],
  ])('refuses sizes that make no windows of one kind: %j', (spec, got) => {
    expect(() => windowed('w', spec as WindowSpec)).toThrow(got);
  });
});

describe('windowed() with a size of which no window could be made', () => {
  it.each<[string, WindowSpec]>([
    ['sizeMs', { sizeMs: Infinity }],
    ['sizeMs', { sizeMs: 1e-5 }],
    ['sizeMs', { sizeMs: 0 }],
    ['everyMs', { sizeMs: 5, everyMs: Infinity }],
    ['everyMs', { sizeMs: 5, everyMs: 1e-5 }],
    ['gapMs', { gapMs: Infinity }],
    ['gapMs', { gapMs: NaN }],
    ['count', { count: Infinity }],
    ['count', { count: 1.5 }],
    ['count', { count: -1 }],
  ])('refuses %s of %j when the stream is defined', (what, spec) => {
    expect(() => windowed('w', spec)).toThrow(`${what} must be a finite number from 1, got`);
  });
});

describe('latestBy() without a compiler', () => {
  it.each<[unknown, string]>([
    [1, 'number'],
    [undefined, 'undefined'],
    [Promise.resolve(true), 'a Promise'],
  ])('errors where isGone gives %p', async (gone, got) => {
    const latest$ = source('item').pipe(latestBy('l', String, { isGone: () => gone as boolean }));

    await expect(lastValueFrom(latest$)).rejects.toThrow(`isGone of "l" must give true or false, got ${got}`);
  });
});

describe('a limit that is no number', () => {
  it.each<[string, () => unknown]>([
    ['lateMs', () => windowed('w', { sizeMs: 1 }, { lateMs: NaN })],
    ['ttlMs', () => scanned('s', (n: number) => n, 0, { ttlMs: -1 })],
    ['maxKeys', () => scanned('s', (n: number) => n, 0, { maxKeys: 0 })],
    ['withinMs', () => deduped('d', String, { withinMs: NaN })],
    ['withinMs', () => joined(NEVER, NEVER, { name: 'j', store: memoryStore() } as never)],
  ])('is refused when the stream is defined: %s', (what, define) => {
    expect(define).toThrow(`${what} must be a number from`);
  });
});

describe('a key that is no string, and a time that is no number', () => {
  const none = (): never => undefined as never;
  it.each<[string, OperatorFunction<unknown, unknown>, string]>([
    ['scanned()', scanned('o', (n: number) => n, 0, { key: none }), 'its key is undefined'],
    ['scanned()', scanned('o', (n: number) => n, 0, { at: none }), 'its time is undefined'],
    ['deduped()', deduped('o', none), 'its key is undefined'],
    ['deduped()', deduped('o', String, { at: none, withinMs: 5 }), 'its time is undefined'],
    ['latestBy()', latestBy('o', none), 'its key is undefined'],
    ['windowed() by time', windowed('o', { sizeMs: 1 }, { key: none, at: () => 1 }), 'its key is undefined'],
    ['windowed() by time', windowed('o', { sizeMs: 1 }, { at: none }), 'its time is undefined'],
    ['windowed() by count', windowed('o', { count: 1 }, { key: none }), 'its key is undefined'],
    ['windowed() by count', windowed('o', { count: 1 }, { at: none }), 'its time is undefined'],
  ])('error %s, and are not remembered', async (_name, operator, why) => {
    await expect(lastValueFrom(source('item').pipe(operator))).rejects.toThrow(
      `Cannot remember an item in "o": ${why}`,
    );
  });

  it('error joined() too', async () => {
    const key = { left: none, right: none };
    const options = { name: 'j', store: memoryStore(), withinMs: 5, key };

    await expect(lastValueFrom(joined(source('item'), NEVER, options))).rejects.toThrow(
      'Cannot remember an item in "j": its key is undefined',
    );
  });

  it('are told apart from values that are no plain JSON, which name the operator', async () => {
    const windows$ = source(new Date(0)).pipe(windowed('w', { count: 1 }));

    await expect(lastValueFrom(windows$)).rejects.toThrow('Cannot save a value of "w": .items[0] is a Date');
  });
});

describe('a source without a compiler', () => {
  const reading = (read: () => unknown) =>
    fromOffset(read as () => never, { name: 's', store: memoryStore() });

  it('is refused where an item has no offset, because it would be read again for ever', async () => {
    for (const item of [1, null, { value: 1 }]) {
      await expect(lastValueFrom(reading(() => [item]))).rejects.toThrow('an item without an offset');
      await expect(lastValueFrom(reading(() => of(item)))).rejects.toThrow('an item without an offset');
    }
  });

  it.each([NaN, Infinity, '3', null])(
    'is refused where a lag is %p, which could not be read again',
    async (lag) => {
      const items = reading(() => [{ offset: 1, value: 1, lag }]);

      await expect(lastValueFrom(items)).rejects.toThrow('an item whose lag is ');
    },
  );

  it('is refused where an offset is no plain JSON', async () => {
    const dates = reading(() => [{ offset: new Date(0), value: 1 }]);
    const later = reading(async function* () {
      yield* await Promise.resolve([1, 2n].map((offset) => ({ offset, value: 1 })));
    });

    await expect(lastValueFrom(dates)).rejects.toThrow('Cannot save a value of "s": it is a Date');
    await expect(lastValueFrom(later)).rejects.toThrow('Cannot save a value of "s": it is a bigint');
  });

  it('is refused where it is none, and where onFailed says nothing that is known', async () => {
    await expect(lastValueFrom(reading(() => 5))).rejects.toThrow('read gave number');
    expect(() =>
      fromOffset(() => [], { name: 's', store: memoryStore(), onFailed: 'skip' as never }),
    ).toThrow('onFailed is "skip"');
  });
});

describe('two sources of one stream', () => {
  const counting = (name: string, count: number) =>
    fromOffset(
      (offset = 0) =>
        from(Array.from({ length: count - offset }, (_, i) => ({ offset: offset + i + 1, value: i }))),
      {
        name,
        store: memoryStore(),
      },
    );

  it('are refused under one name, also when one has ended before the other begins', async () => {
    for (const both of [
      together({ name: 't', store: memoryStore() }, counting('a', 2), counting('a', 2)),
      together({ name: 't', store: memoryStore() }, concat(counting('a', 2), counting('a', 2))),
    ]) {
      await expect(lastValueFrom(both)).rejects.toThrow('two sources of stream "t" are called "a"');
    }
  });

  it('may fail and be begun again: each item counts once', async () => {
    let isTorn = true;
    const torn = fromOffset(
      (offset = 0) =>
        concat(
          from([1, 2, 3].slice(offset, offset === 0 ? 2 : 3).map((n) => ({ offset: n, value: n }))),
          defer(() => {
            const fails = isTorn;
            isTorn = false;
            return fails ? throwError(() => new Error('torn')) : of();
          }),
        ),
      { name: 'a', store: memoryStore() },
    );

    const seen = together({ name: 't', store: memoryStore() }, torn.pipe(retry(1))).pipe(
      scanned('count', (n) => n + 1, 0),
      toArray(),
    );

    expect(await lastValueFrom(seen)).toEqual([1, 2, 3]);
  });
});

describe('what a part of a stream does not have for itself', () => {
  const scheduler = new VirtualTimeScheduler();
  const store = memoryStore();
  const items = (options: object) =>
    fromOffset(() => [{ offset: 1, value: 'a' }], { name: 'a', store, ...options });

  it.each<[string, object]>([
    ['onFailed', { onFailed: 'pass' }],
    ['scheduler', { scheduler }],
    ['monitor', { monitor: createMonitor() }],
  ])('is refused where it would not be heard: %s of a source within together()', async (what, setting) => {
    const whole = { name: 't', store, ...(what === 'scheduler' && { scheduler: asyncScheduler }) };

    await expect(lastValueFrom(together(whole, items(setting)))).rejects.toThrow(
      `Cannot read "a" as a part of stream "t" with ${what} of its own; give ${what} to together() or joined()`,
    );
    expect(await lastValueFrom(together({ ...whole, ...setting }, items(setting)))).toBe('a');
  });

  it('is refused where it would not be heard: the scheduler of an operator', async () => {
    const total = scanned('total', (n) => n + 1, 0, { scheduler });

    await expect(lastValueFrom(items({ name: 'b' }).pipe(total))).rejects.toThrow(
      'Cannot remember "total" by a clock of its own: stream "b" has another one',
    );
    expect(await lastValueFrom(items({ name: 'b', scheduler }).pipe(total))).toBe(1);
  });
});

describe('a store that another store object writes to', () => {
  it('is refused with the name of the stream', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-refused-'));
    const first = lowdbStore(folder);
    await first.streams.claim('orders');
    const second = lowdbStore(folder);
    const orders = fromOffset(() => NEVER, { name: 'orders', store: second });

    await expect(lastValueFrom(orders)).rejects.toThrow(
      new RegExp(`^Cannot go on with stream "orders" in store "${folder}": process ${String(process.pid)} `),
    );
    await Promise.all([first.close(), second.close()]);
    rmSync(folder, { recursive: true });
  });
});
