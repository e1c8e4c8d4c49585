import * as t from 'io-ts';
import { concat, from, NEVER, of, throwError, timer } from 'rxjs';
import { map, take, tap } from 'rxjs';

import type { Transition } from '../../index';
import { agent, chain, execute, run } from '../../index';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';
import { until } from '../support/until';

const upper = agent('upper', (text: string) => text.toUpperCase());
/** Answers after so many milliseconds. */
const slow = (ms: number) => agent('slow', (text: string) => timer(ms).pipe(map(() => text.toUpperCase())));

describe('agent()', () => {
  describe('in a plain pipe', () => {
    it('is an operator', () => {
      const answers: string[] = [];
      from(['a', 'b'])
        .pipe(upper, upper)
        .subscribe((answer) => answers.push(answer));
      expect(answers).toEqual(['A', 'B']);
    });

    it(
      'handles one input at a time, in order',
      marbles(({ hot, expectObservable }) => {
        const inputs = hot('-ab------|');
        expectObservable(inputs.pipe(slow(3))).toBe('----A--B-|');
      }),
    );

    it(
      'handles as many at once as `concurrency` says',
      marbles(({ hot, expectObservable }) => {
        const both = agent('both', (text: string) => timer(3).pipe(map(() => text)), { concurrency: 2 });
        expectObservable(hot('-ab---|').pipe(both)).toBe('----ab|');
      }),
    );

    it(
      'completes with an empty source, and waits with one that never ends',
      marbles(({ cold, expectObservable }) => {
        expectObservable(cold('--|').pipe(upper)).toBe('--|');
        expectObservable(cold('-').pipe(upper)).toBe('-');
      }),
    );

    it(
      'passes on the error of its source and of its function as they were thrown',
      marbles(({ cold, expectObservable }) => {
        const failing = agent('failing', (): string => {
          throw new TypeError('no');
        });
        expectObservable(cold('-a-#').pipe(upper)).toBe('-A-#');
        expectObservable(cold('-a-|').pipe(failing)).toBe('-#', undefined, new TypeError('no'));
      }),
    );

    it(
      'retries and times out by its policy',
      marbles(({ cold, expectObservable }) => {
        let calls = 0;
        const flaky = agent(
          'flaky',
          (text: string) => (calls++ === 0 ? throwError(() => new Error('first')) : of(text)),
          { retry: { count: 1, delayMs: 2 } },
        );
        const silent = agent('silent', (_: string) => NEVER, { timeoutMs: 3 });
        expectObservable(cold('a|').pipe(flaky)).toBe('--(a|)');
        expectObservable(cold('a|').pipe(silent)).toBe(
          '---#',
          undefined,
          expect.objectContaining({ name: 'StepTimeoutError' }),
        );
      }),
    );

    it('stops what it called when the subscriber leaves', () => {
      let signal: AbortSignal | undefined;
      const waits = agent('waits', async (_: string, context) => {
        signal = context.signal;
        return new Promise<string>(() => undefined);
      });
      of('a').pipe(waits).subscribe().unsubscribe();
      expect(signal?.aborted).toBe(true);
    });
  });

  describe('takes what its function returns', () => {
    it.each([
      ['a value', () => 7, 7],
      ['nothing', () => undefined, undefined],
      ['a Promise', async () => Promise.resolve(7), 7],
      ['an Observable', () => of(1, 2, 7), 7],
      ['a Promise of an Observable', async () => Promise.resolve(of(1, 7)), 7],
      [
        'an AsyncIterable',
        async function* () {
          yield 1;
          yield await Promise.resolve(7);
        },
        7,
      ],
      ['an array, as one output', () => [1, 2], [1, 2]],
      ['a string, as one output', () => 'ab', 'ab'],
    ])('%s', async (_what, work: () => unknown, output) => {
      const { status, output: got } = await execute(agent('any', work));
      expect([status, got]).toEqual(['COMPLETED', output]);
    });

    it('tells every value of a stream and gives the last one, or what reduce makes of them', () => {
      const words = agent('words', () => from(['a', 'b', 'c']));
      const joined = agent('joined', () => from(['a', 'b', 'c']), {
        reduce: { fold: (all: string, word) => all + word, seed: '' },
      });

      const { told, events } = collect(run(words));
      expect(told).toEqual([
        'run.started',
        'step.started words',
        'step.emitted words',
        'step.emitted words',
        'step.emitted words',
        'step.completed words',
        'run.completed',
      ]);
      expect(events.at(-1)).toMatchObject({ output: 'c' });
      expect(collect(run(joined)).events.at(-1)).toMatchObject({ output: 'abc' });
    });

    it('fails by name when a stream ends without a value', async () => {
      const state = await execute(agent('empty', () => from([])));
      expect(state.error).toMatchObject({ name: 'EmptyAnswerError', path: 'empty' });
    });
  });

  it('pulls an iterable no faster than it is taken, and returns the iterator at once when nobody wants it', async () => {
    let made = 0;
    let isReturned = false;
    const endless = agent('endless', async function* () {
      try {
        for (;;) yield await Promise.resolve((made += 1));
      } finally {
        isReturned = true;
      }
    });

    await new Promise<void>((resolve) => {
      run(endless).pipe(take(8)).subscribe({ complete: resolve });
    });
    const madeThen = made;
    await new Promise((resolve) => setTimeout(resolve, 10));

    expect(isReturned).toBe(true);
    expect(made).toBe(madeThen);
    expect(made).toBeLessThanOrEqual(7);
  });

  it('gives the step an idempotency key that is the same for every attempt, and its place', async () => {
    const seen: unknown[] = [];
    const curious = agent(
      'curious',
      (_: number, { runId, path, attempt, idempotencyKey }) => {
        seen.push([runId, path, attempt, idempotencyKey]);
        if (attempt === 1) throw new Error('again');
      },
      { retry: 1 },
    );
    const { incarnation } = await execute(curious, 1, { runId: 'r' });
    expect(seen).toEqual([
      ['r', 'curious', 1, `${incarnation!}/curious`],
      ['r', 'curious', 2, `${incarnation!}/curious`],
    ]);
  });

  it('drops and logs an answer that comes after its timeout', async () => {
    const answers: ((value: number) => void)[] = [];
    const late = agent('late', async () => new Promise<number>((resolve) => answers.push(resolve)), {
      timeoutMs: 5,
      retry: { count: 1, delayMs: 40 },
    });
    // The first one answers between its timeout and the second attempt.
    const answered = tap(({ event }: Transition) => {
      if (event.type === 'step.retrying') answers[0]?.(1);
    });
    const seen = collect(run(late).pipe(answered));
    await until(() => seen.ended !== 'open');
    const { told, events, ended } = seen;
    expect(told.slice(0, 4)).toEqual([
      'run.started',
      'step.started late',
      'step.retrying late',
      'step.logged late',
    ]);
    expect(events[3]).toMatchObject({ level: 'WARNING' });
    expect(ended).toBe('error');
  });

  it('refuses a name that cannot stand in a path', () => {
    for (const name of ['', 'a/b', 'a[0]']) {
      expect(() => agent(name, () => 1)).toThrow(expect.objectContaining({ name: 'DefinitionError' }));
    }
  });

  it('checks its input before its function is called, and keeps its output in the form of its codec', async () => {
    const called = jest.fn();
    const strict = agent('strict', called, { input: t.type({ data: t.array(t.number) }) });
    const state = await execute(strict, { data: { 0: 1 } } as never);
    expect(called).not.toHaveBeenCalled();
    expect(state.error).toMatchObject({ name: 'ValidationError', path: 'strict', retryable: false });
    expect(state.error?.message).toContain('.data');
  });

  it('never lets a stream of a step run into the next', () => {
    const endless = agent('endless', () => concat(of(1), NEVER));
    const { told, leave } = collect(run(endless));
    leave?.();
    expect(told).toEqual(['run.started', 'step.started endless', 'step.emitted endless']);
  });

  describe('the seed of a reduction', () => {
    const pushing = <S>(seed: S, push: (seed: S, n: number) => void) =>
      agent('push', (_: number) => of(1, 2), {
        reduce: {
          seed,
          fold: (all: S, n: number): S => {
            push(all, n);
            return all;
          },
        },
      });

    it.each<[string, unknown, (seed: never, n: number) => void, unknown]>([
      ['a list', [], (all: number[], n) => all.push(n), [1, 2]],
      [
        'a record',
        { n: 0, deep: [[]] },
        (all: { n: number; deep: number[][] }, n) => {
          all.n += n;
          all.deep[0]?.push(n);
        },
        { n: 3, deep: [[1, 2]] },
      ],
      ['a Set', new Set(), (all: Set<number>, n) => all.add(n), new Set([1, 2])],
      [
        'a Map of lists',
        new Map([['k', []]]),
        (all: Map<string, number[]>, n) => all.get('k')?.push(n),
        new Map([['k', [1, 2]]]),
      ],
    ])('is its own for each call, and each attempt: %s', async (_, seed, push, sum) => {
      const once = pushing(seed as never, push as never);
      for (let call = 0; call < 2; call += 1) expect((await execute(once, 1)).output).toEqual(sum);
      const again = chain(
        'c',
        once,
        agent('n', () => 1),
        once,
      );
      expect((await execute(again, 1)).output).toEqual(sum);
      let isBroken = true;
      const flaky = agent(
        'flaky',
        () => concat(of(1, 2), isBroken ? throwError(() => new Error('x')) : of()),
        {
          retry: { count: 1, delayMs: () => ((isBroken = false), 0) },
          reduce: {
            seed: seed as never,
            fold: (all: never, n: number): never => {
              push(all, n);
              return all;
            },
          },
        },
      );
      expect((await execute(flaky, undefined)).output).toEqual(sum);
    });

    it('is given as it is where it is no plain value', async () => {
      class Sum {
        total = 0;
        add(n: number): void {
          this.total += n;
        }
      }
      const seed = new Sum();
      expect(
        (
          await execute(
            pushing(seed, (sum, n) => sum.add(n)),
            1,
          )
        ).output,
      ).toBe(seed);
    });
  });
});
