import { setTimeout as wait } from 'node:timers/promises';

import { isRight } from 'fp-ts/lib/Either';
import * as t from 'io-ts';
import {
  concat,
  finalize,
  first,
  firstValueFrom,
  from,
  lastValueFrom,
  map,
  Observable,
  of,
  Subject,
  take,
  takeUntil,
  throwError,
  toArray,
} from 'rxjs';

import {
  agent,
  approval,
  chain,
  execute,
  loop,
  memoryStore,
  outcomes,
  quorum,
  run,
  runEach,
  settled,
  workflow,
} from '../../index';
import type { Store, Wire } from '../../index';
import { DateText } from '../support/dateText';
import { collect } from '../support/told';

// Each was once seen; the title says what the user saw.

describe('results', () => {
  it('a step that could not run because another had failed runs when that one is tried again', async () => {
    let a = 0;
    let c = 0;
    const inner = workflow('inner', (input: Wire<number>, step) => {
      const one = step(
        'a',
        () => {
          if (++a === 1) throw new Error('a');
          return 'A';
        },
        input,
      );
      const two = step('b', (x) => `${x}B`, one);
      return step(
        'c',
        ([x]) => {
          if (++c === 1) throw new Error('c');
          return isRight(x) ? x.right : 'nothing';
        },
        settled([two]),
      );
    });
    const outer = workflow('outer', (input: Wire<number>, step) => step('inner', inner, input, { retry: 1 }));
    expect((await execute(outer, 1)).output).toBe('AB');
  });

  it('a completed run takes another definition with nothing to drop', async () => {
    const store = memoryStore();
    const define = (more: boolean) =>
      workflow('w', (input: Wire<number>, step) => {
        const a = step('a', (x) => `a${String(x)}`, input);
        return more ? step('b', (x) => `b${x}`, a) : a;
      });
    await execute(define(false), 1, { store, runId: 'r' });
    expect(await execute(define(true), 1, { store, runId: 'r', onMismatch: 'actual' })).toMatchObject({
      status: 'COMPLETED',
      output: 'ba1',
    });
    expect((await store.loadRun('r'))?.steps.get('b')).toMatchObject({ status: 'COMPLETED' });
  });

  it('a workflow that gives another step than before is another definition', async () => {
    const store = memoryStore();
    const define = (second: boolean) =>
      workflow('w', (input: Wire<number>, step) => {
        const a = step('a', (x) => x + 1, input);
        const b = step('b', (x) => x * 10, input);
        return second ? b : a;
      });
    await execute(define(false), 1, { store, runId: 'r' });
    expect(collect(run(define(true), 1, { store, runId: 'r' })).error).toMatchObject({
      name: 'DefinitionMismatchError',
      diff: { results: [''] },
    });
    const state = await execute(define(true), 1, { store, runId: 'r', onMismatch: 'actual' });
    expect(state).toMatchObject({ status: 'COMPLETED', output: 10 });
    expect(state.steps.get('b')?.attempts).toBe(1);
  });

  it('a run that completed once and then failed has no output', async () => {
    const store = memoryStore();
    const work = agent('work', (x: number) => {
      if (x > 1) throw new Error('too much');
      return x;
    });
    await execute(work, 1, { store, runId: 'r' });
    expect(await execute(work, 2, { store, runId: 'r', onMismatch: 'actual' })).not.toHaveProperty('output');
  });

  it('a quorum is made of the same members after a resume', async () => {
    const store = memoryStore();
    const seen: unknown[] = [];
    let isDown = true;
    const w = workflow('w', (input: Wire<number>, step) => {
      const slow = step(
        'slow',
        async () => {
          await wait(20);
          return 'slow';
        },
        input,
      );
      const fast = step('fast', () => 'fast', input);
      const both = step(
        'both',
        async ([one]) => {
          seen.push(one);
          await wait(40);
          if (isDown) throw new Error('down');
          return one;
        },
        quorum(1, [slow, fast]),
      );
      return { both, slow };
    });
    await execute(w, 1, { store, runId: 'r' });
    isDown = false;
    await execute(w, 1, { store, runId: 'r' });
    expect(seen).toEqual(['fast', 'fast']);
  });

  it('the input codec of a workflow is applied where it is run itself', async () => {
    const w = workflow('w', (input: Wire<number>, step) => step('a', (x) => x, input), { input: t.number });
    expect(await execute(w, 'text' as never)).toMatchObject({
      status: 'FAILED',
      error: { name: 'ValidationError' },
    });
  });

  it('a workflow whose result is the output of a step keeps it in the form of that step', async () => {
    const now = agent('now', () => new Date(5), { output: DateText });
    const w = workflow('w', (input: Wire<unknown>, step) => step('now', now, input));
    const store = memoryStore();
    expect((await execute(w, 1, { store, runId: 'r' })).output).toEqual(new Date(5));
    expect((await execute(w, 1, { store, runId: 'r' })).output).toEqual(new Date(5));
  });

  it('an agent whose name ends in a number does not get the path of another link', async () => {
    const op = agent('op', (x: number) => x + 1);
    const { output, steps } = await execute(
      chain(
        'c',
        op,
        op,
        map((x: number) => x),
        op,
      ),
      0,
    );
    expect(output).toBe(3);
    expect(new Set([...steps].map(({ stepId }) => stepId)).size).toBe(4);
  });

  it('the idempotency key differs for each input of a plain pipe', async () => {
    const pay = agent('pay', (_: string, { idempotencyKey }) => idempotencyKey);
    const keys = await lastValueFrom(from(['order 1', 'order 2']).pipe(pay, toArray()));
    expect(new Set(keys).size).toBe(2);
  });
});

