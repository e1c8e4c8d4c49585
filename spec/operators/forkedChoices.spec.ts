import * as t from 'io-ts';
import { lastValueFrom, toArray } from 'rxjs';

import { previewFork } from '../../history';
import type { Agent, Store, Wire } from '../../index';
import { agent, approval, branch, chain, each, execute, fork, memoryStore, run, workflow } from '../../index';
import { crashPoints, recordingStore } from '../../testing';
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

describe('fork() behind the deadline of a question', () => {
  const word = agent('word', (text: string) => `${text} a`);
  const last = agent('last', (text: string) => {
    if (isDown) throw new Error('down');
    return `${text} b`;
  });
  const ask = approval<string, string, string>('ask', t.string, {
    timeoutMs: 0,
    onTimeout: chain('boss', word, last),
  });
  let isDown = false;

  /** The steps that begin, and the questions that are asked, in a fork. */
  async function forkOf(store: Store, from?: string): Promise<readonly string[]> {
    isDown = false;
    const runId = await fork('r', { store, ...(from !== undefined && { from }) });
    const told = await lastValueFrom(run(ask, 'x', { store, runId }).pipe(toArray()));
    expect(told.at(-1)?.state).toMatchObject({ status: 'COMPLETED', output: 'x a b' });
    return told.flatMap(({ event }) =>
      event.type === 'step.started'
        ? [event.path]
        : event.type === 'step.suspended'
          ? [`${event.path} is asked`]
          : [],
    );
  }

  it.each([
    ['a step of what was done instead', 'ask/boss/last', ['ask', 'ask/boss', 'ask/boss/last']],
    ['the first of them', 'ask/boss/word', ['ask', 'ask/boss', 'ask/boss/word', 'ask/boss/last']],
    ['all of it', 'ask/boss', ['ask', 'ask/boss', 'ask/boss/word', 'ask/boss/last']],
  ])('does not ask again where it begins with %s', async (_what, from, begun) => {
    const store = memoryStore();
    await execute(ask, 'x', { store, runId: 'r' });

    expect(await forkOf(store, from)).toEqual(begun);
  });

  it('asks again where it begins with the question', async () => {
    const store = memoryStore();
    await execute(ask, 'x', { store, runId: 'r' });

    expect(await forkOf(store, 'ask')).toEqual([
      'ask',
      'ask is asked',
      'ask/boss',
      'ask/boss/word',
      'ask/boss/last',
    ]);
  });

  it('does not ask again where what was done instead has failed, as a resume does not', async () => {
    const store = memoryStore();
    isDown = true;
    await execute(ask, 'x', { store, runId: 'r' });

    expect(await forkOf(store)).toEqual(['ask', 'ask/boss', 'ask/boss/last']);
  });

  it('does not ask again where the process died meanwhile', async () => {
    const recording = recordingStore(memoryStore());
    await execute(ask, 'x', { store: recording, runId: 'r' });
    const died = [...crashPoints(recording, 'r')].find(({ finished }) => finished.includes('ask/boss/word'));

    expect(await forkOf(died?.store as Store)).toEqual(['ask', 'ask/boss', 'ask/boss/last']);
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
