import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import { delay, lastValueFrom, NEVER, of, ReplaySubject, take, takeWhile, tap, toArray } from 'rxjs';

import {
  agent,
  answer,
  approval,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  loop,
  lowdbStore,
  memoryStore,
  resume,
  run,
  saga,
  sleep,
  workflow,
} from '../../index';
import type { Agent, Store, Transition, Wire } from '../../index';
import { Clock } from '../support/clock';
import { everyStore } from '../support/everyStore';
import { collect } from '../support/told';
import { until } from '../support/until';

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const ask = approval<number, number>('ask', t.number);
const slow = (ms: number) => (n: number) => of(n).pipe(delay(ms));

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-deadlines-'));
  folders.push(folder);
  return folder;
}

describe.each<[string, (clock: Clock) => Store]>([
  ['in memory', (clock) => memoryStore({ clock })],
  ['in a folder', (clock) => lowdbStore(newFolder(), { clock })],
])('a deadline of a run %s', (_name, make) => {
  let scheduler: Clock;
  let store: Store;
  beforeEach(() => {
    scheduler = new Clock(Date.UTC(2026, 10, 28));
    store = make(scheduler);
  });
  afterEach(() => store.close());
  const live = (work: Agent<number, unknown>) => run(work, 1, { store, runId: 'r', scheduler });
  /** Goes on with the run, to where it ends or rests; no time passes. */
  const start = async (work: Agent<number, unknown>) =>
    scheduler.until(execute(work, 1, { store, runId: 'r', scheduler }), scheduler.now());
  const pass = async (ms: number) => scheduler.to(scheduler.now() + ms);

  it('decides: an answer that was given later does not beat it, although the run rested', async () => {
    const boss = agent('boss', (_: number) => -1);
    const asked = chain(
      'c',
      approval<number, number, number>('ask', t.number, { timeoutMs: 40, onTimeout: boss }),
    );
    await start(asked);
    await pass(60);
    await answer('r', 'ask', 5, { store });
    const resumed = lastValueFrom(resume(asked, 'r', { store, scheduler }).pipe(toArray()));
    const told = await scheduler.until(resumed, scheduler.now());

    expect(told.at(-1)?.state.output).toBe(-1);
    expect(told.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({
        type: 'step.logged',
        level: 'WARNING',
        message: 'Cannot take the answer: it was given after the deadline; the step goes on waiting',
      }),
    );
  });

  it('lets an answer through that was given in time, whenever the run goes on', async () => {
    const asked = chain('c', approval<number, number>('ask', t.number, { timeoutMs: 60 }));
    await start(asked);
    await answer('r', 'ask', 5, { store });
    await pass(90);
    expect((await start(asked)).output).toBe(5);
  });

  it.each<[string, Agent<number, number>]>([
    ['a structure', chain('inner', ask)],
    ['an approval itself', ask],
  ])('is the time limit of %s around a question, and counts while the run rests', async (_what, inner) => {
    const flow = workflow('flow', (n: Wire<number>, step) => step('part', inner, n, { timeoutMs: 200 }));
    const first = await start(flow);
    expect(first.status).toBe('SUSPENDED');
    const [{ path, dueAt } = { path: '' }] = (await store.listRuns())[0]?.waiting ?? [];
    expect(dueAt).toBe(scheduler.now() + 200);
    await pass(220);
    await answer('r', path, 5, { store });
    const late = await start(flow);

    expect(late).toMatchObject({ status: 'FAILED', error: { name: 'StepTimeoutError', path: 'part' } });
  });

  it('is kept over several lives, and not begun anew by any', async () => {
    const flow = workflow('flow', (n: Wire<number>, step) =>
      step('part', chain('inner', ask), n, { timeoutMs: 10_000 }),
    );
    const due = async () => (await store.listRuns())[0]?.waiting[0]?.dueAt;
    await start(flow);
    const first = await due();
    for (let life = 2; life < 5; life += 1) {
      await pass(20);
      expect((await start(flow)).status).toBe('SUSPENDED');
      expect(await due()).toBe(first);
    }
    await answer('r', 'part/ask', 5, { store });
    expect((await start(flow)).output).toBe(5);
  });

  it('decides the same beside a step that moves', async () => {
    const flow = workflow('flow', (n: Wire<number>, step) => ({
      part: step('part', chain('inner', ask), n, { timeoutMs: 50 }),
      beside: step('beside', () => NEVER, n),
    }));
    const ended = execute(flow, 1, { store, runId: 'r', scheduler });
    expect((await scheduler.until(ended)).error).toMatchObject({ name: 'StepTimeoutError', path: 'part' });
  });

  it('is a new one for a new attempt: nothing in it waited', async () => {
    let calls = 0;
    const a = (n: number) => {
      calls += 1;
      return of(n).pipe(delay(250, scheduler));
    };
    const flow = workflow('flow', (n: Wire<number>, step) =>
      step(
        'part',
        chain(
          'inner',
          agent('a', a),
          agent('b', (n: number) => n),
        ),
        n,
        { timeoutMs: 500 },
      ),
    );
    const seen = collect(live(flow));
    await until(() => calls === 1);
    await pass(200);
    seen.leave?.();
    await pass(350);
    const ended = execute(flow, 1, { store, runId: 'r', scheduler });
    await until(() => calls === 2);
    expect((await scheduler.until(ended, scheduler.now() + 499)).output).toBe(1);
  });

  it.each<[string, number | undefined]>([
    ['of the same life', 1],
    ['of a later life', undefined],
  ])('is on record too for a new attempt %s in which the question is still open', async (_of, retry) => {
    const flow = workflow('flow', (n: Wire<number>, step) =>
      step('part', chain('inner', ask), n, { timeoutMs: 1_000, ...(retry !== undefined && { retry }) }),
    );
    const due = async () => (await store.listRuns())[0]?.waiting[0]?.dueAt ?? NaN;
    await start(flow);
    const first = await due();
    await pass(1_050);
    if (retry === undefined) expect((await start(flow)).error?.name).toBe('StepTimeoutError');
    expect((await start(flow)).status).toBe('SUSPENDED');
    const second = await due();
    expect(second).toBeGreaterThan(first);
    expect((await start(flow)).status).toBe('SUSPENDED');
    expect(await due()).toBe(second);
    await pass(1_050);
    const third = await start(flow);
    // Each life has the whole budget of the retry policy.
    if (retry === undefined) expect(third.error).toMatchObject({ name: 'StepTimeoutError', path: 'part' });
    else expect(await due()).toBeGreaterThan(second);
  });

  it('is on record for a question that was open before the code had one', async () => {
    const flow = (timeoutMs?: number) =>
      workflow('flow', (n: Wire<number>, step) =>
        step('part', chain('inner', ask), n, timeoutMs === undefined ? {} : { timeoutMs }),
      );
    await start(flow());
    expect((await start(flow(200))).status).toBe('SUSPENDED');
    await pass(250);
    expect((await start(flow(200))).error).toMatchObject({ name: 'StepTimeoutError', path: 'part' });
  });

  it('holds for a sleep too, left and taken up again', async () => {
    const flow = workflow('flow', (n: Wire<number>, step) =>
      step('part', chain('inner', sleep<number>('nap', 60_000)), n, { timeoutMs: 2_000 }),
    );
    const began = scheduler.now();
    const seen = collect(live(flow));
    await until(() => seen.told.includes('step.suspended part/nap'));
    await pass(1_000);
    seen.leave?.();
    const ended = await scheduler.until(execute(flow, 1, { store, runId: 'r', scheduler }));
    expect(ended.error?.name).toBe('StepTimeoutError');
    expect(scheduler.now() - began).toBe(2_000);
  });
});

