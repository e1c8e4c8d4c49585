import { firstValueFrom, lastValueFrom, map, of, retry, takeUntil, timer, VirtualTimeScheduler } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';

import type { Wire } from '../../lib/definition/wire';
import { settled } from '../../lib/definition/wire';
import { UnknownRunError } from '../../lib/errors/storageErrors';
import type { StepContext } from '../../lib/model/agentType';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { agent } from '../../operators/agents/agent';
import { chain } from '../../operators/agents/chain';
import { each } from '../../operators/agents/each';
import { workflow } from '../../operators/agents/workflow';
import { partials } from '../../operators/runs/partials';
import { run } from '../../operators/runs/run';
import {
  expectRun,
  explore,
  fakeAgent,
  InterleavingError,
  LaneMismatchError,
  recordingStore,
  toMarbles,
} from '../../testing/index';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';

const report = (
  load = fakeAgent('load', { afterMs: 2, value: 'text' }),
  topics = fakeAgent('topics', { afterMs: 3, value: 'rivers' }),
) =>
  workflow('report', (path: Wire<string>, step) => {
    const text = step('load', load, path);
    const stats = step('stats', fakeAgent('stats', { afterMs: 1, value: 4 }), text);
    return { stats, topics: step('topics', topics, text) };
  });

describe('fakeAgent()', () => {
  it(
    'answers as an async function would, in virtual time',
    marbles(({ expectObservable }) => {
      const fake = fakeAgent('fake', { afterMs: 3, value: 'a' });
      expectObservable(of(1, 2).pipe(fake)).toBe('---a--(a|)');
    }),
  );

  it(
    'plays marbles, each letter a partial result',
    marbles(({ scheduler, expectObservable }) => {
      const letters = run(fakeAgent('typing', '-a 9ms b|'), undefined, { scheduler }).pipe(
        partials(),
        map(({ value }) => value),
      );
      expectObservable(letters).toBe('-a 9ms b|');
    }),
  );

  it('plays one entry a call and then stays with the last', () => {
    const flaky = fakeAgent('flaky', [{ error: new Error('down') }, { value: 1 }, { value: 2 }]);
    expectRun(chain('c', flaky, flaky, flaky), undefined).toBe({ flaky: '(s#)' });

    const again = fakeAgent('again', [{ error: new Error('down') }, { value: 1 }, { value: 2 }], {
      retry: 1,
    });
    expect(expectRun(chain('c', again, again, again), undefined).toBe({}).output).toBe(2);
    expect(again.calls).toHaveLength(4);
  });

  it('answers by its input, and remembers its calls', () => {
    const doubled = fakeAgent('double', (n: number) => ({ value: n * 2 }));
    const state = expectRun(chain('c', doubled, doubled), 3).toBe({});

    expect(state.output).toBe(12);
    expect(doubled.calls.map(({ input, path, attempt }) => [input, path, attempt])).toEqual([
      [3, 'double', 1],
      [6, 'double[1]', 1],
    ]);
  });

  it('plays in real time elsewhere, and sees that nobody waits any more', async () => {
    const fake = fakeAgent('fake', [
      { afterMs: 20, value: 'a' },
      { afterMs: 60_000, value: 'b' },
    ]);
    const startedAt = performance.now();
    expect(await firstValueFrom(of(0).pipe(fake))).toBe('a');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(18);

    await lastValueFrom(run(fake, undefined).pipe(takeUntil(timer(2))));
    expect(fake.calls.map(({ signal }) => signal.aborted)).toEqual([false, true]);
  });

  it('leaves no timer behind when nobody waits any more', () => {
    const clock = new VirtualTimeScheduler();
    const fake = fakeAgent('fake', { afterMs: 60_000, value: 'a' }, { scheduler: clock });
    run(fake, undefined).subscribe().unsubscribe();
    clock.flush();

    expect(clock.now()).toBe(0);
  });
});

