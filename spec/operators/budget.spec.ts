import { EMPTY, lastValueFrom, map, NEVER, of, retry, timer, toArray } from 'rxjs';

import type { Wire } from '../../lib/definition/wire';
import { pick } from '../../lib/definition/wire';
import { BudgetExceededError } from '../../lib/errors/runErrors';
import type { RunState } from '../../lib/model/state';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { agent } from '../../operators/agents/agent';
import { branch } from '../../operators/agents/branch';
import { chain } from '../../operators/agents/chain';
import { each } from '../../operators/agents/each';
import { fallback } from '../../operators/agents/fallback';
import { workflow } from '../../operators/agents/workflow';
import { execute } from '../../operators/runs/execute';
import { fork } from '../../operators/runs/fork';
import { outcomes } from '../../operators/runs/outcomes';
import { outputs } from '../../operators/runs/outputs';
import { run } from '../../operators/runs/run';
import { runEach } from '../../operators/runs/runEach';
import type { BudgetOptions } from '../../operators/taps/budget';
import { budget } from '../../operators/taps/budget';
import { crashPoints, recordingStore } from '../../testing/index';
import { Clock } from '../support/clock';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';

const spend = (name: string, tokens: number, ms = 0) =>
  agent(name, () => (ms === 0 ? { usage: { tokens } } : timer(ms).pipe(map(() => ({ usage: { tokens } })))));

const errorOf = (thrown: unknown): BudgetExceededError => {
  expect(thrown).toBeInstanceOf(BudgetExceededError);
  return thrown as BudgetExceededError;
};