describe('a clock that is set back while a run rests', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('makes no question open for longer than was asked for', async () => {
    const store = memoryStore();
    const boss = agent('boss', (_: number) => -1);
    const asked = workflow('flow', (n: Wire<number>, step) => ({
      ok: step(
        'ok',
        approval<number, number, number>('ask', t.number, { timeoutMs: 50, onTimeout: boss }),
        n,
      ),
      beside: step('beside', slow(120), n),
    }));
    const seen = collect(run(asked, 1, { store, runId: 'r' }));
    await wait(10);
    seen.leave?.();
    const now = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
    const begun = performance.now();
    expect((await execute(asked, 1, { store, runId: 'r' })).output).toEqual({ ok: -1, beside: 1 });
    // Otherwise it is open for an hour more.
    expect(performance.now() - begun).toBeLessThan(15_000);
  });

  it.each<[string, (asked: Agent<number, number>) => Agent<number, unknown>]>([
    [
      'an item of each',
      (asked) =>
        chain(
          'c',
          agent('list', (n: number) => [n]),
          each('e', asked),
        ),
    ],
    ['a step of a function', (asked) => agent('f', (n: number, { call }) => call('ask', asked, n))],
    ['a round of a loop', (asked) => loop('l', asked, { until: () => true, max: 2 })],
    [
      'a step under a time limit',
      (asked) =>
        workflow('w', (n: Wire<number>, step) => step('c', chain('c', asked), n, { timeoutMs: 3_000 })),
    ],
  ])('makes none open for longer: %s', async (_place, within) => {
    const store = memoryStore();
    const boss = agent('boss', (_: number) => -1);
    const asked = approval<number, number, number>('ask', t.number, { timeoutMs: 50, onTimeout: boss });
    const beside = workflow('flow', (n: Wire<number>, step) => ({
      ok: step('ok', within(asked), n),
      beside: step('beside', slow(120), n),
    }));
    const seen = collect(run(beside, 1, { store, runId: 'r' }));
    await wait(10);
    seen.leave?.();
    const now = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
    const begun = performance.now();
    const { output } = await execute(beside, 1, { store, runId: 'r' });
    expect([output?.ok].flat()).toEqual([-1]);
    // Otherwise it is open for an hour more.
    expect(performance.now() - begun).toBeLessThan(15_000);
  });

  it('makes no cached answer last longer', async () => {
    let calls = 0;
    const cached = agent('cached', (_: number) => (calls += 1), { cache: { ttlMs: 60_000 } });
    const store = memoryStore();
    await execute(cached, 1, { store });
    await execute(cached, 1, { store });
    expect(calls).toBe(1);
    const now = Date.now.bind(Date);
    jest.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000);
    await execute(cached, 1, { store });
    expect(calls).toBe(2);
  });
});

