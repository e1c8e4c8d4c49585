import { lastValueFrom, toArray } from 'rxjs';

import type { Wire } from '../../index';
import { agent, chain, each, execute, run, workflow } from '../../index';
import { describePlacements } from './support/placements';
import { waitFor } from './support/restateServer';

/** Remembers how many of its calls were under way at once; the first ones wait for each other until they are `together`. */
function counting(name: string, policy: Parameters<typeof agent>[2], together = 1) {
  const count = { now: 0, most: 0, calls: 0, input: 0 };
  const counted = agent(
    name,
    async (n: number) => {
      count.calls += 1;
      count.now += 1;
      count.most = Math.max(count.most, count.now);
      await waitFor(() => count.most >= together, 30_000, `${String(together)} calls at once`);
      await new Promise((resolve) => setTimeout(resolve, 30));
      count.now -= 1;
      return n;
    },
    policy as { limit?: { concurrency: number } },
  );
  return { count, counted };
}

const free = counting('free', {}, 3);
const plain = counting('plain', {});
const limited = counting('limited', { limit: { concurrency: 2 } }, 2);
const below = counting('below', { limit: { concurrency: 2 } }, 2);
const cached = counting('cached', { cache: {} });
const all = each('all', free.counted, { concurrency: 6 });
const few = each('few', limited.counted, { concurrency: 6 });
const asking = agent('asking', (n: number, context) => context.step('below', below.counted, n));
const askedFor = each('asked for', asking, { concurrency: 6 });
const inside = workflow('inside', (n: Wire<number>, step) =>
  step('two', chain('two', plain.counted, plain.counted), n, { limit: { concurrency: 1 } }),
);
const limitedChain = each('limited chain', inside, { concurrency: 2 });
const remembered = each('remembered', cached.counted);
const rememberedBelow = each(
  'remembered below',
  agent('asks', (n: number, context) => context.step('below', cached.counted, n)),
);
const brief = counting('brief', { cache: { ttlMs: 200 } });
const briefly = each('briefly', brief.counted);
const items = [1, 2, 3, 4, 5, 6];
const agents = [all, few, askedFor, limitedChain, remembered, rememberedBelow, briefly];

describePlacements('policies on Restate', agents, (options) => {
  it('makes no more calls at once in a worker than their limit allows', async () => {
    await execute(all, items, options);
    const { output } = await execute(few, items, options);

    expect(output).toEqual(items);
    expect(free.count.most).toBeGreaterThan(2);
    expect(limited.count.most).toBe(2);
  });

  it('limits the steps too that a function asks for', async () => {
    const { output } = await execute(askedFor, items, options);

    expect(output).toEqual(items);
    expect(below.count.most).toBe(2);
  });

  it('limits an agent made from agents', async () => {
    plain.count.most = 0;
    const { output } = await execute(limitedChain, items, options);

    expect(output).toEqual(items);
    expect(plain.count.most).toBe(1);
  });

  it.each([
    ['declared', remembered],
    ['asked for by a function', rememberedBelow],
  ])('uses the answer that another run has left, of a step %s', async (_, asked) => {
    const input = (cached.count.input += 1);
    await execute(asked, [input], options);
    let calls = 0;
    await waitFor(
      async () => {
        calls = cached.count.calls;
        await execute(asked, [input], options);
        return cached.count.calls === calls;
      },
      10_000,
      'the answer',
    );

    const told = await lastValueFrom(run(asked, [input], options).pipe(toArray()));
    expect(told.at(-1)?.state.output).toEqual([input]);
    expect(told.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: 'step.completed', cached: true }),
    );
    expect(cached.count.calls).toBe(calls);
  });

  it('forgets an answer that is too old', async () => {
    const before = brief.count.calls;
    await execute(briefly, [1], options);
    await new Promise((resolve) => setTimeout(resolve, 400));
    await execute(briefly, [1], options);

    expect(brief.count.calls).toBe(before + 2);
  });
});