describe('expectRun()', () => {
  it('compares when the steps of a workflow begin and end', () => {
    const state = expectRun(report(), 'book.txt').toBe({
      load: '  s-|',
      stats: ' --s|',
      topics: '--s--|',
      nobody: '',
    });

    expect(state.output).toEqual({ stats: 4, topics: 'rivers' });
  });

  it('shows retries, timeouts, skipped and cancelled steps', () => {
    const slow = fakeAgent(
      'slow',
      { afterMs: 50, value: 1 },
      { timeoutMs: 5, retry: { count: 1, delayMs: 10 } },
    );
    const mixed = workflow('mixed', (input: Wire<number>, step) => ({
      slow: step('slow', slow, input),
      long: step('long', fakeAgent('long', '100ms a|'), input),
      never: step('never', (n: number) => n, input, { when: () => false }),
    }));
    expectRun(mixed, 1).toBe({ slow: 's----r 9ms s----#', long: 's 19ms x', never: 'k' });
  });

  it('shows both diagrams when they differ', () => {
    expect(() => expectRun(report(), 'x').toBe({ load: 's-|', stats: '--s-|', nobody: 's' })).toThrow(
      'Run of "report" went another way:\n' +
        '  stats\n    expected: --s-|\n    actual:   --s|\n' +
        '  nobody\n    expected: s\n    actual:   nothing, no step has this path; there are load, topics, stats',
    );
  });

  it('names the path that may be meant, and says why an async function does not end', () => {
    const slow = agent('slow', async (n: number) => Promise.resolve(n));
    const flow = chain('flow', each('all', slow), fakeAgent('sum', { afterMs: 1, value: 3 }));
    const wrong = () => expectRun(flow, [1]).toBe({ som: 's|', 'all[0]/slow': 's|', all: 's|', sum: 's|' });

    expect(wrong).toThrow(
      'som\n    expected: s|\n    actual:   nothing, no step has this path; near it: sum\n',
    );
    expect(wrong).toThrow(
      'all[0]/slow\n    expected: s|\n    actual:   s, virtual time does not reach what it waits for; let a fakeAgent() stand in for an async function\n',
    );
    expect(wrong).toThrow(
      /all\n {4}expected: s\|\n {4}actual: {3}s\n {2}sum\n {4}expected: s\|\n {4}actual: {3}nothing$/,
    );
  });

  it('takes what falls into a group of marks as it is drawn, behind the group', () => {
    const plan = [
      { afterMs: 4, error: new Error('down') },
      { afterMs: 1, value: 'up' },
    ];
    const flaky = () => fakeAgent('flaky', plan, { retry: 1 });

    expect(expectRun(flaky(), undefined).toBe({ flaky: 's---(rs)|' }).output).toBe('up');
    expect(() => expectRun(flaky(), undefined).toBe({ flaky: 's---(rs)-|' })).toThrow(LaneMismatchError);
  });

  it('ends where nothing is left to happen', () => {
    expect(
      expectRun(
        agent('never', () => new Promise(() => undefined)),
        undefined,
      ).toBe({ never: 's' }).status,
    ).toBe('RUNNING');
  });
});

describe('toMarbles()', () => {
  it('draws a recorded run, in the form that expectRun takes', async () => {
    const store = memoryStore();
    const flow = report(undefined, fakeAgent('topics', { afterMs: 200, error: new Error('no\nmodel') }));
    const scheduler = new TestScheduler(() => undefined);
    scheduler.run(({ flush }) => {
      collect(run(flow, 'book.txt', { store, runId: 'book', scheduler }));
      flush();
    });
    const text = await toMarbles(store, 'book');

    expect(text.split('\n')).toEqual([
      '// run "book" of "report": FAILED after 202 ms: no model',
      '{',
      "  load: 's-|',",
      "  stats: '--s|',",
      "  topics: '--s 199ms #',",
      '}',
    ]);
    const lanes = [...text.matchAll(/^ {2}(.+): '(.+)',$/gm)].map(([, path, lane]) => [path, lane] as const);
    expectRun(flow, 'book.txt').toBe(Object.fromEntries(lanes));
  });

  it('quotes the paths of nested steps and shows what was left', async () => {
    const store = memoryStore();
    const flow = workflow('flow', (input: Wire<string>, step) => ({
      sub: step('sub', chain('sub', fakeAgent('one', { value: 1 }), fakeAgent('two', '50ms a|')), input),
      bad: step('bad', fakeAgent('bad', { afterMs: 10, error: new Error('bad') }), input),
      not: step('not', (text: string) => text, input, { when: () => false }),
    }));
    const scheduler = new TestScheduler(() => undefined);
    scheduler.run(({ flush }) => {
      collect(run(flow, 'x', { store, runId: 'r', scheduler }));
      flush();
    });

    const text = await toMarbles(store, 'r');
    expect(text).toContain("  'sub/one': '(s|)',");
    expect(text).toContain("  'sub/two': '10ms x',");
    expect(text).toContain("  not: 'k',");
  });

  it('draws every attempt of every life that was recorded', async () => {
    const store = recordingStore(memoryStore());
    const plan = [
      { afterMs: 20, error: new Error('down') },
      { afterMs: 20, error: new Error('down') },
      { afterMs: 5, value: 1 },
    ];
    const flaky = fakeAgent<number>('b', plan, { retry: { count: 1, delayMs: 10 } });
    const scheduler = new TestScheduler(() => undefined);
    scheduler.run(({ flush }) => {
      const lives = run(chain('c', flaky), 1, { store, runId: 'r', scheduler }).pipe(
        retry({ count: 1, delay: 30 }),
      );
      collect(lives);
      flush();
    });
    expect((await toMarbles(store, 'r')).split('\n')).toContain("  b: 's 19ms r 9ms s 19ms # 29ms s----|',");
  });

  it('refuses a run that nobody knows', async () => {
    await expect(toMarbles(memoryStore(), 'nobody')).rejects.toThrow(UnknownRunError);
  });
});