describe('calls that are over', () => {
  it('an attempt that was timed out cannot use the ids of the next one', async () => {
    let calls = 0;
    const x = agent('x', (v: number) => v);
    const zombie = agent(
      'a',
      async (_: number, ctx) => {
        const me = ++calls;
        await wait(me === 1 ? 130 : 80);
        return firstValueFrom(ctx.step('x', x, me));
      },
      { retry: 1, timeoutMs: 100 },
    );
    expect((await execute(zombie, 1)).output).toBe(2);
  });

  it('a signal that is read late, while the next attempt runs, is aborted', async () => {
    const signals: boolean[] = [];
    const late = agent(
      'late',
      async (_: number, ctx) => {
        if (ctx.attempt === 1) {
          await wait(40);
          signals.push(ctx.signal.aborted);
        } else await wait(15);
        return ctx.attempt;
      },
      { retry: { count: 1, delayMs: 15 }, timeoutMs: 20 },
    );
    await execute(late, 1);
    await wait(40);
    expect(signals).toEqual([true]);
  });

  it('a function that was stopped while it waited for a nested step can clean up', async () => {
    const cleaned = jest.fn();
    const patient = agent('patient', () => new Promise<never>(() => undefined));
    const parent = agent(
      'parent',
      async (_: number, ctx) => {
        try {
          return await firstValueFrom(ctx.step('child', patient, 1));
        } finally {
          cleaned();
        }
      },
      { timeoutMs: 15 },
    );
    await execute(parent, 1);
    await wait(1);
    expect(cleaned).toHaveBeenCalledTimes(1);
  });

  it('a nested step needs an id and an agent, and says so to the function', async () => {
    const store = memoryStore();
    const asks = (id: string, what: unknown) =>
      agent('asks', (_: number, ctx) => ctx.step(id, what as typeof double, 1));
    const double = agent('double', (x: number) => x * 2);
    for (const id of ['', 'a/b', 'q[3]']) {
      expect((await execute(asks(id, double), 1)).error).toMatchObject({ name: 'DefinitionError' });
    }
    const state = await execute(
      asks('x', (y: number) => y),
      1,
      { store, runId: 'r' },
    );
    expect(state.error?.message).toContain('it is no agent');
    expect(collect(run(asks('x', double), 1, { store, runId: 'r' })).ended).toBe('complete');
  });
});

describe('ends', () => {
  it('a teardown that throws neither keeps the run locked nor hides the end', async () => {
    const store = memoryStore();
    const bad = agent(
      'bad',
      () =>
        new Observable<number>(() => () => {
          throw new Error('teardown');
        }),
    );
    const life = collect(run(bad, 1, { store, runId: 'r' }));
    expect(() => life.leave?.()).not.toThrow();
    expect(await store.loadRun('r')).toMatchObject({ status: 'CANCELLED' });
    const timed = agent(
      'bad',
      () =>
        new Observable<number>(() => () => {
          throw new Error('teardown');
        }),
      { timeoutMs: 5 },
    );
    expect(await execute(timed, 1, { store, runId: 'r' })).toMatchObject({
      status: 'FAILED',
      error: { name: 'StepTimeoutError' },
    });
  });

  it('nothing thrown is a failure too, also in a plain pipe', async () => {
    const nothing = agent('nothing', () => {
      throw undefined;
    });
    const how = await new Promise((resolve) =>
      of(1)
        .pipe(nothing)
        .subscribe({ error: () => resolve('error'), complete: () => resolve('complete') }),
    );
    expect(how).toBe('error');
  });

  it('an endless synchronous stream can be left', () => {
    let made = 0;
    const endless = agent(
      'endless',
      () =>
        new Observable<number>((subscriber) => {
          while (!subscriber.closed && made < 1_000) subscriber.next(made++);
        }),
    );
    run(endless).pipe(take(5)).subscribe();
    expect(made).toBeLessThan(10);
  });

  it('a fold that throws ends a synchronous stream', async () => {
    let made = 0;
    const folding = agent(
      'folding',
      () =>
        new Observable<number>((subscriber) => {
          while (!subscriber.closed && made < 1_000) subscriber.next(made++);
        }),
      {
        reduce: {
          fold: (): number => {
            throw new Error('fold');
          },
          seed: 0,
        },
      },
    );
    expect((await execute(folding)).error?.message).toBe('fold');
    expect(made).toBeLessThan(3);
  });

  it('a run is released once when the subscriber leaves on hearing its end', async () => {
    const store = memoryStore();
    let releases = 0;
    const counting: Store = {
      ...store,
      claim: (runId) => {
        const claim = store.claim(runId);
        if (claim instanceof Promise) throw new TypeError('not here');
        return { ...claim, release: (state) => ((releases += 1), claim.release(state)) };
      },
    };
    const done = run(
      agent('a', (x: number) => x),
      1,
      { store: counting, runId: 'r' },
    );
    await firstValueFrom(done.pipe(first(({ event }) => event.type === 'run.completed')));
    expect(releases).toBe(1);
  });

  it('leaving a plain pipe from within an agent keeps the next one from being called', () => {
    const stop$ = new Subject<void>();
    const next = jest.fn((x: number) => x);
    const leaves = agent('leaves', (x: number) => {
      stop$.next();
      return x;
    });
    of(1)
      .pipe(chain('c', leaves, agent('next', next)), takeUntil(stop$))
      .subscribe();
    expect(next).not.toHaveBeenCalled();
  });
});

