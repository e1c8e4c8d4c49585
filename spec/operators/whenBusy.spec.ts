import { Readable } from 'node:stream';

import { isRight } from 'fp-ts/lib/Either';
import {
  catchError,
  concat,
  delay,
  EMPTY,
  from,
  lastValueFrom,
  map,
  mergeMap,
  NEVER,
  of,
  Subject,
  take,
  tap,
  throwError,
  toArray,
  VirtualTimeScheduler,
} from 'rxjs';

import {
  agent,
  chain,
  each,
  fallback,
  memoryStore,
  outcomes,
  outputs,
  pulled,
  run,
  runEach,
  RunError,
  saga,
} from '../../index';
import type { Agent } from '../../index';
import type { WhenBusy } from '../../operators/runs/runEach';
import { everyStore } from '../support/everyStore';
import { marbles } from '../support/marbles';

const slow = agent('slow', (x: string) => of(x).pipe(delay(4)));
const same = agent('same', (x: number) => of(x));

/** An endless generator that counts what it has made. */
function counter() {
  const made = { count: 0, isReturned: false };
  function* numbers() {
    try {
      for (;;) yield (made.count += 1);
    } finally {
      made.isReturned = true;
    }
  }
  return { made, numbers };
}

describe('runEach({ whenBusy })', () => {
  const cases: readonly (readonly [WhenBusy, string])[] = [
    ['merge', '----a-b-c-|'],
    ['concat', '----a---b---(c|)'],
    ['switch', '--------c-|'],
  ];
  it.each(cases)('%s', (whenBusy, expected) => {
    marbles(({ hot, scheduler, expectObservable }) => {
      const inputs = hot('a-b-c-----|');
      expectObservable(inputs.pipe(runEach(slow, { whenBusy, scheduler }), outputs())).toBe(expected);
    })();
  });

  it(
    'exhaust drops what comes while a run is under way',
    marbles(({ hot, scheduler, expectObservable }) => {
      const inputs = hot('a-b--c----|');
      expectObservable(inputs.pipe(runEach(slow, { whenBusy: 'exhaust', scheduler }), outputs())).toBe(
        '----a----c|',
      );
    }),
  );

  it(
    'switch does not wait for the retry of a run that gives way',
    marbles(({ hot, scheduler, expectObservable }) => {
      const picky = agent('picky', (x: string) => (x === 'a' ? throwError(() => new Error('no')) : of(x)));
      const told = hot('a-b|').pipe(
        runEach(picky, {
          whenBusy: 'switch',
          retry: { count: 1, delayMs: 50 },
          scheduler,
          runId: (x) => x,
        }),
        mergeMap(({ event }) => (event.type.startsWith('run.') ? of(`${event.type} ${event.runId}`) : EMPTY)),
        toArray(),
      );
      expectObservable(told).toBe('---(x|)', {
        x: [
          'run.started a',
          'run.failed a',
          'run.resumed a',
          'run.cancelled a',
          'run.started b',
          'run.completed b',
        ],
      });
    }),
  );

  it(
    'switch tells the cancel of the run that gives way, and stops it',
    marbles(({ hot, scheduler, expectObservable }) => {
      const told = hot('a-b-----|').pipe(
        runEach(slow, { whenBusy: 'switch', scheduler, runId: (x) => x }),
        mergeMap(({ event }) => (event.type.startsWith('run.') ? of(`${event.type} ${event.runId}`) : EMPTY)),
      );
      expectObservable(told).toBe('1-(23)4-|', {
        1: 'run.started a',
        2: 'run.cancelled a',
        3: 'run.started b',
        4: 'run.completed b',
      });
    }),
  );

  const around: readonly [string, (trip: Agent<string, string>) => Agent<string, unknown>][] = [
    ['as the root', (trip) => trip],
    ['as a link', (trip) => chain('c', trip)],
    [
      'as an item',
      (trip) =>
        chain(
          'c',
          agent('list', (x: string) => [x]),
          each('e', trip),
        ),
    ],
    ['within a saga', (trip) => saga('outer', chain('c', trip))],
    [
      'in the place of what failed',
      (trip) =>
        fallback(
          'f',
          agent('broken', broken),
          chain(
            'c',
            agent('given', ({ input }) => input),
            trip,
          ),
        ),
    ],
  ];
  const broken = (): never => {
    throw new Error('broken');
  };
  const everywhere = everyStore.flatMap(([where, open]) =>
    around.map(([how, of]) => [`${how}, ${where}`, open, of] as const),
  );

  it.each(everywhere)(
    'switch waits for a saga of the same name to go back, and runs the latest input: %s',
    async (_how, open, within) => {
      const store = open();
      const done: string[] = [];
      const slowly = (what: string) => async (x: string) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        done.push(`${what} ${x}`);
        return x;
      };
      const ride = agent('ride', async (x: string) => {
        if (x !== 'c') await new Promise(() => undefined);
        return x;
      });
      const book = agent('book', slowly('booked'), { compensate: slowly('unbooked') });
      const trip = within(saga('trip', chain('steps', book, ride)));
      const inputs = new Subject<string>();
      const told = lastValueFrom(
        inputs.pipe(
          runEach(trip, { store, whenBusy: 'switch', runId: () => 'trip', onMismatch: 'actual' }),
          outcomes(),
          toArray(),
        ),
      );
      inputs.next('a');
      while (done.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      inputs.next('b');
      inputs.next('c');
      inputs.complete();
      // The input between had no run: it gives way under a name of its own.
      expect(
        (await told).map((one) => (isRight(one) ? String(one.right.output) : one.left.state.input)).sort(),
      ).toEqual(['a', 'b', 'c']);
      expect((await told).filter(isRight)).toHaveLength(1);
      expect(done).toEqual(['booked a', 'unbooked a', 'booked c']);
    },
  );

  it.each(['merge', 'concat', 'switch', 'exhaust'] as const)(
    '%s: a source that fails errors the stream with its own error, after the outcomes of its runs',
    async (whenBusy) => {
      const work = agent('work', (x: number) => of(x * 10).pipe(delay(3)));
      const broken = concat(
        of(1),
        throwError(() => new Error('no more')),
      );
      const told: unknown[] = [];
      const end = await new Promise((resolve) => {
        broken.pipe(runEach(work, { whenBusy }), outcomes()).subscribe({
          next: (one) => told.push(isRight(one) ? one.right.output : one.left.status),
          error: resolve,
          complete: () => {
            resolve('completed');
          },
        });
      });
      expect([told, end]).toEqual([[10], new Error('no more')]);
    },
  );

  it.each([
    ['an error', new Error('no file')],
    ['a text', 'no file'],
  ])('outcomes() passes on %s of a source that gave nothing', async (_what, error) => {
    const none = throwError(() => error).pipe(runEach(same), outcomes());
    await expect(lastValueFrom(none)).rejects.toBe(error);
  });

  it('outcomes() passes on the failed run that was the source', async () => {
    const bad = agent('bad', (): number => {
      throw new Error('bad');
    });
    const all = run(bad, undefined).pipe(outputs(), runEach(same), outcomes());
    await expect(lastValueFrom(all)).rejects.toThrow(RunError);
  });

  it('refuses a name that is under way under a name of its own, and tells nothing of the live run', async () => {
    const store = memoryStore();
    const work = agent('work', (x: number) => of(x).pipe(delay(3)));
    const told = await lastValueFrom(
      from([1, 2]).pipe(
        runEach(work, { store, runId: () => 'job' }),
        map(({ event }) => event),
        toArray(),
      ),
    );
    const ends = told.filter(({ type }) => type === 'run.failed' || type === 'run.completed');
    expect(ends).toMatchObject([{ error: { name: 'RunActiveError' } }, { runId: 'job', output: 1 }]);
    expect(ends[0]?.runId).not.toBe('job');
  });

  it.each([
    [2 ** 31, 'merge'],
    [2 ** 31 + 5, 'concat'],
    [2 ** 32 + 1, 'switch'],
    [2 ** 40, 'exhaust'],
  ] as const)(
    'waits before it resumes a failed run for as long as it is told to, however long: %d ms, %s',
    async (delayMs, whenBusy) => {
      const calls = jest.fn((): number => {
        throw new Error('no');
      });
      const waiting = of(1)
        .pipe(runEach(agent('bad', calls), { whenBusy, retry: { count: 3, delayMs } }))
        .subscribe();
      await new Promise((resolve) => setTimeout(resolve, 20));
      waiting.unsubscribe();
      expect(calls).toHaveBeenCalledTimes(1);
    },
  );

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1])('resumes a failed run after %d ms, each time', (delayMs) => {
    const scheduler = new VirtualTimeScheduler();
    const calledAt: number[] = [];
    const bad = agent('bad', (): number => {
      calledAt.push(scheduler.now());
      throw new Error('no');
    });
    let ended = 0;
    of(1)
      .pipe(runEach(bad, { retry: { count: 2, delayMs }, scheduler }))
      .subscribe({ complete: () => (ended = scheduler.now()) });
    scheduler.flush();
    expect([calledAt, ended]).toEqual([[0, delayMs, 2 * delayMs], 2 * delayMs]);
  });

  it('refuses a retry that is not a number', () => {
    expect(() => runEach(same, { retry: NaN })).toThrow('retry is NaN');
    for (const delayMs of [-1, Infinity])
      expect(() => runEach(same, { retry: { count: 1, delayMs } })).toThrow(`retry.delayMs is ${delayMs}`);
  });

  it('a run that is cancelled can be resumed', async () => {
    const store = memoryStore();
    const options = { store, runId: (x: string) => x, whenBusy: 'switch' } as const;
    await lastValueFrom(of('a', 'b').pipe(runEach(slow, options), toArray()));
    expect((await store.listRuns()).map(({ runId, status }) => `${runId} ${status}`).sort()).toEqual([
      'a CANCELLED',
      'b COMPLETED',
    ]);
    expect(await lastValueFrom(of('a').pipe(runEach(slow, options), outputs()))).toBe('a');
  });

  it('makes an outcome of an input that cannot be named', async () => {
    const unnamed = runEach(slow, {
      runId: () => {
        throw new Error('no name');
      },
    });
    const [only] = await lastValueFrom(of('a').pipe(unnamed, toArray()));
    expect(only?.event).toMatchObject({ type: 'run.failed', error: { message: 'no name' } });
    expect(() => runEach(slow, { concurrency: 0 })).toThrow('concurrency is 0');
  });
});

