import type { Agent, Wire } from '../../index';
import { agent, branch, chain, execute, fork, memoryStore, workflow } from '../../index';

/** A workflow whose steps no plan names, because a branch chooses it; its second step reads the first. */
function chosen(first: (calls: number) => string): Agent<string, unknown> {
  let calls = 0;
  const inner = workflow('inner', (input: Wire<string>, step) => {
    const made = step('made', () => first((calls += 1)), input);
    const used = step(
      'used',
      chain(
        'used',
        agent('a', (text: string) => `${text} a`),
        agent('b', (text: string) => `${text} b`),
      ),
      made,
    );
    const optional = step('optional', (text: string) => text, input, { when: () => false });
    return { used, optional };
  });
  return branch('choose', () => 'one', { one: inner });
}

describe('fork() from a step within what was chosen', () => {
  it('never mixes what was made of an old value with a new one, where a step beside it was left out', async () => {
    const store = memoryStore();
    const work = chosen((calls) => `made ${String(calls)}`);
    await execute(work, 'x', { store, runId: 'r' });

    const runId = await fork('r', { store, from: 'one/used/b' });
    const { steps, status } = await execute(work, 'x', { store, runId });

    expect(status).toBe('COMPLETED');
    expect(steps.get('one/used/b')?.output).toBe(`${String(steps.get('one/made')?.output)} a b`);
  });
});
