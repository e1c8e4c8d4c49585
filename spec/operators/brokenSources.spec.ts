import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';
import {
  concat,
  config,
  delay,
  firstValueFrom,
  from,
  lastValueFrom,
  map,
  merge,
  NEVER,
  Observable,
  of,
  ReplaySubject,
  Subject,
  tap,
  throwError,
  toArray,
} from 'rxjs';

import type { Agent, Transition } from '../../index';
import {
  agent,
  approval,
  chain,
  each,
  execute,
  fromOffset,
  paced,
  pulled,
  run,
  runEach,
  withPolicy,
} from '../../index';
import { everyStore } from '../support/everyStore';
import { outcomesOf } from '../support/told';
import { until } from '../support/until';

const broken = new Error('no more');
const work = agent('work', async (n: number) => wait(10, n * 10));

describe.each(everyStore)('a source that breaks while runs are under way (%s)', (_where, open) => {
  const sources: Record<string, () => Observable<number>> = {
    'at once': () =>
      concat(
        of(1, 2),
        throwError(() => broken),
      ),
    'in a later turn': () =>
      concat(
        of(1, 2),
        from(wait(3)).pipe(
          map(() => {
            throw broken;
          }),
        ),
      ),
    'as an iterable': () =>
      pulled(
        (function* () {
          yield 1;
          yield 2;
          throw broken;
        })(),
      ),
    'as a stream of Node': () =>
      pulled<number>(
        Readable.from(
          (async function* () {
            yield 1;
            yield 2;
            await wait(1);
            throw broken;
          })(),
        ),
      ),
  };

  it.each(Object.keys(sources))(
    'errors with its own error, after the outcome of each run: %s',
    async (how) => {
      const source = (sources[how] as () => Observable<number>)();

      const [told, end] = await outcomesOf(source.pipe(runEach(work, { store: open() })));

      expect([[...told].sort(), end]).toEqual([[10, 20], broken]);
    },
  );

  it('is not told as the failure of runs that rest, fail or are tried again', async () => {
    const asks = chain('asks', approval('ok', t.string));
    const fails = agent('fails', async (): Promise<never> => {
      await wait(5);
      throw new Error('down');
    });
    for (const [self, retry, told] of [
      [asks, 0, 'SUSPENDED'],
      [fails, 0, 'FAILED'],
      [fails, 1, 'FAILED'],
    ] as const) {
      const source = concat(
        of(1),
        throwError(() => broken),
      );
      const ended = await outcomesOf(source.pipe(runEach(self as never, { store: open(), retry })));
      expect(ended).toEqual([[told], broken]);
    }
  });
});

describe.each(everyStore)('a name that is given twice at once (%s)', (_where, open) => {
  const ends = async (transitions: Observable<Transition>) =>
    (
      await lastValueFrom(
        transitions.pipe(
          map(({ event }) => event),
          toArray(),
        ),
      )
    ).filter(({ type }) => type === 'run.failed' || type === 'run.completed');

  /** Works until it is let go. */
  const held = () => {
    let letGo = (): void => undefined;
    const gone = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    return { letGo, work: agent('work', async (n: number) => gone.then(() => n * 10)) };
  };

  it('is refused under a name of its own by two streams of runs, and the live run ends', async () => {
    const store = open();
    const options = { store, runId: () => 'job' };
    const { work, letGo } = held();

    const both = merge(of(1).pipe(runEach(work, options)), of(1).pipe(runEach(work, options)));
    const told = await ends(
      both.pipe(
        tap(({ event }) => {
          if (event.type === 'run.failed') letGo();
        }),
      ),
    );

    expect(told).toHaveLength(2);
    expect(told).toContainEqual(expect.objectContaining({ runId: 'job', output: 10 }));
    const refused = told.find(({ type }) => type === 'run.failed');
    expect(refused).toMatchObject({ error: { name: 'RunActiveError' } });
    expect(refused?.runId).not.toBe('job');
    expect((await store.loadRun('job'))?.status).toBe('COMPLETED');
  });

  it('is refused to another agent, and leaves what the first one does as it is', async () => {
    const store = open();
    const other = agent('other', () => 'other');
    const { work, letGo } = held();
    const first = execute(work, 1, { store, runId: 'job' });
    await until(async () => (await store.loadRun('job'))?.status === 'RUNNING');

    const told = await ends(of(1).pipe(runEach(other as never, { store, runId: () => 'job' })));

    expect(told).toMatchObject([{ type: 'run.failed', error: { name: 'RunActiveError' } }]);
    expect(told[0]?.runId).not.toBe('job');
    letGo();
    expect(await first).toMatchObject({ status: 'COMPLETED', name: 'work', output: 10 });
  });

  it('is free again as soon as the run before it has ended', async () => {
    const store = open();
    const names = new Subject<number>();
    const told = ends(names.pipe(runEach(work, { store, runId: () => 'job' })));
    names.next(1);
    while ((await store.loadRun('job'))?.status !== 'COMPLETED') await wait(2);
    names.next(1);
    names.complete();

    expect(await told).toMatchObject([
      { type: 'run.completed', output: 10 },
      { type: 'run.completed', output: 10, replayed: true },
    ]);
  });
});