describe('policies', () => {
  it('a chain that is a step is limited in time', async () => {
    const torn = jest.fn();
    const slow = agent('slow', (x: number) => from(wait(200, x)).pipe(finalize(torn)));
    const w = workflow('w', (input: Wire<number>, step) =>
      step('c', chain('c', slow), input, { timeoutMs: 15 }),
    );
    const state = await execute(w, 1);
    expect(state.error).toMatchObject({ name: 'StepTimeoutError', path: 'c' });
    expect(torn).toHaveBeenCalledTimes(1);
  });

  it('numbers that make no sense are refused when the agent is defined', () => {
    const refuse = (options: object) =>
      expect(() => agent('a', () => 1, options)).toThrow(
        expect.objectContaining({ name: 'DefinitionError' }),
      );
    refuse({ retry: NaN });
    refuse({ retry: { count: 1, delayMs: NaN } });
    refuse({ timeoutMs: -1 });
    refuse({ concurrency: 0 });
    expect(() => agent('a', undefined as never)).toThrow('its work must be a function');
  });

  it('a run that waits for an answer keeps no process alive for its deadline', () => {
    jest.useFakeTimers();
    try {
      const asks = approval('ask', t.boolean, { timeoutMs: 1e9 });
      const seen = collect(run(chain('c', asks), 'x', { store: memoryStore(), runId: 'r' }));
      expect(seen.told.at(-1)).toBe('run.suspended');
      expect(jest.getTimerCount()).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  it('a predicate that answers with a Promise is told from one that says yes', async () => {
    const later = (() => Promise.resolve(false)) as never;
    const w = workflow('w', (input: Wire<number>, step) => step('a', (x) => x, input, { when: later }));
    expect((await execute(w, 1)).error?.message).toContain(
      'when of step "a" must give true or false, got a Promise',
    );
    const again = loop(
      'l',
      agent('a', (x: number) => x),
      { until: later, max: 3 },
    );
    expect((await execute(again, 1)).error?.message).toContain('until of loop "l"');
  });

  it('a delay that is no number fails the step with what it gave', async () => {
    const broken = agent(
      'broken',
      (): number => {
        throw new Error('no');
      },
      { retry: { count: 1, delayMs: (() => undefined) as never } },
    );
    expect((await execute(broken)).error?.message).toContain('retry.delayMs gave undefined');
  });

  it('a source of inputs that breaks is not blamed on a run that has ended', async () => {
    const inputs = concat(
      of(1),
      throwError(() => new Error('source')),
    );
    const all = await lastValueFrom(
      inputs.pipe(runEach(agent('a', (x: number) => x)), outcomes(), toArray()),
    );
    expect(all.map((outcome) => (isRight(outcome) ? 'ok' : outcome.left.runId))).toEqual(['ok', '']);
  });

  it('what is no agent, and what is no store, is refused at once', () => {
    expect(() => run(((x: number) => x) as never, 1)).toThrow('it is no agent; make one with agent()');
    expect(() =>
      run(
        agent('a', () => 1),
        undefined,
        { store: './state' as never },
      ),
    ).toThrow("lowdbStore('./state')");
  });

  it('a plain function in a chain is told from an operator', async () => {
    const state = await execute(chain('c', ((x: number) => x + 1) as never), 1);
    expect(state.error?.message).toContain('is no operator; wrap the function with agent()');
  });
});
