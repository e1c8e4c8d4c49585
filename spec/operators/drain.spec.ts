import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { lastValueFrom, tap } from 'rxjs';

import type { Agent, Store, Wire } from '../../index';
import {
  agent,
  approval,
  answer,
  cancel,
  chain,
  each,
  execute,
  lowdbStore,
  memoryStore,
  saga,
  serve,
  sleep,
  submit,
  workflow,
} from '../../index';
import { Clock } from '../support/clock';

const pause = (ms: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, ms);
  });
const until = async (is: () => Promise<boolean>): Promise<void> => {
  const began = Date.now();
  while (!(await is())) {
    if (Date.now() - began > 3_000) throw new Error('it did not happen');
    await pause(5);
  }
};

describe.each([
  ['memory', () => memoryStore()],
  ['a folder', () => lowdbStore(mkdtempSync(join(tmpdir(), 'millrace-drain-')))],
])('serve() that stops, on a store in %s', (_place, open) => {
  let store: Store;
  let calls: string[];
  beforeEach(() => {
    store = open();
    calls = [];
  });
  afterEach(async () => {
    await store.close();
  });

  /** Calls itself by its name, and takes so long. */
  const slow = (name: string, ms: number) =>
    agent(name, async (input: unknown, { signal }) => {
      calls.push(name);
      await pause(ms);
      calls.push(`${name} ${signal.aborted ? 'aborted' : 'ended'}`);
      return input;
    });

  /** Begins a run of the agent by an answer, stops after so long, and waits for the end. */
  const drained = async (served: Agent<never, unknown>, afterMs: number, drainMs: number) => {
    const gated = chain('gated', approval('go', t.unknown), served as Agent<unknown, unknown>);
    await execute(gated, 'x', { store, runId: 'r' });
    await answer('r', 'go', 'x', { store });
    const stop = new AbortController();
    let begun: () => void = () => undefined;
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const heard = serve([gated], { store, drainMs, signal: stop.signal }).pipe(
      tap(({ event }) => {
        if (event.type === 'step.started' && event.path !== 'go') begun();
      }),
    );
    const done = lastValueFrom(heard, { defaultValue: undefined });
    await hasBegun;
    await pause(afterMs);
    stop.abort();
    await done;
    return gated;
  };

  const again = async (gated: Agent<never, unknown>) => {
    const stop = new AbortController();
    const done = lastValueFrom(serve([gated], { store, signal: stop.signal }));
    await until(async () => (await store.loadRun('r'))?.status === 'COMPLETED');
    stop.abort();
    await done;
  };

  it('lets a step end, begins no other, and goes on with it later', async () => {
    const served = await drained(chain('two', slow('a', 60), slow('b', 20)), 30, 1_000);

    expect(calls).toEqual(['a', 'a ended']);
    const state = await store.loadRun('r');
    expect(state).toMatchObject({ status: 'SUSPENDED', reason: 'drain' });
    expect(await store.listRuns()).toMatchObject([{ reason: 'drain', waiting: [] }]);

    await again(served);
    expect(calls).toEqual(['a', 'a ended', 'b', 'b ended']);
    expect((await store.loadRun('r'))?.reason).toBeUndefined();
  });

  it('lets a run complete whose last step ends in time', async () => {
    await drained(chain('one', slow('a', 60)), 30, 1_000);

    expect((await store.loadRun('r'))?.status).toBe('COMPLETED');
  });

  it('cuts off what takes too long, counts no crash, and calls it again with the same key', async () => {
    const keys: string[] = [];
    const served = await drained(
      agent('a', async (_: unknown, { idempotencyKey, signal }) => {
        keys.push(idempotencyKey);
        if (keys.length === 1) await pause(150);
        calls.push(String(signal.aborted));
      }),
      30,
      30,
    );
    const state = await store.loadRun('r');
    expect(state).toMatchObject({ status: 'SUSPENDED', reason: 'drain' });
    expect(state?.steps.get('a')).toMatchObject({ status: 'PENDING' });
    expect(state?.steps.get('a')?.crashes).toBeUndefined();

    await again(served);
    await pause(150);
    expect(new Set(keys).size).toBe(1);
    expect(keys).toHaveLength(2);
    expect((await store.loadRun('r'))?.died).toBeUndefined();
  });

  it('waits for every branch under way, and for nothing that only waits or sleeps', async () => {
    const wide = workflow('wide', (x: Wire<unknown>, step) => {
      const a = step('a', slow('a', 250), x);
      const b = step('b', slow('b', 400), x);
      const c = step('c', slow('c', 10), a);
      const nap = step('nap', sleep('nap', 500), x);
      return step('all', slow('all', 1), { b, c, nap });
    });
    const began = Date.now();
    const served = await drained(wide, 20, 5_000);

    expect(Date.now() - began).toBeLessThan(2_000);
    expect(calls).toEqual(['a', 'b', 'a ended', 'b ended']);
    await again(served);
    expect(calls.slice(4)).toEqual(['c', 'c ended', 'all', 'all ended']);
  });

  it('does not wait for a function whose nested step does not begin any more', async () => {
    const outer = agent('outer', async (x: unknown, { step }) => {
      calls.push('outer');
      const first = await lastValueFrom(step('first', slow('first', 50), x));
      return lastValueFrom(step('second', slow('second', 1), first));
    });
    const began = Date.now();
    const served = await drained(outer, 20, 5_000);

    expect(Date.now() - began).toBeLessThan(2_000);
    expect(calls).toEqual(['outer', 'first', 'first ended']);
    await again(served);
    expect(calls.slice(3)).toEqual(['outer', 'second', 'second ended']);
  });

  it('does not repeat a failed step before it has stopped', async () => {
    let count = 0;
    const flaky = agent(
      'flaky',
      async () => {
        count += 1;
        await pause(40);
        if (count === 1) throw new Error('once');
      },
      { retry: { count: 3, delayMs: 1 } },
    );
    const served = await drained(flaky, 20, 1_000);
    expect(count).toBe(1);
    expect((await store.loadRun('r'))?.status).toBe('SUSPENDED');

    await again(served);
    expect(count).toBe(2);
  });

  it('lets the items under way end, and goes on with the rest', async () => {
    let called = 0;
    const items = chain(
      'items',
      agent('list', () => Array.from({ length: 20 }, (_, i) => i)),
      each(
        'each',
        agent('work', async (i: number) => {
          called += 1;
          await pause(20);
          return i;
        }),
        { concurrency: 4 },
      ),
    );
    const served = await drained(items, 35, 1_000);
    expect(called).toBeLessThan(20);

    await again(served);
    expect(called).toBe(20);
  });

  it('ends a life as cancelled that was told to cancel, and undoes what it has done', async () => {
    const undone: unknown[] = [];
    const book = agent('book', (x: unknown) => x, {
      compensate: async (output: unknown) => {
        await pause(40);
        undone.push(output);
      },
    });
    const trip = saga('trip', chain('steps', book, slow('pay', 1_000)));
    const gated = chain('gated', approval('go', t.unknown), trip);
    await execute(gated, 'x', { store, runId: 'r' });
    await answer('r', 'go', 'x', { store });
    const stop = new AbortController();
    const done = lastValueFrom(serve([gated], { store, drainMs: 2_000, signal: stop.signal }));
    await until(() => Promise.resolve(calls.includes('pay')));
    await cancel('r', { store, reason: 'no' });
    stop.abort();
    await done;

    expect(undone).toEqual(['x']);
    expect(await store.loadRun('r')).toMatchObject({ status: 'CANCELLED', reason: 'no' });
  });
});

