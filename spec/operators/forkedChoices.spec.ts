import { previewFork } from '../../history';
import type { Agent, Wire } from '../../index';
import { agent, branch, chain, each, execute, fork, memoryStore, workflow } from '../../index';
import { leastWork } from '../support/quickest';
import { SLACK } from '../support/slack';

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

describe('the cost of a fork', () => {
  const same = agent('same', (value: number) => value);
  const links = Array.from({ length: 4_000 }, () => same);

  it.each([
    ['a chain', chain('long', ...links) as Agent<never, unknown>, 1, 'same[2000]', 2_000],
    ['an each', each('many', same), Array.from({ length: 4_000 }, (_, index) => index), '[2000]/same', 1],
  ])('grows with %s, not with its square', async (_what, work, input, path, again) => {
    const state = await execute(work as Agent<unknown, unknown>, input);

    const enoughMs = 250 * SLACK;
    const ms = leastWork(enoughMs, () => {
      expect(previewFork(state, path).again).toHaveLength(again);
    });

    expect(ms).toBeLessThan(enoughMs);
  });
});
