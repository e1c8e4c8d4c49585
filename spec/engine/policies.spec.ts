import { lastValueFrom, toArray } from 'rxjs';

import { restateEngine, serveRestate } from '../../adapters/restate';
import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import type { Agent, Wire } from '../../index';
import { agent, chain, each, execute, run, workflow } from '../../index';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate } from './support/restateServer';

const describeHere = restateBinary() === undefined ? describe.skip : describe;

/** Remembers how many of its calls were under way at once. */
function counting(name: string, policy: Parameters<typeof agent>[2]) {
  const count = { now: 0, most: 0, calls: 0 };
  const counted = agent(
    name,
    async (n: number) => {
      count.calls += 1;
      count.now += 1;
      count.most = Math.max(count.most, count.now);
      await new Promise((resolve) => setTimeout(resolve, 30));
      count.now -= 1;
      return n;
    },
    policy as { limit?: { concurrency: number } },
  );
  return { count, counted };
}

const plain = counting('plain', {});
const limited = counting('limited', { limit: { concurrency: 2 } });
const below = counting('below', { limit: { concurrency: 2 } });
const cached = counting('cached', { cache: {} });
const all = each('all', plain.counted, { concurrency: 6 });
const few = each('few', limited.counted, { concurrency: 6 });
const asking = agent('asking', (n: number, context) => context.step('below', below.counted, n));
const askedFor = each('asked for', asking, { concurrency: 6 });
const inside = workflow('inside', (n: Wire<number>, step) =>
  step('two', chain('two', plain.counted, plain.counted), n, { limit: { concurrency: 1 } }),
);
const limitedChain = each('limited chain', inside, { concurrency: 2 });
const remembered = each('remembered', cached.counted);
const items = [1, 2, 3, 4, 5, 6];

describeHere.each([['inline'], ['call']] as const)('policies on Restate, agents placed %s', (placement) => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;

  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    const agents = [all, few, askedFor, limitedChain, remembered];
    worker = await serveRestate(agents, { port: 0, ingress, admin, placement: () => placement });
    engine = restateEngine({ ingress, admin });
  }, 60_000);
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  it('makes no more calls at once in a worker than their limit allows', async () => {
    await execute(all, items, { engine });
    const { output } = await execute(few, items, { engine });

    expect(output).toEqual(items);
    expect(plain.count.most).toBeGreaterThan(2);
    expect(limited.count.most).toBe(2);
  });

  it('limits the steps too that a function asks for', async () => {
    const { output } = await execute(askedFor, items, { engine });

    expect(output).toEqual(items);
    expect(below.count.most).toBe(2);
  });

  it('says of an agent made from agents that it is not limited', async () => {
    expect(await warnings(limitedChain)).toEqual([expect.stringContaining('"limit" is not kept on Restate')]);
  });

  it('says that nothing is cached, and calls the agent', async () => {
    const before = cached.count.calls;

    expect(await warnings(remembered)).toEqual([expect.stringContaining('"cache" is not kept on Restate')]);
    expect(cached.count.calls).toBe(before + 2);
  });

  const warnings = async (asked: Agent<readonly number[], unknown>) => {
    const told = await lastValueFrom(run(asked as never, [1, 1] as never, { engine }).pipe(toArray()));
    return told.flatMap(({ event }) => (event.type === 'step.logged' ? [event.message] : []));
  };
});
