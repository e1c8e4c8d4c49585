import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';
import { firstValueFrom, NEVER } from 'rxjs';

import { previewFork } from '../../history';
import type { Agent, Store } from '../../index';
import {
  agent,
  answer,
  approval,
  branch,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  fork,
  memoryStore,
  resume,
  run,
  saga,
} from '../../index';
import { crashPoints, recordingStore } from '../../testing/index';

/** Calls and what was undone, in their order. */
let log: string[] = [];

beforeEach(() => {
  log = [];
});

const booking = (name: string) =>
  agent(
    name,
    (n: number, { path }) => {
      log.push(path);
      return n + 1;
    },
    {
      compensate: (_, { idempotencyKey }) => {
        log.push(`undo ${idempotencyKey.slice(idempotencyKey.indexOf('/') + 1).replace('//undo', '')}`);
      },
    },
  );
const refuse = agent('refuse', (_: number): number => {
  throw new Error('declined');
});
const undone = (): string[] => log.filter((line) => line.startsWith('undo '));

/** The store that a crash after the event of a step leaves, of a run that has begun in its own way. */
async function crashedAt(agentOfRun: Agent<number, unknown>, type: string, path: string): Promise<Store> {
  const store = recordingStore(memoryStore());
  const subscription = run(agentOfRun, 1, { store, runId: 'r' }).subscribe({ error: () => undefined });
  await wait(5);
  const points = crashPoints(store, 'r');
  for (const { after, store: left } of points)
    if (after.type === type && 'path' in after && after.path === path) {
      subscription.unsubscribe();
      return left;
    }
  throw new Error(`no ${type} of ${path}`);
}

describe('the second agent of a name, trim[1]', () => {
  it('is undone before what came between the two', async () => {
    const post = booking('post');
    const order = saga('order', chain('c', post, booking('fee'), post, refuse));

    await execute(order, 1);

    expect(log).toEqual(['c/post', 'c/fee', 'c/post[1]', 'undo c/post[1]', 'undo c/fee', 'undo c/post']);
  });

  it('is undone also where a saga of its name has completed beside it, and the process died first', async () => {
    const slow = agent('slow', (_: number): number | Promise<number> => NEVER as never);
    const two = chain(
      'two',
      saga('book', booking('hotel')),
      saga('book', chain('rest', booking('flight'), slow)),
    );
    const fast = agent('fast', async (n: number) => {
      await wait(1);
      return n;
    });
    const left = await crashedAt(firstOf('race', two, fast), 'step.completed', 'fast');
    log = [];

    const state = await execute(firstOf('race', two, fast), 1, { store: left, runId: 'r' });

    expect(state.status).toBe('COMPLETED');
    expect(undone()).toEqual(['undo two/book[1]/rest/flight']);
  });

  it('is what a fork begins with, and the first is taken over, where no plan names them', async () => {
    const store = memoryStore();
    const work = branch('choose', () => 'one', { one: chain('one', booking('pay'), booking('pay')) });
    const { steps } = await execute(work, 1, { store, runId: 'r' });
    expect([...steps].map(({ stepId }) => stepId)).toEqual(['one', 'one/pay', 'one/pay[1]']);
    log = [];

    expect(previewFork((await store.loadRun('r')) as never, 'one/pay[1]')).toMatchObject({
      again: ['one', 'one/pay[1]'],
      reused: ['one/pay'],
    });
    const runId = await fork('r', { store, from: 'one/pay[1]' });
    await execute(work, 1, { store, runId });

    expect(log).toEqual(['one/pay[1]']);
  });

  it('is not blamed for a death that it shares with the first', async () => {
    const ask = agent('ask', (_: number) => NEVER);
    const left = await crashedAt(firstOf('hedge', ask, ask), 'step.started', 'ask[1]');

    const { state } = await firstValueFrom(resume(firstOf('hedge', ask, ask), 'r', { store: left }));

    expect(state.steps.get('ask')).toMatchObject({ crashes: 1 });
    expect(state.steps.get('ask[1]')).toMatchObject({ crashes: 1 });
    expect(state.steps.get('ask')?.crashedAlone).toBeUndefined();
    expect(state.steps.get('ask[1]')?.crashedAlone).toBeUndefined();
  });

  it('keeps its question open when the first fails for good', async () => {
    const store = memoryStore();
    const prepare = agent('prepare', (n: number) => n);
    const ask = (timeoutMs: number) =>
      firstOf(
        'f',
        approval('ask', t.number, { timeoutMs }),
        chain('ask', prepare, prepare, prepare, approval('boss', t.number)),
      );
    const first = await execute(ask(20), 1, { store, runId: 'r' });
    expect(first.status).toBe('SUSPENDED');
    const asking = first.steps.get('ask[1]/boss')?.asking;
    await wait(30);

    const second = await execute(ask(20), 1, { store, runId: 'r' });

    expect(second.steps.get('ask')).toMatchObject({ status: 'FAILED', contained: true });
    expect(second.steps.get('ask[1]/boss')).toMatchObject({ status: 'SUSPENDED', asked: 1 });
    expect(second.steps.get('ask[1]/boss')?.asking).toBe(asking);
    await answer('r', 'ask[1]/boss', 7, { store, ...(asking !== undefined && { asking }) });
    expect(await execute(ask(20), 1, { store, runId: 'r' })).toMatchObject({ output: 7 });
  });
});

describe('an item that begins before the first one', () => {
  it('is within what has failed and was gone on without: a resume leaves it alone', async () => {
    const limit = { concurrency: 1, key: (n: number) => String(n) };
    const held = agent('item', (_: number) => NEVER, { limit });
    const other = run(held, 0).subscribe();
    const item = agent(
      'item',
      (n: number): number => {
        throw new Error(`no ${String(n)}`);
      },
      { limit },
    );
    const work: Agent<readonly number[], unknown> = chain(
      'c',
      fallback(
        'f',
        each('all', item),
        agent('plan b', () => [1]),
      ),
      agent('last', (_: number[]): number => {
        throw new Error('no');
      }),
    );
    const store = memoryStore();
    const first = await execute(work, [0, 1], { store, runId: 'r' });
    expect(first.status).toBe('FAILED');
    expect(first.steps.get('f/all[1]/item')).toMatchObject({ status: 'FAILED' });

    const second = await execute(work, [0, 1], { store, runId: 'r' });
    other.unsubscribe();

    expect(second.steps.get('f/all[1]/item')).toMatchObject({ status: 'FAILED' });
  });
});
