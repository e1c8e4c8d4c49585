import { setTimeout as wait } from 'node:timers/promises';

import { catchError, EMPTY, filter, from, lastValueFrom, map, take, tap, toArray } from 'rxjs';

import { agent, memoryStore, outputs, runEach } from '../../../index';
import { fromOffset } from '../../../operators/streams/fromOffset';
import { scanned } from '../../../operators/streams/scanned';

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
      await wait(n === 2 ? 50 : 1);
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
        fromOffset(numbers(40), { name: 's', store }).pipe(
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

    expect(await sums()).toBe((40 * 41) / 2);
    await wait(5);
    expect(await store.listRuns()).toEqual([]);
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