const torn = <T>(value: T): Observable<T> =>
  new Observable((subscriber) => {
    subscriber.next(value);
    return () => {
      throw new Error('the teardown threw');
    };
  });
const fails: Agent<number, number> = agent('fails', async () => {
  await wait(1);
  throw new Error('no');
});

describe('a source whose teardown throws', () => {
  it('lets the runs behind it be left', () => {
    let isLeft = false;
    const silent = agent('silent', (_: number) => new Observable<number>(() => () => void (isLeft = true)));
    const runs = torn(1).pipe(runEach(silent)).subscribe();

    expect(() => {
      runs.unsubscribe();
    }).toThrow('the teardown threw');
    expect(isLeft).toBe(true);
  });

  it('does not hide how an agent in a pipe failed', async () => {
    const reported = new Promise((resolve) => (config.onUnhandledError = resolve));

    await expect(lastValueFrom(torn(1).pipe(fails))).rejects.toThrow('no');
    expect(String(await reported)).toContain('the teardown threw');
    config.onUnhandledError = null;
  });

  it('ends the iteration over it', async () => {
    const items = paced(torn(1))[Symbol.asyncIterator]();
    await items.next();
    const second = items.next();

    await expect(items.return?.()).rejects.toThrow('the teardown threw');
    expect(await second).toMatchObject({ done: true });
  });
});

describe.each(everyStore)('a source whose teardown throws (%s)', (_where, open) => {
  it('lets a stream that remembers be read again', async () => {
    const items$ = fromOffset(() => torn({ offset: 1, value: 'a' }), { name: 's', store: open() });
    const told = new ReplaySubject<string>(1);
    const items = items$.subscribe(told);
    await firstValueFrom(told.pipe(delay(0)));

    expect(() => {
      items.unsubscribe();
    }).toThrow('the teardown threw');
    expect(await firstValueFrom(items$)).toBe('a');
  });

  const silent: Agent<number, number> = agent('silent', () => NEVER);
  it.each<[string, Agent<Observable<number>, number[]>, string]>([
    ['an item', each('all', fails), 'no'],
    ['its time limit', withPolicy(each('all', silent), { timeoutMs: 5 }), 'no answer within 5 ms'],
  ])('does not hide that each() failed by %s, and is told as a WARNING', async (_by, all, why) => {
    const logged: string[] = [];
    const ended = run(all, torn(1), { store: open(), runId: 'r' }).pipe(
      tap(({ event }) => event.type === 'step.logged' && logged.push(`${event.level} ${event.message}`)),
    );

    await expect(lastValueFrom(ended)).rejects.toThrow(why);
    expect(logged).toEqual([expect.stringContaining('WARNING Teardown of the source of')]);
  });
});