describe('explore()', () => {
  it.each([[0], [Number.NaN], [-1], [1.5], [[]], [[Number.NaN]]])(
    'refuses %j seeds, with which nothing is tried',
    async (seeds) => {
      await expect(explore(report(), { input: 'x', seeds })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    },
  );

  /** Keeps the answer that came last: right only when they come in the order of declaration. */
  const racy = () => {
    let latest = '';
    const note = (name: string) =>
      agent(name, (text: string) => {
        latest = text + name;
        return latest;
      });
    return workflow('racy', (input: Wire<string>, step) => {
      const a = step('a', fakeAgent('a', { afterMs: 1, value: 'a' }), input);
      const b = step('b', fakeAgent('b', { afterMs: 2, value: 'b' }), input);
      const done = [step('na', note('1'), a), step('nb', note('2'), b)] as const;
      return step('last', () => latest, done);
    });
  };

  it('finds a bug that one order shows, and tells its seed', async () => {
    const found = await explore(racy, { input: 'x', seeds: 100 }).catch((error: unknown) => error);

    expect(found).toBeInstanceOf(InterleavingError);
    const { seed, message, order } = found as InterleavingError;
    expect(message).toContain(
      `Seed ${String(seed)} breaks "racy": the output is "a1", in the plain order "b2"`,
    );
    expect(order.indexOf('nb')).toBeLessThan(order.indexOf('na'));
    await expect(explore(racy, { input: 'x', seeds: [seed] })).rejects.toMatchObject({ seed, order });
  });

  it('goes through many orders of what is right', async () => {
    const wide = workflow('wide', (input: Wire<number>, step) =>
      Array.from({ length: 5 }, (_, n) =>
        step(`s${String(n)}`, fakeAgent('s', { afterMs: n, value: n }), input),
      ),
    );

    const { seeds, orders } = await explore(wide, { input: 0, seeds: 200 });
    expect(seeds).toBe(200);
    expect(orders).toBeGreaterThan(50);
  });

  it('goes through functions that are truly async, dynamic steps, retries and delays', async () => {
    const one = agent('one', async (n: number) => Promise.resolve(n + 1));
    const flaky = fakeAgent(
      'flaky',
      (n: number, call) => (call % 2 === 1 ? { error: new Error('odd') } : { value: n }),
      {
        retry: { count: 1, delayMs: 1_000_000 },
      },
    );
    const both = agent('both', async (n: number, ctx) => {
      const [x, y] = await Promise.all([
        lastValueFrom(ctx.step('x', one, n)),
        lastValueFrom(ctx.step('y', one, n)),
      ]);
      return x + y;
    });
    const all = workflow('all', (n: Wire<number>, step) => ({
      both: step('both', both, n),
      flaky: step('flaky', flaky, n),
    }));

    await expect(
      explore(all, {
        input: 1,
        seeds: 50,
        invariant: ({ state }) => {
          expect(state.output).toEqual({ both: 4, flaky: 1 });
        },
      }),
    ).resolves.toMatchObject({ seeds: 50 });
  });

  it('checks an invariant of the caller over the transitions', async () => {
    const flow = workflow('flow', (input: Wire<string>, step) => ({
      a: step('a', fakeAgent('a', { afterMs: 1, value: 'a' }), input),
      b: settled(step('b', fakeAgent('b', { afterMs: 1, error: new Error('no') }), input)),
      c: step('c', fakeAgent('c', [{ afterMs: 1, error: new Error('no') }]), input),
    }));
    const failed = explore(flow, {
      input: 'x',
      seeds: 20,
      invariant: ({ transitions }) => transitions.every(({ event }) => event.type !== 'run.failed'),
    });

    await expect(failed).rejects.toThrow('Seed 1 breaks "flow": the invariant gave false');
  });

  it('lets steps read and change what they share', async () => {
    interface Hall {
      readonly seats: number;
      readonly log: readonly string[];
    }
    const initial: Hall = { seats: 1, log: [] };
    const take = agent('take', (who: string, { shared, update }: StepContext<Hall>) => {
      if (shared.seats === 0) return 'nobody';
      update((draft) => {
        draft.seats -= 1;
        draft.log.push(who);
      });
      return who;
    });
    const hall = workflow(
      'hall',
      (input: Wire<string>, step) =>
        ['ann', 'bo'].map((who) =>
          step(who, take, step(`find ${who}`, fakeAgent('find', { afterMs: 1, value: who }), input)),
        ),
      { shared: { initial } },
    );
    const states: unknown[] = [];
    await explore(hall, {
      input: 'x',
      seeds: 50,
      invariant: ({ state }) => states.push(state.shared),
    });

    // Both may look before either has taken it.
    expect(states).toContainEqual({ seats: -1, log: ['ann', 'bo'] });
    expect(states).toContainEqual({ seats: 0, log: ['bo'] });
    expect(states).toHaveLength(50);
    const idle = workflow(
      'idle',
      (input: Wire<string>, step) => step('same', (text: string) => text, input),
      {
        shared: { initial },
      },
    );
    await explore(idle, {
      input: 'x',
      seeds: 1,
      invariant: ({ state }) => {
        expect(state.shared).toEqual(initial);
      },
    });
  });

  it('says so when a run is stuck', async () => {
    const stuck = agent('stuck', () => new Promise<number>(() => undefined));

    await expect(explore(stuck, { seeds: 1, patienceMs: 5 })).rejects.toThrow('the run is stuck');
  });
});
