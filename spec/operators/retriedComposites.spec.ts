import { firstValueFrom } from 'rxjs';

import type { Agent, Wire } from '../../index';
import {
  agent,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  memoryStore,
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

describe('another attempt at a composite', () => {
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
