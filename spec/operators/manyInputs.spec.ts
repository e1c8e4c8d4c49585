import { isLeft } from 'fp-ts/lib/Either';
import type { Observable } from 'rxjs';
import { from, lastValueFrom, map, range, reduce, Subject, tap } from 'rxjs';

import type { Outcome } from '../../index';
import { agent, execute, memoryStore, outcomes, pulled, runEach } from '../../index';
import { amount, isLong, tally } from '../support/torture';

const inputs = amount(100_000, 1_000_000);
jest.setTimeout(600_000);

const same = agent('same', (n: number) => n);
/** The first ones take their time, so that all others wait; those then end at once. */
const slowAtFirst = (work: (n: number) => unknown) => {
  let calls = 0;
  return agent('slow at first', (n: number) => {
    calls += 1;
    return calls > 16 ? work(n) : new Promise((resolve) => setTimeout(resolve, 3));
  });
};
// One for all: an error for each is what takes most of the time.
const error = new Error('torn');
const torn = (): never => {
  throw error;
};

interface Told {
  readonly all: number;
  readonly left: number;
}

async function count(all: Observable<Outcome<unknown>>): Promise<Told> {
  const told = await lastValueFrom(
    all.pipe(
      reduce((sum, outcome) => ({ all: sum.all + 1, left: sum.left + (isLeft(outcome) ? 1 : 0) }), {
        all: 0,
        left: 0,
      }),
    ),
  );
  tally('inputs', told.all);
  return told;
}

/** What is kept besides what was there before, in MB. */
async function heapUsedBy(work: () => Promise<unknown>): Promise<number> {
  const used = (): number => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed / 2 ** 20;
  };
  const before = used();
  await work();
  return used() - before;
}

describe.each(isLong ? (['merge', 'concat'] as const) : (['merge'] as const))(
  `runEach({ whenBusy: '%s' }) over many inputs`,
  (whenBusy) => {
    it('tells the outcome of each run that ends at once, from a source that pushes', async () => {
      const all = range(0, inputs).pipe(
        runEach(
          slowAtFirst((n) => n),
          { whenBusy },
        ),
        outcomes(),
      );
      expect(await count(all)).toEqual({ all: inputs, left: 0 });
    });

    it('tells the outcome of each run that fails at once', async () => {
      const all = range(0, inputs).pipe(runEach(slowAtFirst(torn), { whenBusy }), outcomes());
      expect(await count(all)).toEqual({ all: inputs, left: inputs - 16 });
    });

    it('tells the outcome of each input when all are aborted in the middle', async () => {
      const stop = new AbortController();
      const waits = agent('waits', () => new Promise(() => undefined));
      const all = range(0, inputs).pipe(runEach(waits, { whenBusy, signal: stop.signal }), outcomes());
      setTimeout(() => {
        stop.abort();
      }, 1);
      expect(await count(all)).toEqual({ all: inputs, left: inputs });
    });
  },
);

describe('runEach() over many inputs', () => {
  it('tells the outcome of each that the cache answers', async () => {
    const store = memoryStore();
    const ask = agent('ask', async (n: number) => Promise.resolve(n), { cache: {} });
    await execute(ask, 1, { store });
    // All under one name, so that the store does not grow: only the cache is asked.
    const questions = pulled(Array.from({ length: inputs }, (_, index) => (index === 0 ? 0 : 1)));
    const all = questions.pipe(
      runEach(ask, { store, whenBusy: 'concat', runId: () => 'one', onMismatch: 'actual' }),
      outcomes(),
    );
    expect(await count(all)).toEqual({ all: inputs, left: 0 });
  });

  it('tells the outcome of each run that has completed before, and keeps nothing of it', async () => {
    const store = memoryStore();
    await execute(same, 1, { store, runId: 'one' });
    const pass = () =>
      count(
        range(0, inputs).pipe(
          map(() => 1),
          runEach(same, { store, runId: () => 'one', concurrency: 2 }),
          outcomes(),
        ),
      );
    let told: Told | undefined;
    const grown = await heapUsedBy(async () => {
      told = await pass();
    });
    expect(told).toEqual({ all: inputs, left: 0 });
    if (globalThis.gc !== undefined) expect(grown).toBeLessThan(20);
  });

  it('resumes each that fails at once, without deepening the stack', async () => {
    const all = from([1]).pipe(runEach(agent('torn', torn), { retry: 8_000 }), outcomes());
    expect(await count(all)).toEqual({ all: 1, left: 1 });
  });

  it('takes a burst that is pushed while others are under way', async () => {
    const source = new Subject<number>();
    const told = count(source.pipe(runEach(slowAtFirst((n) => n)), outcomes()));
    for (let n = 0; n < inputs; n += 1) source.next(n);
    source.complete();
    expect(await told).toEqual({ all: inputs, left: 0 });
  });

  it('takes inputs that its own outcomes bring forth', async () => {
    const source = new Subject<number>();
    let made = 1;
    const told = count(
      source.pipe(
        runEach(same),
        outcomes(),
        tap(() => {
          if (made < inputs) source.next((made += 1));
          else source.complete();
        }),
      ),
    );
    source.next(1);
    expect(await told).toEqual({ all: inputs, left: 0 });
  });

  it(`tells the cancel of each input that gives way with whenBusy: 'switch'`, async () => {
    const many = inputs / 10;
    const waits = agent('waits', (n: number) => (n === many - 1 ? n : new Promise(() => undefined)));
    const all = range(0, many).pipe(runEach(waits, { whenBusy: 'switch' }), outcomes());
    expect(await count(all)).toEqual({ all: many, left: many - 1 });
  });
});

describe('an agent in a plain pipe', () => {
  it.each(isLong ? [1, 8] : [8])('answers many inputs that wait, %d at once', async (concurrency) => {
    let calls = 0;
    const quick = agent(
      'quick',
      (n: number) => ((calls += 1) > 16 ? n : new Promise((resolve) => setTimeout(resolve, 3))),
      { concurrency },
    );
    const answers = range(0, inputs).pipe(
      quick,
      same as never,
      reduce((sum) => sum + 1, 0),
    );
    expect(await lastValueFrom(answers)).toBe(inputs);
    tally('inputs', inputs);
  });

  it('errors with the failure of an input that had to wait', async () => {
    const answers = range(0, inputs).pipe(slowAtFirst((n) => (n === inputs - 1 ? torn() : n)));
    await expect(lastValueFrom(answers)).rejects.toThrow('torn');
  });
});
