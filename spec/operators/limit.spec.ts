import fc from 'fast-check';
import * as t from 'io-ts';
import {
  fromEvent,
  lastValueFrom,
  map,
  merge,
  NEVER,
  Observable,
  of,
  take,
  takeUntil,
  tap,
  timer,
  toArray,
  VirtualTimeScheduler,
} from 'rxjs';

import type { Wire } from '../../lib/definition/wire';
import { limiterOf } from '../../lib/engine/local/limiter';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import type { Agent, LimitPolicy, StepPolicy } from '../../lib/model/agentType';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { agent } from '../../operators/agents/agent';
import { approval } from '../../operators/agents/approval';
import { chain } from '../../operators/agents/chain';
import { each } from '../../operators/agents/each';
import { withPolicy } from '../../operators/agents/withPolicy';
import { workflow } from '../../operators/agents/workflow';
import { answer } from '../../operators/runs/answer';
import { execute } from '../../operators/runs/execute';
import { outputs } from '../../operators/runs/outputs';
import { run } from '../../operators/runs/run';
import { runEach } from '../../operators/runs/runEach';
import { expectRun } from '../../testing/index';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';
import { until } from '../support/until';

const slow = (name: string, ms: number, options: StepPolicy = {}): Agent<string, string> =>
  agent(name, (value: string) => timer(ms).pipe(map(() => value)), options);

