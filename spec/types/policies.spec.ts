import { expectTypeOf } from 'expect-type';
import type { Observable } from 'rxjs';

import type { Agent, RunState, StepPolicy, Wire } from '../../index';
import type { AgentPolicy } from '../../lib/model/agentType';
import type { PartialResult } from '../../operators/runs/partials';
import {
  agent,
  backoff,
  branch,
  budget,
  chain,
  each,
  firstOf,
  loop,
  outputs,
  partials,
  pick,
  run,
  saga,
  sleep,
  withPolicy,
  workflow,
} from '../../index';
import type { FakeAgent } from '../../testing/index';
import { expectRun, fakeAgent } from '../../testing/index';

interface Order {
  readonly customer: string;
}

describe('types of policies, views and fakes', () => {
  it('take a policy from a variable, also where the result is a record of lists', () => {
    const all = (policy: AgentPolicy<string>) =>
      workflow(
        'all',
        (text: Wire<string>, step) => {
          const words = step('words', (given: string) => ({ list: given.split(' ') }), text);
          return pick(words, ({ list }) => ({ list: list, first: { text: list[0] } }));
        },
        policy,
      );
    expectTypeOf(all({})).toEqualTypeOf<
      Agent<string, { list: string[]; first: { text: string | undefined } }>
    >();
  });

  it('give the key of a limit or a cache the input of the agent', () => {
    const ask = agent('ask', (order: Order) => order.customer.length, {
      limit: { concurrency: 1, key: (order) => order.customer },
      cache: { ttlMs: 1, key: ({ customer }) => customer },
      retry: { count: 1, delayMs: backoff({ initialMs: 1 }) },
    });
    expectTypeOf(ask).toEqualTypeOf<Agent<Order, number>>();
    // @ts-expect-error a key is a text
    agent('ask', (order: Order) => order, { limit: { concurrency: 1, key: () => 1 } });
    // @ts-expect-error an order has no name
    agent('ask', (order: Order) => order, { cache: { key: (order) => order.name } });
    // @ts-expect-error a backoff needs its first wait
    expect(() => backoff({ factor: 2 })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it('let one policy be held in a variable, for agents and for steps', () => {
    const policy: StepPolicy = { limit: { concurrency: 2 }, cache: {} };
    const flow = workflow('flow', (order: Wire<Order>, step) =>
      step(
        'ask',
        agent('ask', (given: Order) => given.customer, policy),
        order,
        policy,
      ),
    );
    expectTypeOf(flow).toEqualTypeOf<Agent<Order, string>>();
  });

  it('give compensate the unwrapped output, and keep the types of what a saga is made of', () => {
    const book = agent('book', async (order: Order) => Promise.resolve({ id: order.customer }), {
      compensate: ({ id }, { idempotencyKey }) => id + idempotencyKey,
    });
    const order = saga(
      'order',
      chain(
        'steps',
        book,
        agent('send', ({ id }: { id: string }) => id.length),
      ),
    );
    expectTypeOf(order).toEqualTypeOf<Agent<Order, number>>();
    const wrong = (id: number) => id;
    // @ts-expect-error the output is a text
    agent('book', (given: Order) => given.customer, { compensate: wrong });
  });

  it('pass transitions through a budget, and say what partial results are', () => {
    const length = agent('length', (text: string) => text.length);
    expectTypeOf(run(length, 'a').pipe(budget({ steps: 1 }), outputs())).toEqualTypeOf<Observable<number>>();
    expectTypeOf(run(length, 'a').pipe(partials<string>('a'))).toEqualTypeOf<
      Observable<PartialResult<string>>
    >();
    // @ts-expect-error not something that is counted
    expect(() => budget({ words: 3 })).toThrow('without a limit');
  });

  it('infer fakes from their scripts, and runs from their agents', () => {
    const fake = fakeAgent('fake', { afterMs: 1, value: { n: 1 } });
    expectTypeOf(fake).toEqualTypeOf<FakeAgent<unknown, { n: number }>>();
    expectTypeOf(fakeAgent('letters', '-a|')).toEqualTypeOf<FakeAgent<unknown, string>>();
    const doubled = fakeAgent('double', (n: number) => ({ value: n * 2 }));
    expectTypeOf(doubled).toEqualTypeOf<FakeAgent<number, number>>();
    expectTypeOf(expectRun(doubled, 1).toBe({})).toEqualTypeOf<RunState<number>>();
    // @ts-expect-error it takes a number
    expectRun(doubled, 'a');
  });
});

describe('types of withPolicy()', () => {
  const count = agent('count', (order: Order) => order.customer.length);
  const twice = agent('twice', (size: number) => size * 2);

  it('keep the type of the agent, whatever kind it is', () => {
    expectTypeOf(withPolicy(count, { retry: 1 })).toEqualTypeOf<Agent<Order, number>>();
    expectTypeOf(withPolicy(chain('c', count, twice), { timeoutMs: 5 })).toEqualTypeOf<
      Agent<Order, number>
    >();
    expectTypeOf(
      withPolicy(
        branch('b', () => 'one', { one: twice }),
        { limit: { concurrency: 1 } },
      ),
    ).toEqualTypeOf<Agent<number, number>>();
    expectTypeOf(withPolicy(firstOf('f', twice, twice), { critical: true })).toEqualTypeOf<
      Agent<number, number>
    >();
    expectTypeOf(chain('c', withPolicy(count, { retry: 1 }), withPolicy(twice, {}))).toEqualTypeOf<
      Agent<Order, number>
    >();
    const stream = agent('stream', async function* (_: Order) {
      yield await Promise.resolve('a');
    });
    expectTypeOf(withPolicy(stream, { idleTimeoutMs: 5 })).toEqualTypeOf<Agent<Order, string, string>>();
  });

  it('give the keys of a limit and of a cache the input of the agent, and of a structure', () => {
    withPolicy(chain('c', count, twice), {
      limit: { concurrency: 1, key: (order) => order.customer },
      cache: { key: ({ customer }) => customer },
    });
    each('e', count, { cache: { key: (orders) => (Array.isArray(orders) ? String(orders.length) : '') } });
    loop('l', twice, { until: (size) => size > 8, max: 3, cache: { key: (size) => size.toFixed() } });
    saga('s', count, { limit: { concurrency: 1, key: ({ customer }) => customer } });
    sleep('z', (order: Order) => order.customer.length, {
      limit: { concurrency: 1, key: (o) => o.customer },
    });
    workflow('w', (order: Wire<Order>, step) => step('c', count, order), {
      cache: { key: ({ customer }) => customer },
    });
    // @ts-expect-error an order has no name
    withPolicy(count, { cache: { key: (order) => order.name } });
    // @ts-expect-error a retry is a number or a record
    expect(() => withPolicy(count, { retry: 'often' })).toThrow();
    // @ts-expect-error a saga that has begun to undo only goes back
    expect(() => saga('s', count, { retry: 1 })).toThrow();
    // @ts-expect-error a function is no agent
    expect(() => withPolicy((size: number) => size, { retry: 1 })).toThrow();
  });

  it('take the same held policy everywhere', () => {
    const policy: StepPolicy = { retry: 2, cache: {} };
    expectTypeOf(withPolicy(count, policy)).toEqualTypeOf<Agent<Order, number>>();
    expectTypeOf(each('e', count, policy)).toExtend<Agent<Order[], number[]>>();
  });
});
