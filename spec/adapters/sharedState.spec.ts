import type { Wire } from '../../index';
import { agent, chain, execute, run, withPolicy, workflow } from '../../index';
import { restateEngine, serveRestate } from '../../adapters/restate';
import { inWorker, threadPool } from '../../adapters/workers';

const heavy = require.resolve('./support/heavy');
const pool = threadPool(2);
afterAll(() => pool.destroy());

describe('a shared state and threads', () => {
  const add = inWorker<string, unknown>(heavy, 'adding', { pool });
  const shared = {
    initial: [] as string[],
    reduce: (draft: string[], action: { readonly add: string }) => void draft.push(action.add),
  };

  it('a thread reads it as it was, and changes it by the reduce of the workflow', async () => {
    const flow = workflow(
      'flow',
      (input: Wire<string>, step) => {
        const first = step('first', add, input);
        const behind = step(
          'behind',
          agent('behind', (_: unknown) => 'b'),
          first,
        );
        return step('second', add, behind);
      },
      { shared },
    );

    const state = await execute(flow, 'a');

    expect(state.shared).toEqual(['a', 'b']);
    expect(state.output).toEqual(['a']);
  });

  it('a function cannot be sent out of it, and what no reduce takes fails the step', async () => {
    const changing = inWorker<string, unknown>(heavy, 'changing', { pool });
    const withRecipe = await execute(withPolicy(chain('flow', changing), { shared }), 'a');
    const withoutReduce = await execute(withPolicy(chain('flow', add), { shared: { initial: [] } }), 'a');
    const alone = await execute(add, 'a');

    expect(withRecipe.error).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(withRecipe.error?.message).toContain('Cannot send a function out of the thread');
    expect(withoutReduce.error?.message).toContain('its workflow has no "reduce"');
    expect(alone.error?.code).toBe('NO_SHARED_STATE');
  });
});

describe('a shared state and Restate', () => {
  const flow = withPolicy(
    chain(
      'flow',
      agent('a', (n: number) => n),
    ),
    { shared: { initial: 0 } },
  );

  it('is refused by name, where it is served and where it is run', async () => {
    const ingress = 'http://127.0.0.1:1';
    const above = chain(
      'above',
      agent('b', (n: number) => n),
      flow,
    );

    await expect(serveRestate([above], { port: 0, ingress })).rejects.toMatchObject({
      code: 'NOT_ON_RESTATE',
      agent: 'flow',
    });
    expect(() => run(flow, 1, { engine: restateEngine({ ingress }) })).toThrow(
      'Cannot carry out "flow" on Restate',
    );
  });
});
