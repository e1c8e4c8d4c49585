import { setTimeout as wait } from 'node:timers/promises';

import { catchError, EMPTY, filter, from, lastValueFrom, map, pipe, take, tap, toArray } from 'rxjs';

import { agent, memoryStore, outcomes, outputs, run, runEach } from '../../../index';
import { fromOffset } from '../../../operators/streams/fromOffset';
import { scanned } from '../../../operators/streams/scanned';
import { together } from '../../../operators/streams/together';
import type { Window } from '../../../operators/streams/windowed';
import { windowed } from '../../../operators/streams/windowed';
import { everyStore } from '../../support/everyStore';
import { until } from '../../support/until';

const numbers = (most: number, read: number[] = []) =>
  function* (offset = 0) {
    for (let n = offset + 1; n <= most; n += 1) {
      read.push(n);
      yield { offset: n, value: n };
    }
  };

describe('runEach() behind fromOffset()', () => {
  it('counts an input as handled when its run has ended, and names the run after it', async () => {
    const store = memoryStore();
    const calls: number[] = [];
    const slow = agent('slow', async (n: number) => {
      calls.push(n);
      // In the first life it does not end.
      await (n === 2 && calls.length <= 4 ? new Promise(() => undefined) : wait(1));
      return n * 10;
    });
    const stream = () =>
      fromOffset(numbers(4), { name: 's', store }).pipe(runEach(slow, { store }), outputs());

    // Left as soon as the third output is there: the second input is under way then.
    await lastValueFrom(stream().pipe(take(3)));
    await wait(0);
    expect((await store.streams.list())[0]?.offsets).toEqual({ s: 1 });
    const rest = await lastValueFrom(stream().pipe(toArray()));

    expect([...rest].sort()).toEqual([20, 30, 40]);
    expect((await store.listRuns()).map(({ runId }) => runId).sort()).toEqual([
      'slow s@1',
      'slow s@2',
      'slow s@3',
      'slow s@4',
    ]);
    expect(calls.filter((n) => n !== 2)).toEqual([1, 3, 4]);
  });

  it('reads no further than runs are under way and inputs wait', async () => {
    const read: number[] = [];
    const never = agent('never', () => new Promise<number>(() => undefined));
    const subscription = fromOffset(numbers(100, read), { name: 's', store: memoryStore(), inFlight: 5 })
      .pipe(
        map((n) => n),
        runEach(never, { concurrency: 2 }),
      )
      .subscribe();

    expect(read).toEqual([1, 2, 3, 4, 5]);
    subscription.unsubscribe();
    return Promise.resolve();
  });

  it('reads no further behind an agent in a plain pipe either', () => {
    const read: number[] = [];
    const never = agent('never', () => new Promise<number>(() => undefined));
    const subscription = fromOffset(numbers(100, read), { name: 's', store: memoryStore(), inFlight: 5 })
      .pipe(never)
      .subscribe();

    expect(read).toHaveLength(5);
    subscription.unsubscribe();
  });

  it('remembers outputs that come in any order as what they are: each once', async () => {
    const store = memoryStore();
    const uneven = agent('uneven', async (n: number) => {
      await wait((n * 7) % 5);
      return n;
    });
    let left = 7;
    const sums = () =>
      lastValueFrom(
        fromOffset(numbers(120), { name: 's', store }).pipe(
          runEach(uneven, { store, concurrency: 5, keep: 'none' }),
          outputs(),
          tap(() => {
            if ((left -= 1) === 0) throw new Error('the process ends');
          }),
          scanned('sum', (sum, n: number) => sum + n, 0),
          catchError(() => EMPTY),
        ),
        { defaultValue: -1 },
      );

    for (const lives of [7, 11, 5]) {
      left = lives;
      await sums();
    }
    left = Infinity;

    expect(await sums()).toBe((120 * 121) / 2);
    await until(async () => (await store.listRuns()).length === 0);
  });

  it.each([
    ['outputs', outputs<number>()],
    [
      'outcomes',
      pipe(
        outcomes<number>(),
        map((outcome) => (outcome._tag === 'Right' ? outcome.right.output : -1)),
      ),
    ],
  ])(
    'loses nothing where %s() are told while the stream begins, and what takes them throws',
    async (_, results) => {
      const store = memoryStore();
      const begun: number[] = [];
      const same = agent('same', (n: number) => {
        begun.push(n);
        return n;
      });
      let left = Infinity;
      const sums = () =>
        fromOffset(numbers(9), { name: 's', store, inFlight: 3 }).pipe(
          runEach(same, { store, concurrency: 2 }),
          results,
          tap(() => {
            if ((left -= 1) === 0) throw new Error('cannot be taken');
          }),
          scanned('sum', (sum, n: number) => sum + n, 0),
        );
      // Their runs have ended, and their outputs were not taken.
      for (const n of [1, 2, 3, 4, 5]) await lastValueFrom(run(same, n, { store, runId: `same s@${n}` }));
      begun.length = 0;

      for (const lives of [1, 2, 3]) {
        left = lives;
        await expect(lastValueFrom(sums())).rejects.toThrow('cannot be taken');
        expect(begun).toEqual([]);
      }
      expect((await store.streams.list())[0]?.offsets).toEqual({ s: 3 });
      left = Infinity;

      expect(await lastValueFrom(sums())).toBe(45);
      expect(begun).toEqual([6, 7, 8, 9]);
    },
  );

  it('begins no run for an output that nobody waits for any more', async () => {
    const store = memoryStore();
    const begun: number[] = [];
    const same = agent('same', (n: number) => {
      begun.push(n);
      return n;
    });
    for (const n of [1, 2]) await lastValueFrom(run(same, n, { store, runId: `same s@${n}` }));
    begun.length = 0;

    const two = fromOffset(numbers(9), { name: 's', store }).pipe(
      runEach(same, { store }),
      outputs(),
      take(2),
    );

    expect(await lastValueFrom(two.pipe(toArray()))).toEqual([1, 2]);
    expect(begun).toEqual([]);
  });

  it('stops at an input whose run has failed for good, and begins with it again', async () => {
    const store = memoryStore();
    let isDown = true;
    const half = agent('half', (n: number) => {
      if (isDown && n === 3) throw new Error('odd');
      return n;
    });
    const stream = () =>
      fromOffset(numbers(4), { name: 's', store }).pipe(
        runEach(half, { store, concurrency: 1 }),
        filter(({ event }) => event.type === 'run.completed'),
        map(({ state }) => state.output),
        toArray(),
      );

    await expect(lastValueFrom(stream())).rejects.toThrow('odd');
    expect((await store.streams.list())[0]?.offsets).toEqual({ s: 2 });
    isDown = false;

    expect(await lastValueFrom(stream())).toEqual([3, 4]);
  });

  it.each<[string, () => string]>([
    [
      'throws',
      () => {
        throw new Error('nobody knows');
      },
    ],
    ['gives no name', () => ''],
  ])('stops at an input whose run cannot be named, where runId %s', async (_, runId) => {
    const store = memoryStore();
    const same = agent('same', (n: number) => n);
    const named = (n: number): string => (n === 3 ? runId() : String(n));
    const stream$ = fromOffset(numbers(4), { name: 's', store }).pipe(
      runEach(same, { store, concurrency: 1, runId: named }),
    );

    await expect(lastValueFrom(stream$)).rejects.toThrow();
    expect((await store.streams.list())[0]?.offsets).toEqual({ s: 2 });
  });

  it('runs a window whose key is longer than the id of a run may be, once', async () => {
    const store = memoryStore();
    const calls: string[] = [];
    const count = agent('count', ({ key, items }: Window<string>) => {
      calls.push(key);
      return items.length;
    });
    const urls = ['a', 'b', 'a'].map((end) => `https://example.com/${'x'.repeat(300)}/${end}`);
    const read = (offset = 0) => urls.map((value, index) => ({ offset: index + 1, value })).slice(offset);
    const counts = (leaves: boolean) =>
      lastValueFrom(
        fromOffset(read, { name: 's', store }).pipe(
          windowed('w', { count: 1 }, { key: (url) => url }),
          runEach(count, { store, concurrency: 1 }),
          outputs(),
          leaves ? take(1) : map((n) => n),
          toArray(),
        ),
      );

    expect(await counts(true)).toEqual([1]);
    // The first window comes again, and its run is only told again.
    expect(await counts(false)).toEqual([1, 1, 1]);
    expect(calls).toEqual(urls);
    const ids = (await store.listRuns()).map(({ runId }) => runId);
    expect(new Set(ids).size).toBe(3);
    expect(ids.every((id) => id.startsWith('count s/w ["https://example.com/') && id.length <= 200)).toBe(
      true,
    );
  });

  it('passes what has failed where that is asked for, and puts it somewhere else first', async () => {
    const store = memoryStore();
    const dead: unknown[] = [];
    const fails = agent('fails', (n: number) => {
      if (n % 2 === 1) throw new Error(`${n} is odd`);
      return n;
    });

    const done = await lastValueFrom(
      fromOffset(numbers(4), {
        name: 's',
        store,
        onFailed: async (value, error) => {
          await wait(1);
          dead.push([value, (error as Error).message]);
        },
      }).pipe(
        runEach(fails, { store, keep: 'failed' }),
        filter(({ event }) => event.type === 'run.completed'),
        toArray(),
      ),
    );

    expect(done).toHaveLength(2);
    expect(dead).toEqual([
      [1, expect.stringContaining('1 is odd')],
      [3, expect.stringContaining('3 is odd')],
    ]);
    expect((await store.streams.list())[0]?.offsets).toEqual({ s: 4 });
    expect((await store.listRuns()).map(({ status }) => status)).toEqual(['FAILED', 'FAILED']);
  });

  it('leaves other streams as they are', async () => {
    const seen = await lastValueFrom(
      from([1, 2]).pipe(runEach(agent('a', (n: number) => n)), outputs(), toArray()),
    );

    expect(seen).toEqual([1, 2]);
  });
});

