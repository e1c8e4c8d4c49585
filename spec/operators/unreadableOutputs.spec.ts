import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';
import { NEVER, of } from 'rxjs';

import type { Agent, RunState, Store, Wire } from '../../index';
import { agent, answer, approval, execute, firstOf, memoryStore, quorum, run, workflow } from '../../index';
import { crashPoints, recordingStore } from '../../testing/index';

/** How a run stands when it has ended, or that it has not within half a second. */
async function endOf(ended: Promise<RunState>): Promise<RunState | 'still under way'> {
  return Promise.race([ended, wait(500, 'still under way' as const)]);
}

/** The store that a crash after the first of these events leaves. */
async function crashedAt(work: Agent<number, unknown>, isAfter: string): Promise<Store> {
  const store = recordingStore(memoryStore());
  const subscription = run(work, 1, { store, runId: 'r' }).subscribe({ error: () => undefined });
  await wait(20);
  subscription.unsubscribe();
  for (const { after, store: left } of crashPoints(store, 'r'))
    if (`${after.type} ${'path' in after ? after.path : ''}` === isAfter) return left;
  throw new Error(`there was no ${isAfter}`);
}

const hanging = agent('hanging', (_: number) => NEVER);

/** An agent whose answers are saved in one form, or read in another. */
const given = (name: string, output: t.Type<string, unknown>) =>
  agent(name, (_: number) => of(name), { output });
const text: t.Type<string, unknown> = t.string;
const number = t.number as unknown as t.Type<string, unknown>;

describe('what is on record and can no longer be read', () => {
  it('fails a race that it has won, and is taken once it can be read again', async () => {
    const race = (output: t.Type<string, unknown>) => firstOf('f', hanging, given('a', output));
    const store = await crashedAt(race(text), 'step.completed a');

    const failed = await endOf(execute(race(number), 1, { store, runId: 'r' }));
    expect(failed).toMatchObject({ status: 'FAILED', error: { name: 'ValidationError', path: 'a' } });

    const read = await endOf(execute(race(text), 1, { store, runId: 'r' }));
    expect(read).toMatchObject({ status: 'COMPLETED', output: 'a' });
  });

  it('fails who reads a quorum that it has made, although others go on', async () => {
    const votes = (output: t.Type<string, unknown>, isThere: boolean) =>
      workflow('w', (n: Wire<number>, step) => {
        const all = [
          step('a', given('a', output), n),
          step('b', given('b', text), n),
          step(
            'c',
            agent('c', (_: number) => (isThere ? of('c') : NEVER)),
            n,
          ),
        ];
        const count = agent('count', (made: readonly unknown[]) => made);
        return step('count', count, quorum(2, all, { cancelRest: false }));
      });
    const store = await crashedAt(votes(text, false), 'step.started count');

    const failed = await endOf(execute(votes(number, true), 1, { store, runId: 'r' }));
    expect(failed).toMatchObject({ status: 'FAILED', error: { name: 'ValidationError', path: 'a' } });

    const read = await endOf(execute(votes(text, true), 1, { store, runId: 'r' }));
    expect(read).toMatchObject({ status: 'COMPLETED', output: ['a', 'b'] });
  });

  it('asks again where it was an answer that no step has been made of', async () => {
    const ask = (codec: t.Type<string, unknown>) => approval('ask', codec);
    const store = recordingStore(memoryStore());
    await execute(ask(text), 1, { store, runId: 'r' });
    await answer('r', 'ask', 'yes', { store });
    await execute(ask(text), 1, { store, runId: 'r' });
    const left = [...crashPoints(store, 'r')].find(({ after }) => after.type === 'step.answered')
      ?.store as Store;

    const failed = await execute(ask(number), 1, { store: left, runId: 'r' });
    expect(failed).toMatchObject({ status: 'FAILED', error: { name: 'ValidationError', path: 'ask' } });

    expect(await execute(ask(number), 1, { store: left, runId: 'r' })).toMatchObject({ status: 'SUSPENDED' });
    await answer('r', 'ask', 3, { store: left });
    expect(await execute(ask(number), 1, { store: left, runId: 'r' })).toMatchObject({ output: 3 });
  });
});