describe.each(everyStore)('a sleep (%s)', (_where, open) => {
  /** Leaves a run once it sleeps. */
  const left = (life: Observable<Transition>) =>
    lastValueFrom(life.pipe(takeWhile(({ event }) => event.type !== 'step.suspended')));

  it('asks for its length in the first life only, and keeps to it whatever the code says later', async () => {
    const store = open();
    let asked = 0;
    const nap = (ms: number) =>
      chain(
        'c',
        sleep<number>('nap', () => ((asked += 1), ms)),
      );
    const begun = performance.now();
    await left(run(nap(150), 1, { store, runId: 'r' }));
    expect((await execute(nap(1), 1, { store, runId: 'r' })).output).toBe(1);
    expect(asked).toBe(1);
    expect(performance.now() - begun).toBeGreaterThan(140);

    const short = chain('c', sleep<number>('nap', 1));
    const again = performance.now();
    await left(run(chain('c', sleep<number>('nap', 150)), 1, { store, runId: 's' }));
    await execute(short, 1, { store, runId: 's' });
    expect(performance.now() - again).toBeGreaterThan(140);
  });

  it.each<[string, (nap: Agent<number, number>) => Agent<number, unknown>]>([
    [
      'an item of each',
      (nap) =>
        chain(
          'c',
          agent('list', (n: number) => [n]),
          each('e', nap),
        ),
    ],
    ['a round of a loop', (nap) => loop('l', nap, { until: () => true, max: 2 })],
    ['a step of a function', (nap) => agent('f', (n: number, { call }) => call('nap', nap, n))],
    [
      'what is asked when another one has failed',
      (nap) =>
        fallback(
          'f',
          agent('broken', (_: number): number => {
            throw new Error('broken');
          }),
          chain(
            'c',
            agent('one', () => 1),
            nap,
          ),
        ),
    ],
    ['a saga in a workflow', (nap) => workflow('w', (n: Wire<number>, step) => step('s', saga('s', nap), n))],
  ])('does so as %s, also where its number has become shorter', async (_place, within) => {
    const store = open();
    let asked = 0;
    const computed = (ms: number) => within(sleep<number>('nap', () => ((asked += 1), ms)));
    const fixed = (ms: number) => within(sleep<number>('nap', ms));
    const begun = performance.now();
    await left(run(computed(300), 1, { store, runId: 'computed' }));
    await left(run(fixed(300), 1, { store, runId: 'fixed' }));

    const ends = await Promise.all([
      execute(computed(1), 1, { store, runId: 'computed' }),
      execute(fixed(1), 1, { store, runId: 'fixed' }),
    ]);

    expect(ends).toMatchObject([{ status: 'COMPLETED' }, { status: 'COMPLETED' }]);
    expect(asked).toBe(1);
    expect(performance.now() - begun).toBeGreaterThan(250);
  });
});