describe('budget()', () => {
  it('lets a run pass that stays within', () => {
    const { events, ended } = collect(
      run(spend('ask', 10), undefined).pipe(budget({ tokens: 10, steps: 1 })),
    );

    expect(ended).toBe('complete');
    expect(events.at(-1)?.type).toBe('run.completed');
  });

  it('stops parallel branches at once and says what was used', () => {
    const aborted: string[] = [];
    const both = workflow('both', (input: Wire<undefined>, step) => ({
      slow: step(
        'slow',
        agent('slow', (_: undefined, ctx) => {
          ctx.signal.addEventListener('abort', () => aborted.push('slow'));
          return NEVER;
        }),
        input,
      ),
      a: step('a', spend('a', 60), input),
      b: step('b', spend('b', 60), input),
      c: step('c', spend('c', 60), input),
    }));
    const { told, ended, error } = collect(run(both, undefined).pipe(budget({ tokens: 100 })));

    expect(ended).toBe('error');
    expect(errorOf(error)).toMatchObject({
      kind: 'tokens',
      limit: 100,
      used: { tokens: 120, usd: 0, steps: 3 },
    });
    expect(errorOf(error).message).toMatch(
      /^Budget of run "\w+" of "both" exceeded: 120 tokens, 100 allowed$/,
    );
    expect(told.at(-1)).toBe('step.completed b');
    expect(aborted).toEqual(['slow']);
  });

  it('leaves the run so that it can be resumed with more', async () => {
    const store = memoryStore();
    let calls = 0;
    const count = <T>(value: T): T => {
      calls += 1;
      return value;
    };
    const steps = chain(
      'steps',
      agent('one', () => count({ usage: { usd: 1 } })),
      agent('two', () => count({ usage: { usd: 1 } })),
      agent('three', () => count('done')),
    );
    const started = () => run(steps, undefined, { store, runId: 'r' });
    const first = collect(started().pipe(budget({ usd: 1.5 })));

    expect(errorOf(first.error).used.usd).toBe(2);
    expect((await store.loadRun('r'))?.status).toBe('CANCELLED');
    expect(errorOf(first.error).state?.steps.get('two')?.status).toBe('COMPLETED');
    const used = errorOf(first.error).used;
    await expect(lastValueFrom(started().pipe(budget({ usd: 2, used }), outputs()))).resolves.toBe('done');
    expect(calls).toBe(3);
  });

  it('counts what failed attempts have emitted, and an attempt that emitted only once', () => {
    let calls = 0;
    const asks = agent(
      'asks',
      (_: undefined, ctx) => {
        calls += 1;
        ctx.emit({ usage: { inputTokens: 5, outputTokens: 2 } });
        if (calls < 3) throw new Error('again');
        return { text: '', usage: { totalTokens: 7 } };
      },
      { retry: 5 },
    );

    expect(collect(run(asks, undefined).pipe(budget({ tokens: 21 }))).ended).toBe('complete');
    calls = 0;
    const { error } = collect(run(asks, undefined).pipe(budget({ tokens: 20 })));
    expect(errorOf(error).used.tokens).toBe(21);
  });

  it('ends an endless loop of steps', () => {
    const endless = agent('endless', () => 1, { retry: { count: Infinity } });
    const failing = agent(
      'failing',
      (): number => {
        throw new Error('no');
      },
      { retry: { count: Infinity } },
    );
    const { told, error } = collect(run(chain('c', endless, failing), undefined).pipe(budget({ steps: 4 })));

    expect(errorOf(error)).toMatchObject({ kind: 'steps', used: { steps: 5 } });
    expect(told.filter((one) => one === 'step.started failing')).toHaveLength(4);
  });

  it(
    'stops a run that says nothing when its time is over',
    marbles(({ scheduler, expectObservable }) => {
      const never = run(
        agent('never', () => NEVER),
        undefined,
        { scheduler },
      );
      const stopped = never.pipe(budget({ ms: 50, scheduler }), outputs());
      expectObservable(stopped).toBe(
        '50ms #',
        undefined,
        expect.objectContaining({ kind: 'ms', used: { tokens: 0, usd: 0, steps: 1, ms: 50 } }),
      );
      const quick = run(spend('quick', 1, 20), undefined, { scheduler });
      expectObservable(quick.pipe(budget({ ms: 50, scheduler }), outputs())).toBe('20ms (a|)', {
        a: { usage: { tokens: 1 } },
      });
    }),
  );

  it('stops on the real clock too', async () => {
    const never = run(
      agent('never', () => NEVER),
      undefined,
    );
    const startedAt = performance.now();

    await expect(lastValueFrom(never.pipe(budget({ ms: 30 })))).rejects.toThrow(BudgetExceededError);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(28);
  });

  it('counts as the caller says', () => {
    const words = agent('words', () => 'one two three');
    const usage = (value: unknown) =>
      typeof value === 'string' ? { tokens: value.split(' ').length } : undefined;

    expect(collect(run(words, undefined).pipe(budget({ tokens: 3, usage }))).ended).toBe('complete');
    expect(errorOf(collect(run(words, undefined).pipe(budget({ tokens: 2, usage }))).error).used.tokens).toBe(
      3,
    );
  });

  it('spans all runs behind runEach, each counted anew for every subscription', () => {
    const runs = of(1, 2, 3).pipe(runEach(spend('ask', 10)), budget({ tokens: 15 }));

    for (const attempt of [1, 2]) {
      expect([attempt, errorOf(collect(runs).error).used.tokens]).toEqual([attempt, 20]);
    }
  });

  it('passes the failure of a run on, and lets retry() in front of it resume', async () => {
    let calls = 0;
    const flaky = agent('flaky', () => {
      calls += 1;
      if (calls < 3) throw new Error('down');
      return 'up';
    });
    const failed = collect(run(flaky, undefined).pipe(budget({ steps: 9 })));
    expect(String(failed.error)).toContain('down');

    calls = 0;
    const all = run(flaky, undefined).pipe(retry(5), budget({ steps: 3 }), outputs(), toArray());
    await expect(lastValueFrom(all)).resolves.toEqual(['up']);
  });

  it('is an outcome by its name', async () => {
    const spent = run(spend('ask', 5), undefined).pipe(budget({ tokens: 1 }), outcomes());

    expect(await lastValueFrom(spent)).toMatchObject({
      _tag: 'Left',
      left: { failure: { name: 'BudgetExceededError', retryable: false } },
    });
  });

  it('counts nothing when nothing comes', () => {
    expect(collect(EMPTY.pipe(budget({ tokens: 0 }))).ended).toBe('complete');
  });
});

