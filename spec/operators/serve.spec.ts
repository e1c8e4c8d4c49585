import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import type { Subscription } from 'rxjs';

import type { Agent, Store, Transition } from '../../index';
import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  execute,
  lowdbStore,
  memoryStore,
  run,
  serve,
  sleep,
  submit,
} from '../../index';
import { SLACK } from '../support/slack';
import { collect } from '../support/told';
import { until } from '../support/until';

type Options = Omit<Parameters<typeof serve>[1], 'store'>;

describe.each([
  ['memory', () => memoryStore()],
  ['a folder', () => lowdbStore(mkdtempSync(join(tmpdir(), 'millrace-serve-')))],
])('serve() on a store in %s', (_place, open) => {
  let store: Store;
  let serving: Subscription | undefined;
  let told: Transition[];
  let ended: unknown;

  const server = (agents: readonly Agent<never, unknown>[], options: Options = {}): void => {
    serving = serve(agents, { store, ...options }).subscribe({
      next: (transition) => told.push(transition),
      error: (error: unknown) => (ended = error),
      complete: () => (ended = 'complete'),
    });
  };
  const has = (runId: string, status: string) => async () => (await store.loadRun(runId))?.status === status;

  beforeEach(() => {
    store = open();
    told = [];
    ended = undefined;
  });
  afterEach(async () => {
    serving?.unsubscribe();
    await store.close();
  });

  const sign = chain(
    'sign',
    approval('boss', t.boolean),
    agent('say', (yes: boolean) => String(yes)),
  );
  const escalates = (timeoutMs: number) =>
    chain(
      'escalates',
      approval('boss', t.boolean, { timeoutMs, onTimeout: agent('later', () => true) }),
      agent('say', (yes: boolean) => String(yes)),
    );

  it('goes on with a run that was answered before it began', async () => {
    await execute(sign, 'x', { store, runId: 'r' });
    await answer('r', 'boss', true, { store });

    server([sign]);

    await until(() => told.some(({ event }) => event.type === 'run.completed'));
    expect(told.map(({ event }) => event.type)).toEqual([
      'run.resumed',
      'step.answered',
      'step.completed',
      'step.started',
      'step.completed',
      'run.completed',
    ]);
  });

  it('goes on with a run that is answered while it serves, and with one that came to rest meanwhile', async () => {
    server([sign]);
    expect((await execute(sign, 'x', { store, runId: 'r' })).status).toBe('SUSPENDED');

    await answer('r', 'boss', false, { store });

    await until(has('r', 'COMPLETED'));
    expect((await store.loadRun('r'))?.output).toBe('false');
  });

  it('cancels a run that rests when somebody asks for it', async () => {
    await execute(sign, 'x', { store, runId: 'r' });
    server([sign]);

    await cancel('r', { store, reason: 'not needed' });

    await until(has('r', 'CANCELLED'));
    expect((await store.loadRun('r'))?.reason).toBe('not needed');
  });

  it('keeps the deadline of a run that rests, within a second', async () => {
    server([escalates(100)]);
    const enoughMs = 1_000 * SLACK;
    let leastMs = Infinity;
    // A busy machine may hold up any of them.
    for (let round = 1; round <= 3 && leastMs >= enoughMs; round += 1) {
      const runId = `r${String(round)}`;
      const { steps } = await execute(escalates(100), 'x', { store, runId });
      await until(has(runId, 'COMPLETED'));
      expect((await store.loadRun(runId))?.output).toBe('true');
      const answered = told.find(({ event }) => event.runId === runId && event.type === 'step.answered');
      leastMs = Math.min(leastMs, (answered?.event.at ?? NaN) - (steps.get('boss')?.deadline ?? NaN));
    }

    expect(leastMs).toBeGreaterThanOrEqual(0);
    expect(leastMs).toBeLessThan(enoughMs);
  });

  it('takes up a run whose deadline passed before it began', async () => {
    await execute(escalates(10), 'x', { store, runId: 'r' });
    await new Promise((resolve) => setTimeout(resolve, 30));

    server([escalates(10)]);

    await until(has('r', 'COMPLETED'));
  });

  it('leaves runs alone that failed, were cancelled, completed, or wait', async () => {
    const breaks = agent('breaks', () => {
      throw new Error('no');
    });
    await execute(breaks, 'x', { store, runId: 'failed' });
    await execute(sign, 'x', { store, runId: 'waits' });
    const naps = sleep<string>('naps', 1e7);
    run(naps, 'x', { store, runId: 'cancelled' }).subscribe().unsubscribe();
    await execute(
      agent('done', () => 1),
      'x',
      { store, runId: 'done' },
    );

    server([breaks, sign, naps]);
    await new Promise((resolve) => setTimeout(resolve, 100));

    expect(told).toEqual([]);
    expect(ended).toBeUndefined();
  });

  it('resumes runs that fail as often as it is told, those that it finds too', async () => {
    let calls = 0;
    const flaky = agent('flaky', () => {
      calls += 1;
      if (calls < 4) throw new Error('not yet');
      return calls;
    });
    await execute(flaky, 'x', { store, runId: 'r' });

    server([flaky], { retry: { count: 3, delayMs: 5 } });

    await until(has('r', 'COMPLETED'));
    expect(calls).toBe(4);
  });

  it('waits no longer to resume one because the clock was set back', async () => {
    let calls = 0;
    const flaky = agent('flaky', () => {
      calls += 1;
      if (calls === 1) throw new Error('not yet');
      return calls;
    });
    const now = Date.now.bind(Date);
    let backMs = 0;
    const clock = jest.spyOn(Date, 'now').mockImplementation(() => now() - backMs);
    try {
      server([flaky], { retry: { count: 1, delayMs: 300 } });
      await submit(flaky, undefined, { store, runId: 'r' });
      await until(has('r', 'FAILED'));

      backMs = 3_600_000;

      await until(has('r', 'COMPLETED'));
    } finally {
      clock.mockRestore();
    }
  });

  it('stops resuming a run that goes on failing', async () => {
    let calls = 0;
    const breaks = agent('breaks', () => {
      calls += 1;
      throw new Error('no');
    });
    await execute(breaks, 'x', { store, runId: 'r' });

    server([breaks], { retry: 2 });
    await until(() => calls === 3);
    await new Promise((resolve) => setTimeout(resolve, 50));

    expect(calls).toBe(3);
  });

  it('resumes a new run as often as it is told, whatever became of an earlier one of its id', async () => {
    let calls = 0;
    let isDown = true;
    const flaky = agent('flaky', () => {
      calls += 1;
      if (isDown || calls < 2) throw new Error('no');
      return calls;
    });
    server([flaky], { retry: 2 });
    await submit(flaky, undefined, { store, runId: 'r' });
    await until(() => calls === 3);
    await until(has('r', 'FAILED'));
    // Its last life may still be ending.
    await until(() => store.deleteRun('r').catch(() => false));

    isDown = false;
    calls = 0;
    await submit(flaky, undefined, { store, runId: 'r' });

    await until(has('r', 'COMPLETED'));
    expect(calls).toBe(2);
  });

  it('begins a submitted run also while it still looks at one of its id that is forgotten', async () => {
    let isDown = true;
    const flaky = agent('flaky', () => {
      if (isDown) throw new Error('no');
      return 1;
    });
    const { loadRun } = store;
    let looks = 0;
    let goOn = (): void => undefined;
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    store = {
      ...store,
      loadRun: async (runId) => {
        const state = await loadRun(runId);
        if (state?.status !== 'FAILED') return state;
        looks += 1;
        await gate;
        return state;
      },
    };
    await execute(flaky, undefined, { store, runId: 'r' });
    server([flaky], { retry: 1 });
    await until(() => looks === 1);
    expect(await store.deleteRun('r')).toBe(true);
    isDown = false;
    await submit(flaky, undefined, { store, runId: 'r' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    goOn();

    await until(has('r', 'COMPLETED'));
  });

  it('warns once of a run whose agent it does not serve, or whose definition has changed, and serves the others', async () => {
    const before = chain('steps', approval('boss', t.boolean), agent('old', String));
    const after = chain('steps', approval('boss', t.boolean), agent('new', String));
    await execute(sign, 'x', { store, runId: 'unknown' });
    await execute(before, 'x', { store, runId: 'changed' });
    await execute(escalates(10), 'x', { store, runId: 'fine' });
    for (const runId of ['unknown', 'changed']) await answer(runId, 'boss', true, { store });

    server([after, escalates(10)]);
    await until(has('fine', 'COMPLETED'));
    await until(() => told.filter(({ event }) => event.type === 'step.logged').length === 2);
    await answer('unknown', 'boss', true, { store });
    await new Promise((resolve) => setTimeout(resolve, 50));

    const warnings = told.flatMap(({ event }) =>
      event.type === 'step.logged' ? [[event.runId, event.level, (event.data as { code: string }).code]] : [],
    );
    expect(warnings.sort()).toEqual([
      ['changed', 'WARNING', 'DEFINITION_MISMATCH'],
      ['unknown', 'WARNING', 'AGENT_NOT_SERVED'],
    ]);
    expect(ended).toBeUndefined();
  });

  it('does not take up a run again for an answer that its next life would not take', async () => {
    const late = chain('late', approval('first', t.boolean), approval('second', t.boolean));
    await execute(late, 'x', { store, runId: 'r' });
    await answer('r', 'second', true, { store });

    server([late]);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(told).toEqual([]);
    await answer('r', 'first', true, { store });

    await until(has('r', 'COMPLETED'));
  });

  it('does not take up a run again and again for a question that its lives do not come to any more', async () => {
    const asks = (hasChanged: boolean) =>
      agent('asks', async (_: string, { call }) => {
        const first = call('first', approval('first', t.boolean), 1);
        if (hasChanged) return first;
        const due = approval('due', t.boolean, { timeoutMs: 20 });
        const answered = approval('answered', t.boolean);
        return Promise.all([first, call('due', due, 1), call('answered', answered, 1)]);
      });
    await execute(asks(false), 'x', { store, runId: 'r' });
    await answer('r', 'asks/answered', true, { store });
    await execute(escalates(100), 'x', { store, runId: 'later' });

    server([asks(true), escalates(100)]);

    // Its deadline is the later one.
    await until(has('later', 'COMPLETED'));
    await submit(escalates(100), 'x', { store, runId: 'latest' });
    await until(has('latest', 'COMPLETED'));
    expect((await store.loadRun('r'))?.life).toBeLessThan(4);
    await answer('r', 'asks/first', true, { store });
    await until(has('r', 'COMPLETED'));
  });

  it('carries on no more runs at once than it is told', async () => {
    let atOnce = 0;
    let most = 0;
    const slow = chain(
      'slow',
      approval('go', t.boolean),
      agent('work', async () => {
        most = Math.max(most, (atOnce += 1));
        await until(() => most >= 3);
        await new Promise((resolve) => setTimeout(resolve, 5));
        atOnce -= 1;
      }),
    );
    const ids = Array.from({ length: 12 }, (_, i) => `r${String(i)}`);
    for (const runId of ids) {
      await execute(slow, 'x', { store, runId });
      await answer(runId, 'go', true, { store });
    }

    server([slow], { concurrency: 3 });

    for (const runId of ids) await until(has(runId, 'COMPLETED'));
    expect(most).toBe(3);
  });

  it('lets a run be that somebody else in this process carries on', async () => {
    const slow = agent('slow', () => new Promise((resolve) => setTimeout(resolve, 60)));
    const own = collect(run(slow, 'x', { store, runId: 'r' }));

    server([slow]);
    await until(() => own.ended !== 'open');
    await new Promise((resolve) => setTimeout(resolve, 20));

    expect(own.ended).toBe('complete');
    expect(told).toEqual([]);
  });

  it('completes when its signal is aborted', async () => {
    const stop = new AbortController();
    server([sign], { signal: stop.signal });
    await new Promise((resolve) => setTimeout(resolve, 20));

    stop.abort();

    await until(() => ended === 'complete');
  });
});

describe('serve()', () => {
  it.each<[string, (store: Store) => Promise<boolean>]>([
    ['deleted', (store) => store.deleteRun('r')],
    ['pruned', async (store) => (await store.prune({ olderThanMs: 0 })).includes('r')],
  ])(
    'begins no run anew whose place in the queue a crash has left behind, and that is %s when it has completed',
    async (_how, forget) => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-serve-'));
      const calls: string[] = [];
      let end = (): void => undefined;
      const isForgotten = new Promise<void>((resolve) => (end = resolve));
      const works = agent('works', async (_: unknown, { runId }) => {
        calls.push(runId);
        if (calls.length <= 2) await new Promise(() => undefined);
        if (runId === 's') await isForgotten;
      });
      // An earlier process dies before it has taken the run that it begins out of the queue.
      const earlier = lowdbStore(folder);
      await submit(works, 1, { store: earlier, runId: 'r' });
      run(works, 1, { store: earlier, runId: 'r' }).subscribe({ error: () => undefined });
      run(works, 1, { store: earlier, runId: 's' }).subscribe({ error: () => undefined });
      await until(() => calls.length === 2);
      await earlier.close();

      const store = lowdbStore(folder);
      expect(await store.queue.size()).toBe(1);
      const serving = serve([works], { store, concurrency: 1 }).subscribe();
      const has = (runId: string) => async () => (await store.loadRun(runId))?.status === 'COMPLETED';
      await until(has('r'));
      await until(() => forget(store).catch(() => false));
      end();
      await until(has('s'));
      await new Promise((resolve) => setTimeout(resolve, 100));

      expect(calls).toEqual(['r', 's', 'r', 's']);
      expect(await store.queue.size()).toBe(0);
      serving.unsubscribe();
      await store.close();
    },
  );

  const folder = mkdtempSync(join(tmpdir(), 'millrace-serve-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('refuses what it cannot serve', () => {
    const store = memoryStore();
    const one = agent('one', () => 1);
    expect(() => serve([one, agent('one', () => 2)], { store })).toThrow('two agents named "one"');
    expect(() => serve([one], {} as never)).toThrow('without a store');
    expect(() => serve([one], { store, concurrency: 0 })).toThrow('concurrency is 0');
    expect(() => serve([one], { store, drainMs: -1 })).toThrow('drainMs is -1');
    expect(() => serve([one], { store, retry: NaN })).toThrow('retry is NaN');
    expect(() => serve([one], { store, retry: { count: 1, delayMs: Infinity } })).toThrow(
      'retry.delayMs is Infinity',
    );
  });

  it('errors when another store writes to the folder, and serves once it has left', async () => {
    const other = lowdbStore(folder);
    await execute(
      agent('one', () => 1),
      1,
      { store: other },
    );
    const store = lowdbStore(folder);

    const refused = collect(serve([], { store }));
    await until(() => refused.ended !== 'open');
    expect(refused.error).toMatchObject({ code: 'STORE_LOCKED' });
    await other.close();

    const serving = serve([], { store }).subscribe();
    await new Promise((resolve) => setTimeout(resolve, 50));
    serving.unsubscribe();
    await store.close();
  });
});