describe('limit', () => {
  it(
    'lets so many calls run at once, over all runs, first come first served',
    marbles(({ scheduler, expectObservable }) => {
      const ask = slow('ask', 10, { limit: { concurrency: 2 } });
      const runs = of('a', 'b', 'c', 'd', 'e').pipe(runEach(ask, { scheduler }), outputs());
      expectObservable(runs).toBe('10ms (ab) 6ms (cd) 6ms (e|)');
    }),
  );

  it(
    'is shared by agents that are given the same object, and by runs of different workflows',
    marbles(({ scheduler, expectObservable }) => {
      const limit = { concurrency: 1 };
      const one = run(slow('one', 10, { limit }), 'a', { scheduler }).pipe(outputs());
      const two = run(slow('two', 10, { limit }), 'b', { scheduler }).pipe(outputs());
      const free = run(slow('free', 10, { limit: { concurrency: 1 } }), 'c', { scheduler }).pipe(outputs());
      expectObservable(merge(one, two, free)).toBe('10ms (ac) 6ms (b|)');
    }),
  );

  it(
    'lets so many calls begin within any span of time',
    marbles(({ scheduler, expectObservable }) => {
      const ask = slow('ask', 1, { limit: { rate: { count: 2, perMs: 100 } } });
      const runs = of('a', 'b', 'c', 'd', 'e').pipe(runEach(ask, { scheduler }), outputs());
      expectObservable(runs).toBe('-(ab) 96ms (cd) 96ms (e|)');
    }),
  );

  it(
    'counts inputs with different keys apart',
    marbles(({ scheduler, expectObservable }) => {
      const ask = agent('ask', (order: string) => timer(10).pipe(map(() => order)), {
        limit: { concurrency: 1, key: (order) => order.charAt(0) },
      });
      const runs = of('a1', 'a2', 'b1', 'b2').pipe(
        runEach(ask, { scheduler }),
        outputs(),
        map((order) => order.replace('1', '').replace('2', "'")),
      );
      expectObservable(runs).toBe('10ms (ab) 6ms (cd|)', { a: 'a', b: 'b', c: "a'", d: "b'" });
    }),
  );

  it(
    'does not time, start or count what waits',
    marbles(({ scheduler, flush }) => {
      const ask = slow('ask', 10, { limit: { concurrency: 1 }, timeoutMs: 15 });
      const runs = of('a', 'b', 'c').pipe(runEach(ask, { scheduler, runId: (id) => id }));
      const { events } = collect(runs);
      flush();
      const durations = events.flatMap((event) =>
        event.type === 'step.completed' ? [[event.runId, event.at, event.duration]] : [],
      );
      expect(durations).toEqual([
        ['a', 10, 0.01],
        ['b', 20, 0.01],
        ['c', 30, 0.01],
      ]);
    }),
  );

  it(
    'forgets who leaves the queue, and gives the room of who leaves to the next one',
    marbles(({ scheduler, expectObservable, cold }) => {
      const ask = slow('ask', 10, { limit: { concurrency: 1 } });
      const started = (id: string) => run(ask, id, { scheduler }).pipe(outputs());
      const a = started('a').pipe(takeUntil(cold('----x')));
      const b = started('b').pipe(takeUntil(cold('--x')));
      expectObservable(merge(a, b, started('c'))).toBe('14ms (c|)');
    }),
  );

  it(
    'gives the room back while it waits to try again',
    marbles(({ scheduler, expectObservable }) => {
      let calls = 0;
      const limit = { concurrency: 1 };
      const flaky = agent(
        'flaky',
        (id: string) => {
          calls += 1;
          if (calls === 1) throw new Error('once');
          return timer(5).pipe(map(() => id));
        },
        { limit, retry: { count: 1, delayMs: 20 } },
      );
      const a = run(flaky, 'a', { scheduler }).pipe(outputs());
      const b = run(slow('b', 30, { limit }), 'b', { scheduler }).pipe(outputs());
      expectObservable(merge(a, b)).toBe('30ms b 4ms (a|)');
    }),
  );

  it('bounds how often a whole chain is under way as a step', () => {
    const limit = { concurrency: 1 };
    const inner = chain('inner', slow('first', 5), slow('last', 5));
    const both = workflow('both', (id: Wire<string>, step) => ({
      a: step('a', inner, id, { limit }),
      b: step('b', inner, id, { limit }),
    }));
    expectRun(both, 'x').toBe({ a: 's 9ms |', b: '10ms s 9ms |', 'b/first': '10ms s----|' });
  });

  describe('of something within something that has the same one', () => {
    type Any = Agent<unknown, unknown>;
    /** Counts the calls that are under way. */
    function counted(limit: LimitPolicy) {
      const seen = { now: 0, most: 0 };
      const call = agent<unknown, unknown>(
        'call',
        (input) =>
          timer(5).pipe(
            tap({
              subscribe: () => (seen.most = Math.max(seen.most, (seen.now += 1))),
              next: () => (seen.now -= 1),
            }),
            map(() => input),
          ),
        { limit },
      );
      return { seen, call };
    }
    const quick = agent<unknown, unknown>('quick', (input) => timer(1).pipe(map(() => input)));
    const around: readonly [string, number, number, (limit: LimitPolicy, call: Any) => Any][] = [
      ['a chain that is the run', 1, 1, (limit, call) => withPolicy(chain('x', call), { limit })],
      [
        'a chain in a chain, twice',
        1,
        2,
        (limit, call) => {
          const inner = withPolicy(chain('inner', call, call), { limit });
          return chain('c', withPolicy(chain('outer', quick, inner), { limit }), call);
        },
      ],
      [
        'as many chains as there are places',
        2,
        5,
        (limit, call) => chain('c', withPolicy(chain('x', quick, call), { limit })),
      ],
      [
        'an each',
        3,
        2,
        (limit, call) => {
          const all = each('all', call) as unknown as Any;
          return chain('c', agent('list', () => [1, 2, 3, 4, 5]) as Any, withPolicy(all, { limit }));
        },
      ],
      [
        'a function that asks for it',
        1,
        2,
        (limit, call) =>
          agent<unknown, unknown>('f', async (input, context) => context.call('call', call, input), {
            limit,
          }),
      ],
    ];

    it.each(around)(
      'takes its place, so that neither waits for the other: %s',
      async (_, concurrency, runs, make) => {
        const limit = { concurrency };
        const { seen, call } = counted(limit);
        const work = make(limit, call);

        const ended = await Promise.race([
          Promise.all(Array.from({ length: runs }, async () => execute(work, 1))),
          lastValueFrom(timer(3_000).pipe(map(() => []))),
        ]);

        expect(ended.map(({ status }) => status)).toEqual(Array.from({ length: runs }, () => 'COMPLETED'));
        expect(seen).toEqual({ now: 0, most: concurrency });
        // All the room is there again.
        const after = await Promise.all(Array.from({ length: concurrency }, async () => execute(call, 1)));
        expect(after.map(({ status }) => status)).toEqual(after.map(() => 'COMPLETED'));
      },
    );
  });

  it('holds no room after a failed, an unsubscribed and a broken life', async () => {
    const limit = { concurrency: 1 };
    const failing = agent(
      'failing',
      (): number => {
        throw new Error('no');
      },
      { limit },
    );
    const both = workflow('both', (input: Wire<string>, step) => ({
      f: step('f', failing, input),
      never: step(
        'never',
        agent('never', () => NEVER, { limit }),
        input,
      ),
    }));
    expect(collect(run(both, 'x')).ended).toBe('error');
    collect(
      run(
        agent('forever', () => NEVER, { limit }),
        undefined,
      ),
    ).leave?.();
    const broken = memoryStore();
    const claim = broken.claim.bind(broken);
    broken.claim = (runId) => {
      const given = claim(runId) as object as { note: () => void };
      given.note = () => {
        throw new Error('full');
      };
      return given as never;
    };
    expect(collect(run(slow('a', 0, { limit }), 'a', { store: broken })).ended).toBe('error');

    await expect(lastValueFrom(run(slow('b', 1, { limit }), 'b').pipe(outputs()))).resolves.toBe('b');
  });

  it('fails the step whose key cannot be made, and only that', () => {
    const ask = agent('ask', (n: number) => n, {
      limit: {
        concurrency: 1,
        key: (n) => {
          if (n === 1) throw new Error('no key');
          return '';
        },
      },
    });
    const { told, transitions } = collect(of(1, 2).pipe(runEach(ask)));

    expect(told).toContain('step.failed ask');
    expect(told.filter((one) => one === 'step.started ask')).toHaveLength(1);
    expect(transitions.at(-1)?.state.output).toBe(2);
  });

  it('lets thousands of waiting steps through without deepening the stack', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const limit = { concurrency: 1 };
    const first = agent('first', async () => gate.then(() => 0), { limit });
    const ask = agent('ask', (n: number) => n, { limit });
    const holding = lastValueFrom(run(first, undefined));
    const all = lastValueFrom(
      of(...Array.from({ length: 3_000 }, (_, n) => n)).pipe(
        runEach(ask, { concurrency: Infinity }),
        outputs(),
        toArray(),
      ),
    );
    release();
    await holding;

    expect(await all).toHaveLength(3_000);
  });

  it('applies in a plain pipe', async () => {
    let now = 0;
    let most = 0;
    const ask = agent(
      'ask',
      async (n: number) => {
        now += 1;
        most = Math.max(most, now);
        await new Promise((resolve) => setTimeout(resolve, 1));
        now -= 1;
        return n;
      },
      { limit: { concurrency: 2 }, concurrency: 10 },
    );
    await lastValueFrom(of(1, 2, 3, 4, 5, 6).pipe(ask));

    expect(most).toBe(2);
  });

  /** The widest of three narrowest gaps: a busy machine may hold up what tells the time, right behind the beginning of a call. */
  const narrowest = async (enoughMs: number, attempt: () => Promise<number>): Promise<number> => {
    let widest = 0;
    for (let round = 0; round < 3 && widest < enoughMs; round += 1)
      widest = Math.max(widest, await attempt());
    return widest;
  };

  it('keeps the rate on the real clock', async () => {
    const gap = await narrowest(39.9, async () => {
      const times: number[] = [];
      const ask = agent('ask', (_: number) => times.push(performance.now()), {
        limit: { rate: { count: 2, perMs: 40 } },
      });
      await lastValueFrom(of(1, 2, 3, 4, 5).pipe(runEach(ask)));
      return Math.min(times[2]! - times[0]!, times[4]! - times[2]!);
    });
    expect(gap).toBeGreaterThanOrEqual(39.9);
  });

  it('calls nothing more when the run of who waits is left', () => {
    const seen: string[] = [];
    const ask = agent(
      'ask',
      (id: string, { signal }) => {
        seen.push(`called ${id}`);
        fromEvent(signal, 'abort').subscribe(() => seen.push(`aborted ${id}`));
        return NEVER;
      },
      { limit: { concurrency: 1 } },
    );
    const both = workflow('both', (id: Wire<string>, step) => ({
      a: step('a', ask, id),
      b: step('b', ask, id),
    }));
    const { leave, told } = collect(run(both, 'x'));
    leave?.();

    expect(seen).toEqual(['called x', 'aborted x']);
    expect(told).toEqual(['run.started', 'step.started a']);
  });

  it('keeps to its numbers whatever comes, first come first served, and lets everybody in', () => {
    const visit = fc.record({
      at: fc.integer({ min: 0, max: 60 }),
      stays: fc.integer({ min: 0, max: 30 }),
      leavesAt: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined, freq: 4 }),
    });
    fc.assert(
      fc.property(
        fc.array(visit, { maxLength: 40 }),
        fc.integer({ min: 1, max: 4 }),
        fc.option(
          fc.record({ count: fc.integer({ min: 1, max: 3 }), perMs: fc.integer({ min: 1, max: 25 }) }),
          {
            nil: undefined,
          },
        ),
        (visits, concurrency, rate) => {
          const scheduler = new VirtualTimeScheduler();
          const limiter = limiterOf({ concurrency, ...(rate && { rate }) }, scheduler);
          const entries: { readonly visitor: number; readonly at: number }[] = [];
          const arrivals: number[] = [];
          let inside = 0;
          visits.forEach(({ at, stays, leavesAt }, visitor) => {
            scheduler.schedule(() => {
              let hasLeft = false;
              let isIn = false;
              const leave = () => {
                if (hasLeft) return;
                hasLeft = true;
                if (isIn) inside -= 1;
                else arrivals.splice(arrivals.indexOf(visitor), 1);
                stop();
              };
              arrivals.push(visitor);
              const stop = limiter.admit('', () => {
                isIn = true;
                inside += 1;
                expect(inside).toBeLessThanOrEqual(concurrency);
                expect(arrivals.shift()).toBe(visitor);
                entries.push({ visitor, at: scheduler.now() });
                scheduler.schedule(leave, stays);
              });
              if (leavesAt !== undefined) scheduler.schedule(leave, leavesAt);
            }, at);
          });
          scheduler.flush();

          expect([inside, arrivals]).toEqual([0, []]);
          if (rate === undefined) return;
          entries.forEach(({ at }, index) => {
            const before = entries[index - rate.count];
            if (before !== undefined) expect(at - before.at).toBeGreaterThanOrEqual(rate.perMs);
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  it('lets nobody in before the call that is stopped has been torn down', () => {
    const told: string[] = [];
    const hold = agent(
      'hold',
      (name: string) =>
        new Observable<string>(() => {
          told.push(`${name} begins`);
          return () => told.push(`${name} ends`);
        }),
      { limit: { concurrency: 1 } },
    );
    const [first, second] = ['a', 'b'].map((name) => run(hold, name).subscribe());
    first?.unsubscribe();
    second?.unsubscribe();
    expect(told).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('keeps no room when its run is left at event %i', async (count) => {
    const store = memoryStore();
    const limited = { limit: { concurrency: 1 } };
    const work = chain(
      'work',
      withPolicy(
        chain(
          'inner',
          agent('a', (x: number) => x, limited),
        ),
        { limit: { concurrency: 1 } },
      ),
      agent('b', (x: number) => Promise.resolve(x), limited),
    );
    await lastValueFrom(run(work, 1, { store, runId: 'r' }).pipe(take(count)));

    expect((await execute(work, 1, { store, runId: 'r' })).status).toBe('COMPLETED');
  });

  it('refuses limits that make no sense', () => {
    const limited = (limit: object) => () => agent('a', () => 1, { limit });

    expect(limited({})).toThrow(DefinitionError);
    expect(limited({ concurrency: 0 })).toThrow('limit.concurrency must be a whole number from 1, got 0');
    expect(limited({ rate: { count: 1.5, perMs: 1 } })).toThrow('limit.rate.count');
    expect(limited({ rate: { count: 1, perMs: 0 } })).toThrow('limit.rate.perMs must be positive, got 0');
  });

  it('counts the rate from where a call begins, however long a tap takes before', async () => {
    const busy = (ms: number): void => {
      const since = performance.now();
      while (performance.now() - since < ms);
    };
    const gap = await narrowest(40, async () => {
      const began: number[] = [];
      const call = agent('call', (_: number) => began.push(performance.now()), {
        limit: { rate: { count: 1, perMs: 40 } },
      });
      let heard = 0;
      await lastValueFrom(
        run(each('all', call), [1, 2, 3]).pipe(
          tap(({ event }) => {
            if (event.type === 'step.started' && event.path.includes('call') && (heard += 1) === 1) busy(30);
          }),
        ),
      );
      return Math.min(...began.slice(1).map((at, index) => at - (began[index] ?? 0)));
    });
    expect(gap).toBeGreaterThanOrEqual(40);
  });

  it('lets others in by the rate when a function that has lent its room has it back', async () => {
    const limit = { rate: { count: 1, perMs: 20 } };
    const store = memoryStore();
    const inner = agent('inner', (n: number) => n + 1, { limit });
    const asking = agent(
      'asking',
      async (n: number, context) =>
        (await context.call('ask', approval('ask', t.boolean), n)) ? context.call('inner', inner, n) : 0,
      { limit },
    );
    const ends: (() => void)[] = [];
    const flow = workflow('flow', (n: Wire<number>, step) => ({
      asked: step('asking', asking, n),
      // Meanwhile the run does not rest.
      busy: step('busy', () => new Promise<void>((resolve) => ends.push(resolve)), n),
    }));
    const seen = collect(run(flow, 1, { store, runId: 'r' }));
    await until(() => seen.told.includes('step.suspended asking/ask'));
    await answer('r', 'asking/ask', true, { store });
    await until(() => seen.told.includes('step.completed asking'), 4_000);
    ends[0]?.();
    await until(() => seen.ended !== 'open');

    expect(seen.transitions.at(-1)?.state.output).toMatchObject({ asked: 2 });
  });

  it('does not hold what was answered back by the rate: it begins nothing', async () => {
    const limit = { rate: { count: 1, perMs: 600_000 } };
    const store = memoryStore();
    const sign = withPolicy(chain('sign', approval('ask', t.boolean), agent('say', String)), { limit });
    const ends: (() => void)[] = [];
    const flow = workflow('flow', (n: Wire<number>, step) => ({
      signed: step('sign', sign, n),
      // Meanwhile the run does not rest.
      busy: step('busy', () => new Promise<void>((resolve) => ends.push(resolve)), n),
    }));
    const seen = collect(run(flow, 1, { store, runId: 'r' }));
    await until(() => seen.told.includes('step.suspended sign/ask'));
    const behind = collect(
      run(
        agent('behind', (n: number) => n, { limit }),
        1,
      ),
    );
    await answer('r', 'sign/ask', true, { store });
    await until(() => seen.told.includes('step.completed sign'), 4_000);
    ends[0]?.();
    await until(() => seen.ended !== 'open');

    expect(seen.transitions.at(-1)?.state.output).toMatchObject({ signed: 'true' });
    expect(behind.told).toEqual(['run.started']);
    behind.leave?.();
  });

  it('gives the place of one that never begins to the next', async () => {
    const limit = { rate: { count: 1, perMs: 60_000 } };
    const strict = agent('strict', (n: number) => n, { input: t.number, limit });
    expect((await execute(strict, 'no' as never)).status).toBe('FAILED');
    expect((await execute(strict, 1)).output).toBe(1);
  });
});
