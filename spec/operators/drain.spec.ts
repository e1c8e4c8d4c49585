import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';

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
import { until } from '../support/until';

const pause = (ms: number) =>
  new Promise<void>((resolve) => {
    setTimeout(resolve, ms);
  });
/** Longer than a test may take: what waits for this time fails. */
const TOO_LONG_MS = 600_000;

describe.each([
  ['memory', () => memoryStore()],
  ['a folder', () => lowdbStore(mkdtempSync(join(tmpdir(), 'millrace-drain-')))],
])('serve() that stops, on a store in %s', (_place, open) => {
  let store: Store;
  let calls: string[];
  /** Settled a little after who serves has been told to stop. */
  let stopped: Promise<void>;
  let endCalls: () => void;
  beforeEach(() => {
    store = open();
    calls = [];
    stopped = new Promise((resolve) => {
      endCalls = resolve;
    });
  });
  afterEach(async () => {
    await store.close();
  });

  /** Calls itself by its name, and takes until who serves has been told to stop, or another time. */
  const slow = (name: string, ended: () => Promise<unknown> = () => stopped) =>
    agent(name, async (input: unknown, { signal }) => {
      calls.push(name);
      await ended();
      calls.push(`${name} ${signal.aborted ? 'aborted' : 'ended'}`);
      return input;
    });

  /** Begins a run of the agent by an answer, stops when it has come so far, and waits for the end. */
  const drained = async (
    served: Agent<never, unknown>,
    isFarEnough: () => boolean,
    { drainMs = TOO_LONG_MS, ...options }: { drainMs?: number; scheduler?: Clock } = {},
  ) => {
    const gated = chain('gated', approval('go', t.unknown), served as Agent<unknown, unknown>);
    await execute(gated, 'x', { store, runId: 'r' });
    await answer('r', 'go', 'x', { store });
    const stop = new AbortController();
    const served$ = serve([gated], { ...options, store, drainMs, signal: stop.signal });
    const done = lastValueFrom(served$, { defaultValue: undefined });
    await until(isFarEnough, 15_000);
    stop.abort();
    await pause(10);
    endCalls();
    await done;
    return gated;
  };

  const again = async (gated: Agent<never, unknown>, scheduler?: Clock) => {
    const stop = new AbortController();
    const options = { store, signal: stop.signal, ...(scheduler && { scheduler }) };
    const done = lastValueFrom(serve([gated], options));
    await until(async () => {
      await scheduler?.to(scheduler.now() + 500);
      return (await store.loadRun('r'))?.status === 'COMPLETED';
    }, 15_000);
    stop.abort();
    await done;
  };

  it('lets a step end, begins no other, and goes on with it later', async () => {
    const served = await drained(chain('two', slow('a'), slow('b')), () => calls.includes('a'));

    expect(calls).toEqual(['a', 'a ended']);
    const state = await store.loadRun('r');
    expect(state).toMatchObject({ status: 'SUSPENDED', reason: 'drain' });
    expect(await store.listRuns()).toMatchObject([{ reason: 'drain', waiting: [] }]);

    await again(served);
    expect(calls).toEqual(['a', 'a ended', 'b', 'b ended']);
    expect((await store.loadRun('r'))?.reason).toBeUndefined();
  });

  it('lets a run complete whose last step ends in time', async () => {
    await drained(chain('one', slow('a')), () => calls.includes('a'));

    expect((await store.loadRun('r'))?.status).toBe('COMPLETED');
  });

  it('cuts off what takes too long, counts no crash, and calls it again with the same key', async () => {
    const keys: string[] = [];
    let endFirst = (): void => undefined;
    const cutOff = new Promise<void>((resolve) => {
      endFirst = resolve;
    });
    const served = await drained(
      agent('a', async (_: unknown, { idempotencyKey, signal }) => {
        keys.push(idempotencyKey);
        if (keys.length === 1) await cutOff;
        calls.push(String(signal.aborted));
      }),
      () => keys.length === 1,
      { drainMs: 30 },
    );
    const state = await store.loadRun('r');
    expect(state).toMatchObject({ status: 'SUSPENDED', reason: 'drain' });
    expect(state?.steps.get('a')).toMatchObject({ status: 'PENDING' });
    expect(state?.steps.get('a')?.crashes).toBeUndefined();

    await again(served);
    endFirst();
    await pause(5);
    expect(calls).toEqual(['false', 'true']);
    expect(new Set(keys).size).toBe(1);
    expect(keys).toHaveLength(2);
    expect((await store.loadRun('r'))?.died).toBeUndefined();
  });

  it('waits for every branch under way, and for nothing that only waits or sleeps', async () => {
    const afterA = async () => {
      await until(() => calls.includes('a ended'));
      await pause(10);
    };
    const wide = workflow('wide', (x: Wire<unknown>, step) => {
      const a = step('a', slow('a'), x);
      const b = step('b', slow('b', afterA), x);
      const c = step('c', slow('c'), a);
      const nap = step('nap', sleep('nap', 500), x);
      return step('all', slow('all'), { b, c, nap });
    });
    // No time passes in which the nap could end, nor the time in which the steps may.
    const scheduler = new Clock(Date.now());
    const served = await drained(wide, () => calls.includes('b'), { scheduler });

    expect(calls).toEqual(['a', 'b', 'a ended', 'b ended']);
    await again(served, scheduler);
    expect(calls.slice(4)).toEqual(['c', 'c ended', 'all', 'all ended']);
  });

  it('does not wait for a function whose nested step does not begin any more', async () => {
    const outer = agent('outer', async (x: unknown, { step }) => {
      calls.push('outer');
      const first = await lastValueFrom(step('first', slow('first'), x));
      return lastValueFrom(step('second', slow('second'), first));
    });
    const served = await drained(outer, () => calls.includes('first'));

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
        await stopped;
        if (count === 1) throw new Error('once');
      },
      { retry: { count: 3, delayMs: 1 } },
    );
    const served = await drained(flaky, () => count === 1);
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
          if (i >= 4) await stopped;
          return i;
        }),
        { concurrency: 4 },
      ),
    );
    const served = await drained(items, () => called === 8);
    expect(called).toBe(8);

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
    const never = async () => new Promise<never>(() => undefined);
    const trip = saga('trip', chain('steps', book, slow('pay', never)));
    const gated = chain('gated', approval('go', t.unknown), trip);
    await execute(gated, 'x', { store, runId: 'r' });
    await answer('r', 'go', 'x', { store });
    const stop = new AbortController();
    const done = lastValueFrom(serve([gated], { store, drainMs: TOO_LONG_MS, signal: stop.signal }));
    await until(() => calls.includes('pay'), 15_000);
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
  await until(async () => (await store.loadRun('r'))?.steps.get('long')?.status === 'SUSPENDED', 15_000);

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
