import * as t from 'io-ts';

import type { Agent, Wire } from '../../index';
import { agent, approval, chain, each, execute, loop, run, sleep, workflow } from '../../index';
import { collect } from '../support/told';
import type { Served } from './support/placements';
import { serve } from './support/placements';
import { restateBinary, waitFor } from './support/restateServer';

const HOUR_MS = 3_600_000;
/** How long questions are open, and how long is slept: the clock is set back within that time. */
const OPEN_MS = 10_000;

const boss = agent('boss', (_: number) => -1);
const asked = approval<number, number, number>('ask', t.number, { timeoutMs: OPEN_MS, onTimeout: boss });
let isOpen = false;
/** Under way until it is let go. */
const beside = agent('beside', async (n: number, { signal }) => {
  while (!isOpen && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
  return n;
});
const underWay = (name: string) =>
  workflow(name, (n: Wire<number>, step) => ({
    ok: step('ok', asked, n),
    beside: step('beside', beside, n),
  }));
// Not under a time limit of its own: the server would be told of that by the clock that is behind, and end it at once.
const resting: Readonly<Record<string, Agent<number, unknown>>> = {
  'a link of a chain': chain('asks', asked),
  'an item of each': chain(
    'asks for an item',
    agent('list', (n: number) => [n]),
    each('e', asked),
  ),
  'a round of a loop': loop('asks in a round', asked, { until: () => true, max: 2 }),
};
const goesOn = underWay('asks beside a step');
const left = underWay('is left');
const nap = chain('sleeps', sleep<number>('nap', OPEN_MS));
let cachedCalls = 0;
const cached = chain(
  'keeps',
  agent('cached', (_: number) => (cachedCalls += 1), { cache: { ttlMs: 60_000 } }),
);

const describeHere = restateBinary() === undefined ? describe.skip : describe;

describeHere('a clock that is set back on Restate, of the worker and of whoever asks', () => {
  let served: Served;
  const at = (runId: string) => ({ engine: served.engine, runId });
  const setBack = (): void => {
    const now = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => now() - HOUR_MS);
  };
  /** What each of these runs has come to, which is less than an hour after it has begun. */
  const outputOf = async (of: Agent<number, unknown>, runId: string): Promise<unknown> => {
    const load = () => served.engine.loadRun(of, runId);
    await waitFor(async () => (await load())?.status === 'COMPLETED', 6 * OPEN_MS, `the end of "${runId}"`);
    return (await load())?.output;
  };

  beforeAll(async () => {
    served = await serve([...Object.values(resting), goesOn, left, nap, cached], 'inline', {
      longSleepMs: OPEN_MS / 2,
    });
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });
  afterAll(() => served.close());

  it('makes no question open for longer than was asked for, and no sleep longer', async () => {
    const all = Object.entries(resting);
    const suspended = await Promise.all(all.map(([place, of]) => execute(of, 1, at(place))));
    const sleeping = collect(run(nap, 1, at('sleeps')));
    const other = collect(run(goesOn, 1, at('goes on')));
    const one = collect(run(left, 1, at('left')));
    for (const { told } of [other, one])
      await waitFor(() => told.includes('step.suspended ok'), 30_000, 'the question');
    await waitFor(() => sleeping.told.includes('step.suspended nap'), 30_000, 'the sleep');
    one.leave?.();
    await waitFor(
      async () => (await served.engine.loadRun(left, 'left'))?.status === 'CANCELLED',
      30_000,
      'the end of its life',
    );
    setBack();
    isOpen = true;
    await execute(left, 1, at('left'));

    expect(suspended.map(({ status }) => status)).toEqual(all.map(() => 'SUSPENDED'));
    for (const [place, of] of all) expect([place, [await outputOf(of, place)].flat()]).toEqual([place, [-1]]);
    expect(await outputOf(goesOn, 'goes on')).toEqual({ ok: -1, beside: 1 });
    expect(await outputOf(left, 'left')).toEqual({ ok: -1, beside: 1 });
    expect(await outputOf(nap, 'sleeps')).toBe(1);
  });

  it('makes no cached answer last longer', async () => {
    await waitFor(
      async () => {
        const before = cachedCalls;
        await execute(cached, 1, { engine: served.engine });
        return cachedCalls === before;
      },
      30_000,
      'the answer',
    );
    const before = cachedCalls;
    setBack();
    await execute(cached, 1, { engine: served.engine });

    expect(cachedCalls).toBe(before + 1);
  });
});