it('serve() that is unsubscribed without drainMs leaves its runs suspended, to be taken up', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-drain-'));
  const store = lowdbStore(folder);
  const nap = chain('nap', approval('go', t.boolean), sleep('long', 1e7));
  await execute(nap, 'x', { store, runId: 'r' });
  await answer('r', 'go', true, { store });
  const serving = serve([nap], { store }).subscribe();
  await until(async () => (await store.loadRun('r'))?.steps.get('long')?.status === 'SUSPENDED');

  serving.unsubscribe();
  await store.close();

  expect(await lowdbStore(folder).loadRun('r')).toMatchObject({ status: 'SUSPENDED', reason: 'drain' });
  rmSync(folder, { recursive: true, force: true });
});

it('serve() that is stopped ten times during a step of an hour calls it once a time, with one key, and counts no crash', async () => {
  const clock = new Clock(Date.UTC(2026, 10, 28));
  const store = memoryStore({ clock });
  const keys: string[] = [];
  const hour = agent('hour', (_: unknown, { idempotencyKey }) => {
    keys.push(idempotencyKey);
    return new Promise((resolve) => {
      clock.schedule(resolve, 3_600_000);
    });
  });
  await submit(hour, 'x', { store, runId: 'r' });
  const deploy = async (ms: number): Promise<void> => {
    const stop = new AbortController();
    const options = { store, scheduler: clock, drainMs: 10_000, signal: stop.signal };
    const done = lastValueFrom(serve([hour], options), { defaultValue: undefined });
    await clock.to(clock.now() + ms);
    stop.abort();
    await clock.to(clock.now() + 10_000);
    await done;
  };

  for (let i = 0; i < 10; i += 1) await deploy(300_000);

  expect(keys).toHaveLength(10);
  const state = await store.loadRun('r');
  expect(state).toMatchObject({ status: 'SUSPENDED', reason: 'drain' });
  expect(state?.steps.get('hour')?.crashes).toBeUndefined();
  await deploy(3_600_001);
  expect((await store.loadRun('r'))?.status).toBe('COMPLETED');
  expect(new Set(keys).size).toBe(1);
  expect(keys).toHaveLength(11);
});
