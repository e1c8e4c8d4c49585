import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { filter, from, map, of, tap } from 'rxjs';

import type { Live, Wire } from '../../index';
import {
  agent,
  chain,
  each,
  execute,
  live,
  lowdbStore,
  memoryStore,
  outputs,
  paced,
  partials,
  pulled,
  run,
  runEach,
  workflow,
} from '../../index';

const soon = () => new Promise((resolve) => setImmediate(resolve));

/** Counts how many values it has made. */
function counter(count: number) {
  const made = { count: 0 };
  const numbers = agent('numbers', async function* (_: unknown) {
    for (let n = 1; n <= count; n += 1) {
      made.count += 1;
      yield n;
      if (n % 100 === 0) await soon();
    }
  });
  return { numbers, made };
}

describe('paced()', () => {
  it('makes no more partial results than are read, through operators and taps', async () => {
    const { numbers, made } = counter(1_000);
    const read: number[] = [];
    let most = 0;
    const values$ = run(numbers, null).pipe(
      tap(() => undefined),
      partials<number>(),
      filter(({ index }) => index % 2 === 0),
      map(({ value }) => value),
    );
    for await (const value of paced(values$)) {
      for (let turn = 0; turn < 5; turn += 1) await soon();
      read.push(value);
      most = Math.max(most, made.count - value);
      if (read.length === 50) break;
    }

    expect(read).toEqual(Array.from({ length: 50 }, (_, n) => 2 * n + 1));
    expect(most).toBeLessThanOrEqual(2);
    await soon();
    expect(made.count).toBeLessThan(110);
  });

  it.each(['none', 'memory', 'folder'])(
    'begins no step before the end of the one before was read (store: %s)',
    async (kind) => {
      const folder = mkdtempSync(join(tmpdir(), 'paced-'));
      const store = kind === 'none' ? undefined : kind === 'memory' ? memoryStore() : lowdbStore(folder);
      let calls = 0;
      const count = agent('count', (n: number) => {
        calls += 1;
        return n;
      });
      const list = each('list', count, { concurrency: 2 });
      let ended = 0;
      let most = 0;
      const items = Array.from({ length: 50 }, (_, n) => n);
      let last = '';
      for await (const { event } of paced(run(list, items, store && { store }))) {
        await soon();
        if (event.type === 'step.completed') ended += 1;
        most = Math.max(most, calls - ended);
        last = event.type;
      }

      expect(last).toBe('run.completed');
      expect(calls).toBe(50);
      expect(most).toBeLessThanOrEqual(4);
      await store?.close();
      rmSync(folder, { recursive: true });
    },
  );

  it.each([
    ['an Observable', <T>(items: Iterable<T>) => from(items)],
    ['a source that can wait', <T>(items: Iterable<T>) => pulled(items)],
  ])('holds back the runs of runEach() over %s, those that begin later too', async (_, source) => {
    let calls = 0;
    const count = agent('count', (n: number) => {
      calls += 1;
      return n;
    });
    const given = new Set<number>();
    let read = 0;
    let most = 0;
    const inputs = Array.from({ length: 100 }, (__, n) => n);
    const outputs$ = source(inputs).pipe(runEach(count, { concurrency: 3 }), outputs());
    for await (const output of paced(outputs$)) {
      await soon();
      given.add(output);
      read += 1;
      most = Math.max(most, calls - read);
    }

    expect(given.size).toBe(100);
    expect(most).toBeLessThanOrEqual(6);
  });

  it('errors as the stream does, and cancels the run of a loop that is left', async () => {
    const signals: AbortSignal[] = [];
    const bad = chain(
      'bad',
      agent('fails', (n: number) => {
        if (n === 1) throw new Error('no');
        return n;
      }),
      agent('waits', (_: number, { signal }) => {
        signals.push(signal);
        return new Promise<number>(() => undefined);
      }),
    );
    const readAll = async () => {
      let count = 0;
      for await (const { event } of paced(run(bad, 1))) count += event.seq;
      return count;
    };
    await expect(readAll()).rejects.toMatchObject({ name: 'RunError' });
    for await (const { event } of paced(run(bad, 2)))
      if (event.type === 'step.started' && event.path === 'waits') break;
    await soon();

    expect(signals.every(({ aborted }) => aborted)).toBe(true);
  });

  it('lets runs that its functions make come as they like', async () => {
    const inner = chain(
      'inner',
      agent('one', (n: number) => n + 1),
      agent('two', (n: number) => n + 1),
    );
    const outer = agent('outer', (n: number) => run(inner, n).pipe(outputs()));
    const read: unknown[] = [];
    for await (const output of paced(run(outer, 1).pipe(outputs()))) read.push(output);
    expect(read).toEqual([3]);
  });

  it('gives what a stream without runs gives', async () => {
    const read: number[] = [];
    for await (const n of paced(of(1, 2, 3))) read.push(n);
    expect(read).toEqual([1, 2, 3]);
  });
});