describe('pulled()', () => {
  it('gives nothing, one and many, and fails with its source', async () => {
    expect(await lastValueFrom(pulled([]).pipe(toArray()))).toEqual([]);
    expect(await lastValueFrom(pulled(['a']).pipe(toArray()))).toEqual(['a']);
    expect(await lastValueFrom(pulled(new Set([1, 2])).pipe(same, toArray()))).toEqual([1, 2]);
    function* torn() {
      yield 1;
      throw new Error('torn');
    }
    await expect(lastValueFrom(pulled(torn()))).rejects.toThrow('torn');
    await expect(lastValueFrom(pulled(torn()).pipe(same))).rejects.toThrow('torn');
  });
  it('makes no more than runEach has room for: 5 read, no more than 5 + concurrency made', async () => {
    const { made, numbers } = counter();
    const work = agent('work', (n: number) => of(n).pipe(delay(1)));
    const read = await lastValueFrom(
      pulled(numbers()).pipe(runEach(work, { concurrency: 3 }), outputs(), take(5), toArray()),
    );
    expect(read).toEqual([1, 2, 3, 4, 5]);
    expect(made.count).toBeLessThanOrEqual(8);
    expect(made.isReturned).toBe(true);
  });

  it('carries demand through agents in a pipe', async () => {
    const { made, numbers } = counter();
    const quick = agent('quick', (n: number) => n * 2);
    const work = agent('work', (n: number) => of(n).pipe(delay(1)));
    await lastValueFrom(pulled(numbers()).pipe(quick, work, take(5)));
    expect(made.count).toBeLessThanOrEqual(7);
  });

  it('takes Node and web streams, and gives them back', async () => {
    const node = Readable.from(['a', 'b', 'c']);
    expect(await lastValueFrom(pulled<string>(node).pipe(runEach(slow), outputs(), toArray()))).toEqual([
      'a',
      'b',
      'c',
    ]);
    let isCancelled = false;
    const web = new ReadableStream<string>({
      pull(controller) {
        controller.enqueue('x');
      },
      cancel() {
        isCancelled = true;
      },
    });
    expect(await lastValueFrom(pulled(web).pipe(runEach(slow), outputs(), take(2), toArray()))).toEqual([
      'x',
      'x',
    ]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(isCancelled).toBe(true);
  });

  it('tells what was done before the source failed', async () => {
    function* broken() {
      yield 1;
      throw new Error('no more');
    }
    const told: unknown[] = [];
    await lastValueFrom(
      pulled(broken()).pipe(
        runEach(same),
        outputs(),
        catchError((error: unknown) => of((error as Error).message)),
        tap((value) => told.push(value)),
      ),
    );
    expect(told).toEqual([1, 'no more']);
  });

  it('does not deepen the stack, however much there is', async () => {
    let left = 20_000;
    function* many() {
      while ((left -= 1) > 0) yield left;
    }
    const count = await lastValueFrom(
      pulled(many()).pipe(
        same,
        map(() => 1),
        toArray(),
      ),
    );
    expect(count).toHaveLength(19_999);
  });

  it(
    'leaves what never answers',
    marbles(({ expectObservable }) => {
      const never = agent('never', (_: number) => NEVER);
      expectObservable(pulled([1, 2]).pipe(never), '---!').toBe('');
      expectObservable(pulled([1]).pipe(agent('bad', (_: number) => throwError(() => 'error')))).toBe('#');
    }),
  );
});