describe.each(everyStore)('a question that nobody waits for any more (%s)', (_where, open) => {
  const broken = agent('broken', (_: number): number => {
    throw new Error('no');
  });
  const both = workflow('both', (n: Wire<number>, step) => ({
    ask: step('ask', ask, n),
    broken: step('broken', broken, n),
  }));
  const statusOf = async (store: Store, runId: string): Promise<Record<string, string>> =>
    Object.fromEntries(
      [...(await store.loadRun(runId))!.steps].map(({ stepId, status }) => [stepId, status]),
    );

  it('is skipped when its structure has failed and another one has taken over', async () => {
    const store = open();
    const work = chain(
      'c',
      fallback(
        'f',
        both,
        agent('other', () => ({ ask: 0, broken: 0 })),
      ),
    );
    const told = await lastValueFrom(run(work, 1, { store, runId: 'r' }).pipe(toArray()));
    expect(told.at(-1)?.state.status).toBe('COMPLETED');
    expect(told.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: 'step.skipped', path: 'f/both/ask', reason: 'abandoned' }),
    );
    expect((await statusOf(store, 'r'))['f/both/ask']).toBe('SKIPPED');
  });

  it('is not among those that a run rests for: the event, the state and the list agree', async () => {
    const store = open();
    const work = chain(
      'c',
      fallback('f', both, approval('later', t.type({ ask: t.number, broken: t.number }))),
    );
    const told = await lastValueFrom(run(work, 1, { store, runId: 'r' }).pipe(toArray()));
    const suspended = Object.entries(await statusOf(store, 'r')).filter(
      ([, status]) => status === 'SUSPENDED',
    );

    expect(told.at(-1)?.event).toMatchObject({ type: 'run.suspended', waiting: ['f/later'] });
    expect(suspended.map(([path]) => path)).toEqual(['f/later']);
    expect((await store.listRuns())[0]?.waiting.map(({ path }) => path)).toEqual(['f/later']);
    await expect(answer('r', 'f/both/ask', 1, { store })).rejects.toMatchObject({ code: 'NOT_WAITING' });
  });

  it.each<[string, Agent<number, unknown>]>([
    ['lost a race', chain('c', firstOf('first', chain('slow', ask), agent('quick', slow(5))))],
    [
      'timed out',
      chain(
        'c',
        fallback(
          'f',
          workflow('w', (n: Wire<number>, step) => step('part', chain('inner', ask), n, { timeoutMs: 5 })),
          agent('other', ({ input }: { input: number }) => slow(30)(input)),
        ),
      ),
    ],
  ])('is skipped when what it belongs to has %s', async (_how, work) => {
    const store = open();
    const isOver = new ReplaySubject<number>(1);
    const beside = workflow('beside', (n: Wire<number>, step) => [
      step('work', work, n),
      step('moves', () => isOver.pipe(take(1)), n),
    ]);
    const all = run(beside, 1, { store, runId: 'r' }).pipe(
      tap(({ event }) => {
        if (event.type === 'step.completed' && event.path === 'work') isOver.next(1);
      }),
    );
    expect((await lastValueFrom(all)).state.status).toBe('COMPLETED');
    expect(Object.values(await statusOf(store, 'r'))).not.toContain('SUSPENDED');
  });

  it('is asked anew when its structure is tried again after all', async () => {
    const store = open();
    let calls = 0;
    const flaky = agent('flaky', (n: number) => {
      if ((calls += 1) === 1) throw new Error('no');
      return n;
    });
    const pair = workflow('pair', (n: Wire<number>, step) => ({
      ask: step('ask', ask, n),
      flaky: step('flaky', flaky, n),
    }));
    const other = agent('other', (_: unknown): never => {
      throw new Error('nor this');
    });
    const work = workflow('w', (n: Wire<number>, step) =>
      step('f', fallback('f', pair, other), n, { retry: 1 }),
    );
    const told = await lastValueFrom(run(work, 1, { store, runId: 'r' }).pipe(toArray()));
    expect(told.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: 'step.skipped', path: 'f/pair/ask', reason: 'abandoned' }),
    );
    expect((await store.loadRun('r'))?.steps.get('f/pair/ask')).toMatchObject({
      status: 'SUSPENDED',
      asked: 2,
    });
    await answer('r', 'f/pair/ask', 7, { store });
    expect((await execute(work, 1, { store, runId: 'r' })).output).toEqual({ ask: 7, flaky: 1 });
  });

  it('stays open in a run that has failed beside it, and is the same when the run goes on', async () => {
    const store = open();
    let isDown = true;
    const flaky = agent('flaky', (n: number) => {
      if (isDown) throw new Error('no');
      return n;
    });
    const pair = workflow('pair', (n: Wire<number>, step) => ({
      ask: step('ask', ask, n),
      flaky: step('flaky', flaky, n),
    }));
    const failed = await execute(pair, 1, { store, runId: 'r' });
    const asking = failed.steps.get('ask')?.asking;
    expect([failed.status, failed.steps.get('ask')?.status]).toEqual(['FAILED', 'SUSPENDED']);
    await answer('r', 'ask', 7, { store, asking: asking! });
    isDown = false;
    expect((await execute(pair, 1, { store, runId: 'r' })).output).toEqual({ ask: 7, flaky: 1 });
  });
});
