import * as t from 'io-ts';
import { delay, filter, finalize, lastValueFrom, map, of, take, timer } from 'rxjs';

import {
  agent,
  answer,
  approval,
  chain,
  each,
  execute,
  fork,
  memoryStore,
  outputs,
  pulled,
  run,
  runEach,
  sleep,
  workflow,
} from '../../index';
import type { Wire } from '../../index';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';
import { until } from '../support/until';

const after = (name: string, ms: number) => agent(name, (_: unknown) => of(name).pipe(delay(ms)));

describe('what other libraries get wrong', () => {
  it('a join is not dropped when a parent is skipped', async () => {
    const w = workflow('w', (n: Wire<number>, step) => {
      const a = step('a', (x) => x + 1, n);
      const b = step('b', (x) => x + 1, n, { when: () => false });
      return step('join', (both) => both, { a, b });
    });
    expect((await execute(w, 1)).output).toEqual({ a: 2, b: undefined });
  });

  it('a retry works inside a parallel branch', async () => {
    let calls = 0;
    const flaky = agent(
      'flaky',
      (n: number) => {
        calls += 1;
        if (calls < 4) throw new Error('not yet');
        return n;
      },
      { retry: 3 },
    );
    const w = workflow('w', (n: Wire<number>, step) => [step('a', after('a', 1), n), step('b', flaky, n)]);
    expect([(await execute(w, 7)).output, calls]).toEqual([['a', 7], 4]);
  });

  it('siblings of a failed step are aborted at once', async () => {
    let isAborted = false;
    const patient = agent('patient', async (_: number, { signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      isAborted = true;
    });
    let wasAborted: boolean | undefined;
    // By the next turn of the event loop.
    const look = () => setImmediate(() => (wasAborted = isAborted));
    const bad = agent('bad', (_: number) =>
      timer(5).pipe(
        map((): number => {
          throw new Error('bad');
        }),
        finalize(look),
      ),
    );
    const w = workflow('w', (n: Wire<number>, step) => [step('p', patient, n), step('b', bad, n)]);
    expect((await execute(w, 1)).error?.path).toBe('b');
    await until(() => wasAborted !== undefined);
    expect(wasAborted).toBe(true);
  });

  it(
    'a cancel does not wait for a sleep or for the delay of a retry',
    marbles(({ scheduler, flush }) => {
      const bad = agent(
        'bad',
        (_: string): string => {
          throw new Error('bad');
        },
        { retry: { count: 3, delayMs: 1e9 } },
      );
      const w = workflow('w', (x: Wire<string>, step) => [
        step('nap', sleep<string>('nap', 1e9), x),
        step('bad', bad, x),
      ]);
      const stop = new AbortController();
      const told = collect(run(w, 'x', { scheduler, signal: stop.signal }));
      scheduler.schedule(() => {
        stop.abort();
      }, 10);
      flush();
      expect([told.told.at(-1), told.ended, scheduler.now()]).toEqual(['run.cancelled', 'complete', 10]);
    }),
  );

  it('parallel pauses are answered in any order, and what came before them does not run again', async () => {
    const store = memoryStore();
    const before = jest.fn((x: string) => x);
    const ask = (name: string) => chain(name, agent('before', before), approval('ask', t.string));
    const w = workflow('w', (x: Wire<string>, step) => ({
      a: step('a', ask('a'), x),
      b: step('b', ask('b'), x),
    }));
    const options = { store, runId: 'r' };
    await execute(w, 'x', options);
    await answer('r', 'b/ask', 'B', { store });
    expect((await execute(w, 'x', options)).status).toBe('SUSPENDED');
    await answer('r', 'a/ask', 'A', { store });
    expect((await execute(w, 'x', options)).output).toEqual({ a: 'A', b: 'B' });
    expect(before).toHaveBeenCalledTimes(2);
  });

  it('a fork leaves the run it came from as it is', async () => {
    const store = memoryStore();
    const c = chain('c', after('a', 0), after('b', 0));
    await execute(c, 'x', { store, runId: 'r' });
    const evidence = JSON.stringify(await store.loadRun('r'));
    const id = await fork('r', { store, from: 'b' });
    await execute(c, 'x', { store, runId: id });
    expect(JSON.stringify(await store.loadRun('r'))).toBe(evidence);
  });

  it('a slow reader slows the source: 5 read, no more than 5 + concurrency made', async () => {
    let made = 0;
    async function* endless() {
      for (;;) yield await Promise.resolve((made += 1));
    }
    const slow = agent('slow', (n: number) => of(n).pipe(delay(2)));
    await lastValueFrom(pulled(endless()).pipe(runEach(slow, { concurrency: 2 }), outputs(), take(5)));
    expect(made).toBeLessThanOrEqual(7);
  });

  it('events of nested steps are all there, also after a resume', async () => {
    const store = memoryStore();
    let isBroken = true;
    const last = agent('last', (x: string) => {
      if (isBroken) throw new Error('not yet');
      return x;
    });
    const inner = workflow('inner', (x: Wire<string>, step) =>
      step('last', last, step('first', after('first', 0), x)),
    );
    const outer = chain('outer', each('each', inner));
    await execute(outer, ['x'], { store, runId: 'r' });
    isBroken = false;
    const told = collect(run(outer, ['x'], { store, runId: 'r' }));
    while (told.ended === 'open') await new Promise((resolve) => setTimeout(resolve, 1));
    expect(told.told).toEqual([
      'run.resumed',
      'step.started each',
      'step.started each[0]/inner',
      'step.started each[0]/inner/last',
      'step.completed each[0]/inner/last',
      'step.completed each[0]/inner',
      'step.completed each',
      'run.completed',
    ]);
  });

  it(
    'there is no barrier: a step starts when its own sources are there',
    marbles(({ scheduler, expectObservable }) => {
      const w = workflow('w', (x: Wire<string>, step) => {
        const slow = step('s', after('s', 9), x);
        const quick = step('q', after('q', 2), x);
        return { slow, next: step('n', after('n', 2), quick) };
      });
      const ends = run(w, 'x', { scheduler }).pipe(
        filter(({ event }) => event.type === 'step.completed'),
        map(({ event }) => ('path' in event ? event.path : '')),
      );
      expectObservable(ends).toBe('--q-n----(s|)');
    }),
  );
});
