import { isLeft, isRight } from 'fp-ts/lib/Either';
import { delay, of, throwError, timer } from 'rxjs';
import { filter, map } from 'rxjs';

import {
  agent,
  execute,
  memoryStore,
  outputs,
  pick,
  live,
  quorum,
  run,
  settled,
  toMermaid,
  workflow,
} from '../../index';
import type { Transition, Wire } from '../../index';
import { marbles } from '../support/marbles';
import { quickest } from '../support/quickest';
import { collect } from '../support/told';
import { until } from '../support/until';

/** An agent that answers with its name after so many milliseconds. */
const slow = (name: string, ms: number) => agent(name, (_: unknown) => of(name).pipe(delay(ms)));
const now = (name: string) => agent(name, (_: unknown) => name);
const sized = (name: string) => agent(name, (_: number) => name);
const failing = (name: string, ms = 0) =>
  agent(name, (_: unknown) =>
    timer(ms).pipe(
      map((): string => {
        throw new Error(`${name} broke`);
      }),
    ),
  );

const completedSteps = filter(
  ({ event }: Transition) => event.type === 'step.completed' || event.type === 'run.completed',
);
const letter = map(({ event }: Transition) => ('path' in event ? event.path : 'Z'));

describe('workflow()', () => {
  it(
    'starts a step the moment its own sources are there',
    marbles(({ expectObservable, scheduler }) => {
      const w = workflow('w', (input: Wire<number>, step) => {
        const a = step('A', now('A'), input);
        const b = step('B', slow('B', 500), a);
        const c = step('C', slow('C', 200), a);
        const d = step('D', slow('D', 200), c);
        return step('E', now('E'), { b, d });
      });
      const steps = run(w, 0, { scheduler }).pipe(completedSteps, letter);
      expectObservable(steps).toBe('A 199ms C 199ms D 99ms (BEZ|)');
    }),
  );

  it('takes the real time of its longest way', async () => {
    const w = workflow('w', (input: Wire<number>, step) => {
      const b = step('B', slow('B', 300), input);
      const c = step('C', slow('C', 145), input);
      const d = step('D', slow('D', 145), c);
      return { b, d };
    });
    // Level by level it would take 445 ms.
    expect((await execute(w, 0)).output).toEqual({ b: 'B', d: 'D' });
    expect(await quickest(440, async () => execute(w, 0))).toBeLessThan(440);
  });

  it('joins records, tuples and picked parts, and gives what build returns', async () => {
    const w = workflow('w', (input: Wire<{ readonly n: number }>, step) => {
      const n = pick(input, (value) => value.n);
      const one = step('one', (x) => x + 1, n);
      const two = step('two', ([x, { y }]) => x * y, [n, { y: one }]);
      return { two, all: [one, n] };
    });
    expect((await execute(w, { n: 3 })).output).toEqual({ two: 12, all: [4, 3] });
  });

  it('stops at the first failure: siblings are aborted, nothing new starts', async () => {
    let signal: AbortSignal | undefined;
    const patient = agent('patient', async (_: number, context) => {
      signal = context.signal;
      return new Promise<string>(() => undefined);
    });
    const w = workflow('w', (input: Wire<number>, step) => {
      const p = step('patient', patient, input);
      const f = step('fails', failing('fails', 5), input);
      return step('after', now('after'), { p, f });
    });
    const seen = collect(run(w, 1));
    await until(() => seen.ended !== 'open');

    expect(seen.told).toEqual([
      'run.started',
      'step.started patient',
      'step.started fails',
      'step.failed fails',
      'step.cancelled patient',
      'run.failed',
    ]);
    expect(signal?.aborted).toBe(true);
    expect(seen.ended).toBe('error');
    expect(seen.error).toMatchObject({
      name: 'RunError',
      failure: { path: 'fails', message: 'fails broke' },
    });
    expect((seen.error as Error).cause).toMatchObject({ message: 'fails broke' });
  });

  it('runs steps that nothing waits for, and waits for them', () => {
    const w = workflow('w', (input: Wire<number>, step) => {
      step('aside', now('aside'), input);
      return step('main', now('main'), input);
    });
    expect(collect(run(w, 1)).told).toContain('step.completed aside');
  });

  it('may have no step at all, or only steps beside the input', async () => {
    expect(
      (
        await execute(
          workflow('w', (input: Wire<number>) => ({ input })),
          1,
        )
      ).output,
    ).toEqual({ input: 1 });
  });

  describe('when', () => {
    it('skips a step, and a join gets what stands in for it', async () => {
      const w = workflow('w', (input: Wire<number>, step) => {
        const big = step('big', sized('big'), input, { when: (x) => x > 10 });
        const named = step('named', sized('named'), input, { when: (x) => x > 10, otherwise: 'small' });
        return { big, named, always: step('always', now('always'), { big, named }) };
      });
      const state = await execute(w, 1);
      expect(state.output).toEqual({ big: undefined, named: 'small', always: 'always' });
      expect([...state.steps].map(({ status }) => status)).toEqual(['SKIPPED', 'SKIPPED', 'COMPLETED']);
    });

    it('is asked once a run: what it said stays so after a resume', async () => {
      const store = memoryStore();
      let asked = 0;
      let broken = true;
      const w = workflow('w', (input: Wire<number>, step) => {
        const maybe = step('maybe', now('maybe'), input, { when: () => asked++ > 0 });
        return step(
          'last',
          (m) => {
            if (broken) throw new Error('broken');
            return m ?? 'skipped';
          },
          maybe,
        );
      });
      await execute(w, 1, { store, runId: 'r' });
      broken = false;
      expect(await execute(w, 1, { store, runId: 'r' })).toMatchObject({ output: 'skipped', life: 2 });
      expect(asked).toBe(1);
    });

    it('fails the step when it throws', async () => {
      const w = workflow('w', (input: Wire<number>, step) =>
        step('asks', now('asks'), input, {
          when: (): boolean => {
            throw new Error('cannot say');
          },
        }),
      );
      expect((await execute(w, 1)).error).toMatchObject({ message: 'cannot say', path: 'asks' });
    });
  });

  describe('settled()', () => {
    it('turns failures into values', async () => {
      const w = workflow('w', (input: Wire<number>, step) => {
        const good = step('good', now('good'), input);
        const bad = step('bad', failing('bad'), input);
        return step(
          'count',
          ({ good: g, bad: b }) => [isRight(g), isLeft(b) && b.left],
          settled({ good, bad }),
        );
      });
      const state = await execute(w, 1);
      expect(state.output).toEqual([true, { name: 'Error', message: 'bad broke', path: 'bad' }]);
      expect(state.steps.get('bad')?.status).toBe('FAILED');
    });

    it('contains a failure only if every way to the result crosses it', async () => {
      const w = workflow('w', (input: Wire<number>, step) => {
        const bad = step('bad', failing('bad'), input);
        const reads = step('reads', now('reads'), settled(bad));
        return { reads, bad };
      });
      expect((await execute(w, 1)).status).toBe('FAILED');
    });

    it('passes a failure on through steps that needed it, which are skipped', async () => {
      const w = workflow('w', (input: Wire<number>, step) => {
        const bad = step('bad', failing('bad'), input);
        const needs = step('needs', now('needs'), bad);
        return step('ends', (result) => (isLeft(result) ? result.left.path : 'fine'), settled(needs));
      });
      const state = await execute(w, 1);
      expect(state.output).toBe('bad');
      expect(state.steps.get('needs')?.status).toBe('SKIPPED');
    });
  });

  describe('quorum()', () => {
    const vote = (failures: number) =>
      workflow('w', (input: Wire<number>, step) => {
        const a = step('a', failures > 0 ? failing('a') : slow('a', 30), input);
        const b = step('b', failures > 1 ? failing('b') : now('b'), input);
        const c = step('c', now('c'), input);
        return step('decides', (votes) => votes.join(), quorum(2, [a, b, c]));
      });

    it('goes on with the first that completed, in the order of the sources', async () => {
      expect((await execute(vote(0), 1)).output).toBe('b,c');
      expect((await execute(vote(1), 1)).output).toBe('b,c');
    });

    it('fails when too many have failed', async () => {
      expect(await execute(vote(2), 1)).toMatchObject({ status: 'FAILED', error: { message: 'b broke' } });
    });
  });

  it('fails the step whose input cannot be made', async () => {
    const w = workflow('w', (input: Wire<number>, step) =>
      step(
        'reads',
        now('reads'),
        pick(input, () => {
          throw new Error('no such part');
        }),
      ),
    );
    const state = await execute(w, 1);
    expect(state.steps.get('reads')).toMatchObject({
      status: 'FAILED',
      error: { message: 'no such part', path: 'reads' },
    });
  });

  it('runs 10,000 steps side by side and one after another without overflow', async () => {
    const wide = workflow('wide', (input: Wire<number>, step) => {
      const branches = Array.from({ length: 10_000 }, (_, index) =>
        step(`s${String(index)}`, (x) => x + index, input),
      );
      return step('sum', (all) => all.reduce((sum, x) => sum + x, 0), branches);
    });
    const deep = workflow('deep', (input: Wire<number>, step) => {
      let wire = input;
      for (let index = 0; index < 10_000; index += 1) wire = step(`s${String(index)}`, (x) => x + 1, wire);
      return wire;
    });
    expect((await execute(wide, 1)).output).toBe(10_000 + (9_999 * 10_000) / 2);
    expect((await execute(deep, 0)).output).toBe(10_000);
  });

  it('is an agent: in a pipe, as a step, as a link', () => {
    const inner = workflow('inner', (input: Wire<number>, step) => step('add', (x) => x + 1, input));
    const outer = workflow('outer', (input: Wire<number>, step) =>
      step('in', inner, step('first', inner, input)),
    );
    const answers: number[] = [];
    of(1, 2)
      .pipe(outer)
      .subscribe((answer) => answers.push(answer));
    expect(answers).toEqual([3, 4]);
    expect(collect(run(outer, 1).pipe()).told).toContain('step.completed first/add');
    const out: number[] = [];
    run(outer, 5)
      .pipe(outputs())
      .subscribe((answer) => out.push(answer));
    expect(out).toEqual([7]);
  });

  it('retries a whole nested workflow and keeps what was finished in it', async () => {
    let attempts = 0;
    const once = jest.fn((x: number) => x + 1);
    const inner = workflow('inner', (input: Wire<number>, step) => {
      const a = step('a', agent('a', once), input);
      return step(
        'b',
        (x) => {
          attempts += 1;
          if (attempts < 3) throw new Error('not yet');
          return x * 10;
        },
        a,
      );
    });
    const outer = workflow('outer', (input: Wire<number>, step) => step('in', inner, input, { retry: 2 }));
    expect((await execute(outer, 1)).output).toBe(20);
    expect(once).toHaveBeenCalledTimes(1);
  });

  it('does not stop for a contained failure inside a retry', () => {
    const w = workflow('w', (input: Wire<number>, step) => {
      const a = step(
        'a',
        agent('a', () => throwError(() => new Error('always')), { retry: 2 }),
        input,
      );
      return step('b', (r) => isLeft(r), settled(a));
    });
    const { told } = collect(run(w, 1));
    expect(told.filter((line) => line === 'step.retrying a')).toHaveLength(2);
    expect(told.at(-1)).toBe('run.completed');
  });

  it('draws itself as a Mermaid flowchart', () => {
    const w = workflow('w', (input: Wire<number>, step) => {
      const a = step('a', now('load'), input);
      const b = step('b', now('b'), a, { when: () => true });
      return step('c', now('c'), { a, b: settled(b) });
    });
    expect(toMermaid(w)).toBe(
      [
        'flowchart TD',
        '  n_input(["input"])',
        '  n_a["a: load"]',
        '  n_b{{"b"}}',
        '  n_c["c"]',
        '  n_input --> n_a',
        '  n_a --> n_b',
        '  n_a --> n_c',
        '  n_b -. "settled" .-> n_c',
        '  n_output(["output"])',
        '  n_c --> n_output',
      ].join('\n'),
    );
  });

  it('keeps apart steps, the input and sources whatever they are called', () => {
    const w = workflow('w', (input: Wire<number>, step) => {
      const a = step('input', now('%%{init: {}}%%'), input);
      const b = step('output', now('`b`'), a);
      const c = step('a, b', now('c'), b);
      const d = step('live(feed)', now('d'), live(c));
      return step('e', now('e'), { d: settled(d), q: quorum(1, [a, c]), input });
    });
    expect(toMermaid(w)).toBe(
      [
        'flowchart TD',
        '  the_n_input(["input"])',
        '  n_input["input: #37;#37;{init: {}}#37;#37;"]',
        '  n_output["output: #96;b#96;"]',
        '  n_a_2c__20_b["a, b: c"]',
        '  n_live_28_feed_29_["live(feed): d"]',
        '  n_e["e"]',
        '  the_n_input --> n_input',
        '  n_input --> n_output',
        '  n_output --> n_a_2c__20_b',
        '  n_a_2c__20_b -. "live" .-> n_live_28_feed_29_',
        '  n_live_28_feed_29_ -. "settled" .-> n_e',
        '  n_input -. "quorum" .-> n_e',
        '  n_a_2c__20_b -. "quorum" .-> n_e',
        '  the_n_input --> n_e',
        '  the_n_output(["output"])',
        '  n_e --> the_n_output',
      ].join('\n'),
    );
  });
});
