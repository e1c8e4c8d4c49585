import * as t from 'io-ts';
import { firstValueFrom } from 'rxjs';

import type { Agent, Wire } from '../../index';
import {
  agent,
  answer,
  approval,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  memoryStore,
  quorum,
  settled,
  withPolicy,
  workflow,
} from '../../index';

/** Fails so often, and then gives its name. */
function part(name: string, failures: number, calls: string[] = []): Agent<unknown, string> {
  let left = failures;
  return agent(name, (_: unknown) => {
    calls.push(name);
    left -= 1;
    if (left >= 0) throw new Error(`${name} is down`);
    return name;
  });
}

const ask = approval('ask', t.boolean);

/** Composites that complete although a part of them fails for good. */
const containing: Record<string, () => Agent<unknown, unknown>> = {
  fallback: () => fallback('f', part('x', 9), part('y', 0)),
  firstOf: () => firstOf('f', part('x', 9), part('y', 0)),
  collect: () =>
    chain(
      'c',
      agent('list', () => [1]),
      each('items', part('x', 9) as Agent<number, string>, { onError: 'collect' }),
    ),
  settled: () => workflow('w', (input: Wire<unknown>, step) => settled([step('x', part('x', 9), input)])),
  'a function that catches': () =>
    agent('catching', (input: unknown, { step }) =>
      firstValueFrom(step('x', part('x', 9), input)).catch(() =>
        firstValueFrom(step('y', part('y', 0), input)),
      ),
    ),
};

const texts = agent('texts', (answers: readonly { readonly isCompleted?: boolean }[]) =>
  JSON.stringify(answers),
) as Agent<unknown, string>;

/** Composites of which a part fails once, and then another one, because of which all of it is tried again. */
const mended: Record<string, (calls: string[]) => Agent<unknown, unknown>> = {
  'a failure that a step has read': (calls) =>
    workflow('w', (input: Wire<unknown>, step) => {
      const read = step('read', texts, settled([step('x', part('x', 1, calls), input)]));
      return { read, z: step('z', part('z', 1, calls), read) };
    }),
  'a failure that made another step impossible': (calls) =>
    workflow('w', (input: Wire<unknown>, step) => {
      const y = step('y', part('y', 0, calls), step('x', part('x', 1, calls), input));
      const read = step('read', texts, settled([y]));
      return { read, z: step('z', part('z', 1, calls), read) };
    }),
  'failures that came of one another': (calls) =>
    workflow('w', (input: Wire<unknown>, step) => {
      const x = step('x', part('x', 1, calls), input);
      const middle = step('middle', part('middle', 9, calls), settled([x]));
      const read = step('read', texts, settled([middle]));
      return { read, z: step('z', part('z', 1, calls), read) };
    }),
  'a step that is skipped because of a failure': (calls) =>
    workflow('w', (input: Wire<unknown>, step) => {
      const x = step('x', part('x', 1, calls), input);
      const read = step('read', texts, settled([x]), {
        when: ([one]) => one._tag === 'Right',
        otherwise: 'left out',
      });
      return { read, z: step('z', part('z', 1, calls), read) };
    }),
  'a failure that a chain has read whose first step has ended': (calls) =>
    workflow('w', (input: Wire<unknown>, step) =>
      step(
        'read',
        chain('read', texts, part('z', 1, calls)),
        settled([step('x', part('x', 1, calls), input)]),
      ),
    ),
  'a failure that a function has read which has asked for a step in vain': (calls) => {
    const z = part('z', 1, calls);
    const asks = agent('asks', async (answers: unknown, { step }) => [
      answers,
      await firstValueFrom(step('z', z, answers)),
    ]);
    return workflow('w', (input: Wire<unknown>, step) =>
      step('read', asks, settled([step('x', part('x', 1, calls), input)])),
    );
  },
  'a failure that a function within items has read, beside a step that fails': (calls) => {
    const y = part('y', 0, calls);
    const asks = agent('asks', async (answers: unknown, { step }) => firstValueFrom(step('y', y, answers)));
    const list = agent('list', (answers: readonly unknown[]) => [...answers, 'more']);
    const items = chain('items', list, each('each', chain('item', asks, part('z', 1, calls))));
    return workflow('w', (input: Wire<unknown>, step) =>
      step('read', items, settled([step('x', part('x', 1, calls), input)])),
    );
  },
  'a quorum that is lost': (calls) =>
    workflow('w', (input: Wire<unknown>, step) => {
      const members = [step('x', part('x', 1, calls), input), step('y', part('y', 0, calls), input)];
      const both = step('both', agent('both', String), quorum(2, members));
      const read = step('read', texts, settled([both]));
      return { read, z: step('z', part('z', 1, calls), read) };
    }),
  'items that were collected': (calls) => {
    const list = agent('list', () => [1]);
    const items = each('items', part('x', 1, calls) as Agent<number, string>, { onError: 'collect' });
    return workflow('w', (_: Wire<unknown>, step) => {
      const read = step('read', texts, step('all', chain('all', list, items), _));
      return { read, z: step('z', part('z', 1, calls), read) };
    });
  },
  'candidates that have all failed': (calls) => firstOf('f', part('x', 1, calls), part('y', 1, calls)),
  'members without which a quorum is lost': (calls) =>
    workflow('w', (input: Wire<unknown>, step) =>
      quorum(2, [
        step('x', part('x', 1, calls), input),
        step('y', part('y', 0, calls), input),
        step(
          'z',
          part('z', 1, calls),
          step(
            'late',
            agent('late', (value: unknown) => value),
            input,
          ),
        ),
      ]),
    ),
  'what a function has caught': (calls) => {
    const [x, z] = [part('x', 1, calls), part('z', 1, calls)];
    return agent('f', async (input: unknown, { step }) => {
      const first = await firstValueFrom(step('x', x, input)).catch(() => 'caught');
      return [first, await firstValueFrom(step('z', z, input))];
    });
  },
};