describe('what a run has used', () => {
  const spend = (name: string) => agent(name, (_: unknown) => ({ usage: { tokens: 60 } }));
  const work = chain('work', spend('a'), spend('b'), spend('c'), spend('d'));

  it('is on record, so that a run that is resumed does not get the whole budget again', async () => {
    const store = memoryStore();
    const live = () =>
      lastValueFrom(run(work, 0, { store, runId: 'r' }).pipe(budget({ tokens: 100 }))).then(
        () => 'completed',
        (error: unknown) => (error as { readonly name: string }).name,
      );
    expect([await live(), await live(), await live()]).toEqual(Array(3).fill('BudgetExceededError'));
    expect((await store.loadRun('r'))?.used).toEqual({ tokens: 120 });
    expect((await store.listRuns())[0]?.used).toEqual({ tokens: 120 });
  });

  it('counts what was told while a step worked, also when it failed, and its output not once more', async () => {
    const store = memoryStore();
    const talk = agent(
      'talk',
      (_: unknown, context) => {
        context.emit({ usage: { tokens: 5 } });
        if (context.attempt === 1) throw new Error('again');
        return { usage: { tokens: 5 } };
      },
      { retry: 1 },
    );
    const state = await execute(chain('work', talk), 0, { store, runId: 'r' });
    expect(state.used).toEqual({ tokens: 10 });
  });

  describe('by steps whose answers others pass on', () => {
    const down = agent('down', (_: unknown): { readonly usage: { readonly tokens: number } } => {
      throw new Error('down');
    });
    const passing = workflow('passing', (input: Wire<number>, step) => ({
      within: step('within', chain('within', spend('a'), spend('b')), input),
      chosen: step(
        'chosen',
        branch('chosen', () => 'one' as const, { one: spend('c') }),
        input,
      ),
      either: step('either', fallback('either', down, spend('d')), input),
      all: step(
        'all',
        each(
          'all',
          chain(
            'item',
            agent('item', (n: number) => n),
            spend('e'),
          ),
        ),
        pick(input, () => [1, 2]),
      ),
    }));
    const reads = (value: unknown) =>
      (value as { readonly usage?: { readonly tokens: number } } | undefined)?.usage;

    it.each<[string, Partial<BudgetOptions>]>([
      ['by the run itself', {}],
      ['by a function of the user', { usage: reads }],
    ])('is counted once %s', async (_, options) => {
      const store = memoryStore();
      const spent = (runId: string, tokens: number) =>
        lastValueFrom(
          run(passing, 0, { store, runId }).pipe(
            budget({ tokens, ...options }),
            map(({ state }) => state.status as unknown),
          ),
        ).catch((error: unknown) => errorOf(error).used.tokens);

      expect([await spent('whole', 360), await spent('less', 359)]).toEqual(['COMPLETED', 360]);
      expect((await store.loadRun('whole'))?.used).toEqual({ tokens: 360 });
      expect([await spent('lives', 200), await spent('lives', 360)]).toEqual([240, 'COMPLETED']);
    });
  });

  it('is counted again from the record where a function of the user reads it', async () => {
    const store = memoryStore();
    const words = (name: string) => agent(name, (_: unknown) => 'one two three');
    const story = chain('story', words('a'), words('b'), words('c'), words('d'), words('e'));
    const usage = (value: unknown) =>
      typeof value === 'string' ? { tokens: value.split(' ').length } : undefined;
    const used: unknown[] = [];
    for (let life = 1; life <= 3; life += 1) {
      await lastValueFrom(run(story, 0, { store, runId: 'r' }).pipe(budget({ tokens: 5, usage }))).catch(
        (error: unknown) => used.push((error as BudgetExceededError).used.tokens),
      );
    }
    expect(used).toEqual([6, 6, 6]);
    expect(
      [...((await store.loadRun('r'))?.steps ?? [])].filter(({ attempts }) => attempts > 0),
    ).toHaveLength(2);

    const forked = await fork('r', { store, from: 'c' });
    const again = lastValueFrom(run(story, 0, { store, runId: forked }).pipe(budget({ tokens: 5, usage })));
    await expect(again).rejects.toMatchObject({ used: { tokens: 6 } });
    expect((await store.loadRun(forked))?.steps.get('d')?.status).toBe('COMPLETED');
  });

  it('counts the time of earlier lives, also of those that a crash ended', async () => {
    const scheduler = new Clock(0);
    const store = recordingStore(memoryStore());
    const slow = (name: string) => agent(name, (_: unknown) => timer(60, scheduler));
    const work = chain('work', slow('a'), slow('b'), slow('c'), slow('d'));
    await scheduler.until(execute(work, 0, { store, runId: 'r', scheduler }));
    const points = [...crashPoints(store, 'r')];
    const { store: left } = points.find(
      ({ after }) => after.type === 'step.started' && after.path === 'd',
    ) as (typeof points)[number];
    const again = run(work, 0, { store: left, runId: 'r', scheduler });
    const limited = scheduler.until(lastValueFrom(again.pipe(budget({ ms: 150, scheduler }))));
    await expect(limited).rejects.toMatchObject({ kind: 'ms' });
    // At once, which is when the first life has ended.
    expect(scheduler.now()).toBe(240);
    const state = (await left.loadRun('r')) as RunState;
    expect(state.steps.get('d')?.status).toBe('PENDING');
    expect(state.worked).toBeCloseTo(0.18);
  });

  it.each([{ tokens: NaN }, { usd: NaN }, { steps: NaN }, { ms: NaN }, { used: { tokens: NaN } }])(
    'has no limit that is no number: %p',
    (options) => {
      expect(() => budget(options)).toThrow('is NaN');
    },
  );

  it.each<[string, unknown]>([
    ['not a number', { tokens: NaN }],
    ['a text', { tokens: '4' }],
  ])('stops the stream by name when a usage is %s', async (_what, usage) => {
    const counted = run(work, 0).pipe(budget({ tokens: 1_000, usage: () => usage as never }));
    await expect(lastValueFrom(counted)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
