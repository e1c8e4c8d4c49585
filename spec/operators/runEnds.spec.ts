import { first, firstValueFrom, Observable, of, Subject, take, takeUntil } from 'rxjs';

import { agent, chain, execute, memoryStore, run } from '../../index';
import type { Store } from '../../index';
import { collect } from '../support/told';

describe('the end of a run', () => {
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

  it('is told as it is saved, without the number of partial results of a step that was stopped', async () => {
    const store = memoryStore();
    const stop = new AbortController();
    const words = agent('words', () => new Observable<string>((reader) => reader.next('one')));

    const life = collect(run(words, 1, { store, runId: 'r', signal: stop.signal }));
    stop.abort();

    expect(life.transitions.map(({ event }) => event.type)).toContain('step.emitted');
    const told = life.transitions.at(-1)?.state;
    expect(told?.status).toBe('CANCELLED');
    expect(told?.steps.get('words')).not.toHaveProperty('partials');
    expect((await store.loadRun('r'))?.steps.get('words')).not.toHaveProperty('partials');
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