describe('another attempt at a composite', () => {
  it.each(Object.entries(mended))('opens what a resume opens: %s', async (_, make) => {
    const [tried, resumed]: [string[], string[]] = [[], []];
    const store = memoryStore();
    const again = await execute(chain('once', withPolicy(make(tried), { retry: 1 })), 1, {
      store,
      runId: 'again',
    });

    const work = chain('once', make(resumed));
    expect((await execute(work, 1, { store, runId: 'r' })).status).toBe('FAILED');
    const later = await execute(work, 1, { store, runId: 'r' });

    expect([again.status, later.status]).toEqual(['COMPLETED', 'COMPLETED']);
    expect(again.output).toEqual(later.output);
    expect(tried).toEqual(resumed);
  });

  it.each(Object.entries(containing))(
    'leaves what had failed in a part that has completed as it is: %s',
    async (_, make) => {
      const work = withPolicy(chain('work', make(), part('z', 1)), { retry: 1 });
      const state = await execute(work, 1, { store: memoryStore(), runId: 'r' });

      expect(state.status).toBe('COMPLETED');
      expect(
        [...state.steps].filter(({ stepId }) => stepId.endsWith('x')).map(({ status }) => status),
      ).toEqual(['FAILED']);
    },
  );

  it('opens a contained failure from which nothing has gone on that has ended', async () => {
    const calls: string[] = [];
    const work = workflow('w', (input: Wire<unknown>, step) => {
      const x = step('x', part('x', 1, calls), input);
      const one = step('one', agent('one', String), quorum(1, [x, step('y', part('y', 0, calls), input)]));
      const z = step('z', part('z', 1, calls), one);
      return { z, read: step('read', texts, settled([x, step('late', part('late', 0, calls), z)])) };
    });
    const state = await execute(withPolicy(work, { retry: 1 }), 1);

    expect(calls).toEqual(['x', 'y', 'z', 'x', 'z', 'late']);
    expect(state.output).toEqual({
      z: 'z',
      read: '[{"_tag":"Right","right":"x"},{"_tag":"Right","right":"late"}]',
    });
  });

  it('leaves what failed below such a failure as it is', async () => {
    const calls: string[] = [];
    const work = workflow('w', (input: Wire<unknown>, step) => {
      const read = step('read', texts, settled([step('x', chain('inner', part('deep', 1, calls)), input)]));
      return step('z', part('z', 1, calls), read);
    });
    const state = await execute(withPolicy(work, { retry: 1 }), 1);

    expect(calls).toEqual(['deep', 'z', 'z']);
    expect([...state.steps].map(({ stepId, status }) => `${stepId} ${status}`)).toEqual([
      'x FAILED',
      'x/deep FAILED',
      'read COMPLETED',
      'z COMPLETED',
    ]);
  });

  it.each<[string, (calls: string[]) => Agent<unknown, unknown>]>([
    [
      'a candidate of a race',
      (calls) =>
        firstOf(
          'f',
          chain('one', chain('inner', part('x', 1, calls))),
          chain('other', ask, part('z', 1, calls)),
        ),
    ],
    [
      'the first of a fallback',
      (calls) => fallback('f', chain('one', part('x', 1, calls)), chain('other', ask, part('z', 1, calls))),
    ],
    [
      'a step that a workflow goes on without',
      (calls) =>
        workflow('w', (input: Wire<unknown>, step) => {
          const x = step('x', chain('one', part('x', 1, calls)), input);
          const z = step('z', chain('other', ask, part('z', 1, calls)), input);
          return { z, read: step('read', texts, settled([x, step('late', part('late', 0), z)])) };
        }),
    ],
    [
      'what a function has caught',
      (calls) => {
        const one = chain('one', part('x', 1, calls));
        const z = part('z', 1, calls);
        return agent('f', async (input: unknown, { call }) => {
          const first = await call('one', one, input).catch(() => 'caught');
          await call('ask', ask, input);
          return [first, await call('z', z, input)];
        });
      },
    ],
  ])('opens what failed in an earlier life, and all that failed below it: %s', async (how, make) => {
    const calls: string[] = [];
    const store = memoryStore();
    const work = chain('once', withPolicy(make(calls), { retry: 1 }));
    const rests = await execute(work, 1, { store, runId: 'r' });
    expect([how, rests.status, calls]).toEqual([how, 'SUSPENDED', ['x']]);
    const [question] = [...rests.steps].filter(({ status }) => status === 'SUSPENDED');

    await answer('r', question?.stepId as string, true, { store });
    const state = await execute(work, 1, { store, runId: 'r' });

    expect(state.status).toBe('COMPLETED');
    expect(calls.slice(0, 2)).toEqual(['x', 'z']);
    expect(calls.slice(2)).toContain('x');
  });

  it('does not call again what an inner composite had repeated with success', async () => {
    const calls: string[] = [];
    const inner = withPolicy(
      chain(
        'inner',
        part('x', 1, calls),
        agent('slow', () => new Promise((r) => setTimeout(r, 20))),
      ),
      {
        retry: 1,
      },
    );
    const late = agent('late', (_: unknown) => new Promise((r) => setTimeout(r, 5)));
    const both = workflow('both', (input: Wire<unknown>, step) => ({
      a: step('a', inner, input),
      b: step('b', chain('second', late, part('z', 1, calls)), input),
    }));
    const state = await execute(withPolicy(both, { retry: 1 }), 1, { store: memoryStore(), runId: 'r' });

    expect(state.status).toBe('COMPLETED');
    expect(calls).toEqual(['x', 'x', 'z', 'z']);
  });
});