describe.each(everyStore)('the runs of two streams, %s', (_, open) => {
  const billing = () => {
    const calls: string[] = [];
    const bill = agent('bill', (given: unknown) => {
      calls.push(JSON.stringify(given));
      return calls.length;
    });
    return { calls, bill };
  };

  it('have names of their own behind windows of one name, also where the items are the same', async () => {
    const store = open();
    const { bill, calls } = billing();
    const billed = (name: string, most: number) =>
      lastValueFrom(
        fromOffset(numbers(most), { name, store }).pipe(
          windowed('pair', { count: 2 }),
          runEach(bill, { store }),
          outputs(),
          toArray(),
        ),
      );
    for (const most of [2, 4]) for (const name of ['eu', 'us']) await billed(name, most);

    expect(calls).toHaveLength(4);
    expect((await store.listRuns()).map(({ runId }) => runId).sort()).toEqual([
      'bill eu/pair 0',
      'bill eu/pair 1',
      'bill us/pair 0',
      'bill us/pair 1',
    ]);
  });

  it('have names of their own behind windows of time and key, sessions and windows of their own stream', async () => {
    const store = open();
    const { bill, calls } = billing();
    const at = (n: number) => n;
    for (const name of ['eu', 'us'])
      for (const windows of [
        windowed('w', { sizeMs: 2 }, { at, key: String, store }),
        windowed('w', { gapMs: 1 }, { at, store }),
      ] as const) {
        const source$ = fromOffset(numbers(2), { name: `${name} ${String(calls.length)}`, store });
        await lastValueFrom(source$.pipe(windows, runEach(bill, { store }), toArray()));
      }
    await lastValueFrom(
      from([1, 2]).pipe(windowed('eu', { count: 2 }, { store }), runEach(bill, { store }), toArray()),
    );

    expect((await store.listRuns()).map(({ runId }) => runId).sort()).toEqual(
      [
        'bill eu 0',
        'bill eu%200/w ["1",0]',
        'bill eu%200/w ["2",2]',
        'bill eu%202/w 1',
        'bill eu%202/w 2',
        'bill us%204/w ["1",0]',
        'bill us%204/w ["2",2]',
        'bill us%206/w 1',
        'bill us%206/w 2',
      ].sort(),
    );
    expect(calls).toHaveLength(9);
  });

  it('have names of their own where a stream is called as a source of another one', async () => {
    const store = open();
    const { bill, calls } = billing();
    const source = (name: string) => fromOffset(numbers(1), { name, store });
    const run$ = {
      whole: source('a/b'),
      part: together({ name: 'a', store }, source('b')),
      odd: source('a%2Fb'),
    };
    for (const one$ of Object.values(run$))
      await lastValueFrom(one$.pipe(runEach(bill, { store }), toArray()));

    expect(calls).toHaveLength(3);
    expect((await store.listRuns()).map(({ runId }) => runId).sort()).toEqual([
      'bill a%252Fb@1',
      'bill a%2Fb@1',
      'bill a/b@1',
    ]);
  });

  it('keep the names that they have where the stream was begun before names were joined in this way', async () => {
    const store = open();
    const { bill } = billing();
    const claim = await store.streams.claim('eu/west');
    const row = { key: '', index: 3, from: 0, to: 0, items: [1] };
    await claim.commit({
      offsets: [['eu/west', 1]],
      rows: [{ table: 'pair', key: 'open ', value: row }],
      at: 1,
    });
    await claim.release();
    const billed = (most: number) =>
      lastValueFrom(
        fromOffset(numbers(most), { name: 'eu/west', store }).pipe(
          windowed('pair', { count: 2 }),
          runEach(bill, { store }),
          toArray(),
        ),
      );
    await billed(2);
    await billed(4);
    await lastValueFrom(
      fromOffset(numbers(3), { name: 'eu/west', store }).pipe(
        runEach(agent('each', Number), { store }),
        toArray(),
      ),
      { defaultValue: [] },
    );

    expect((await store.listRuns()).map(({ runId }) => runId).sort()).toEqual(['bill pair 3', 'bill pair 4']);
  });

  it('are the same after a restart in which nothing was written but the item before', async () => {
    const store = open();
    const { bill, calls } = billing();
    const life = (most: number) =>
      lastValueFrom(
        fromOffset(numbers(9), { name: 'a b', store }).pipe(
          windowed('pair', { count: 2 }),
          take(most),
          runEach(bill, { store }),
          toArray(),
        ),
      );
    await life(1);
    await life(9);

    expect((await store.listRuns()).map(({ runId }) => runId).sort()).toEqual(
      [0, 1, 2, 3, 4].map((n) => `bill a%20b/pair ${String(n)}`),
    );
    expect(calls).toHaveLength(5);
    expect((await store.streams.list())[0]?.tables).toEqual({ pair: 1 });
  });
});