describe("live(…, { keep: 'none' })", () => {
  const summed = (numbers: ReturnType<typeof counter>['numbers'], keep?: 'all' | 'none') =>
    workflow('summed', (input: Wire<unknown>, step) =>
      step(
        'sum',
        async (some: Live<number>) => {
          let sum = 0;
          for await (const n of some) sum += n;
          return sum;
        },
        live(step('numbers', numbers, input), keep && { keep }),
      ),
    );

  it('gives a reader everything, and saves none of it', async () => {
    const store = memoryStore();
    const { numbers } = counter(300);
    const { output } = await execute(summed(numbers, 'none'), null, { store, runId: 'none' });
    await execute(summed(numbers), null, { store, runId: 'all' });
    const keptOf = async (id: string) => (await store.loadRun(id))?.steps.get('numbers')?.kept?.length;

    expect(output).toBe((300 * 301) / 2);
    expect(await keptOf('none')).toBeUndefined();
    expect(await keptOf('all')).toBe(300);
  });

  it('gives a reader that is called again what comes from then on, and nothing once the step has completed', async () => {
    const { numbers } = counter(10);
    const store = memoryStore();
    const read: number[][] = [];
    let isDown = true;
    const w = workflow('w', (input: Wire<unknown>, step) => {
      const made = step('numbers', numbers, input);
      return step(
        'reader',
        async (some: Live<number>) => {
          const own: number[] = [];
          read.push(own);
          for await (const n of some) {
            own.push(n);
            if (own.length === 3 && read.length === 1) throw new Error('once');
          }
          if (isDown) throw new Error('later');
          return own.length;
        },
        live(made, { keep: 'none' }),
        { retry: 1 },
      );
    });
    await execute(w, null, { store, runId: 'r' });
    isDown = false;
    const { output } = await execute(w, null, { store, runId: 'r' });

    expect(read[0]).toEqual([1, 2, 3]);
    expect(read[1]?.at(-1)).toBe(10);
    expect(read[1]).not.toContain(1);
    expect(read[2]).toEqual([]);
    expect(output).toBe(0);
  });

  it('saves all of it where another reader wants that, and refuses what it does not know', async () => {
    const store = memoryStore();
    const { numbers } = counter(20);
    const count = async (some: Live<number>) => {
      let seen = 0;
      for await (const n of some) seen += n > 0 ? 1 : 0;
      return seen;
    };
    const both = workflow('both', (input: Wire<unknown>, step) => {
      const made = step('numbers', numbers, input);
      return [step('a', count, live(made, { keep: 'none' })), step('b', count, live(made))] as const;
    });
    expect((await execute(both, null, { store, runId: 'r' })).output).toEqual([20, 20]);
    expect((await store.loadRun('r'))?.steps.get('numbers')?.kept).toHaveLength(20);
    expect(() => summed(numbers, 'latest' as 'none')).toThrow("live() keeps 'all' or 'none', got latest");
  });
});
