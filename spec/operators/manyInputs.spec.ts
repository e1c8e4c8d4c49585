import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { isLeft } from 'fp-ts/lib/Either';
import type { Observable } from 'rxjs';
import { from, lastValueFrom, range, reduce, Subject, tap } from 'rxjs';

import type { Outcome } from '../../index';
import { agent, execute, memoryStore, outcomes, pulled, runEach } from '../../index';
import { amount, isLong, tally } from '../support/torture';

const inputs = amount(100_000, 1_000_000);

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

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** What is in use, in MB. */
function heapUsed(): number {
  gc();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

/** Eight times as many inputs may cost 8 times as much, and three times that for a collector of garbage that has more to do; what is done anew for each would cost 64 times as much. */
const LINEAR = 8 * 3;

/** What comes of all inputs; the CPU time of the least of up to three tries grows with their number, and no faster. */
async function inLinearTime<T>(work: (many: number) => Promise<T>): Promise<T> {
  const few = Math.ceil(inputs / 8);
  const cost = async (many: number): Promise<readonly [T, number]> => {
    const before = process.cpuUsage();
    const told = await work(many);
    const { user, system } = process.cpuUsage(before);
    return [told, user + system];
  };
  // Nothing is compiled yet.
  await work(few);
  let told: T;
  let least = Infinity;
  let round = 0;
  do {
    const [, ofFew] = await cost(few);
    const [all, ofAll] = await cost(inputs);
    told = all;
    least = Math.min(least, ofAll / ofFew);
  } while (least >= LINEAR && (round += 1) < 3);
  expect(least).toBeLessThan(LINEAR);
  return told;
}

describe.each(isLong ? (['merge', 'concat'] as const) : (['merge'] as const))(
  `runEach({ whenBusy: '%s' }) over many inputs`,
  (whenBusy) => {
    it('tells the outcome of each run that ends at once, from a source that pushes, in linear time', async () => {
      const told = await inLinearTime((many) =>
        count(
          range(0, many).pipe(
            runEach(
              slowAtFirst((n) => n),
              { whenBusy },
            ),
            outcomes(),
          ),
        ),
      );
      expect(told).toEqual({ all: inputs, left: 0 });
    });

    it('tells the outcome of each run that fails at once, in linear time', async () => {
      const told = await inLinearTime((many) =>
        count(range(0, many).pipe(runEach(slowAtFirst(torn), { whenBusy }), outcomes())),
      );
      expect(told).toEqual({ all: inputs, left: inputs - 16 });
    });

    it('tells the outcome of each input when all are aborted in the middle, in linear time', async () => {
      const told = await inLinearTime((many) => {
        const stop = new AbortController();
        const waits = agent('waits', () => new Promise(() => undefined));
        const all = range(0, many).pipe(runEach(waits, { whenBusy, signal: stop.signal }), outcomes());
        setTimeout(() => {
          stop.abort();
        }, 1);
        return count(all);
      });
      expect(told).toEqual({ all: inputs, left: inputs });
    });
  },
);

describe('runEach() over many inputs', () => {
  it('tells the outcome of each that the cache answers', async () => {
    const store = memoryStore();
    let calls = 0;
    const ask = agent(
      'ask',
      async (n: number) => {
        calls += 1;
        return Promise.resolve(n);
      },
      { cache: {} },
    );
    for (const n of [0, 1]) await execute(ask, n, { store });
    // All under one name, so that the store does not grow; never twice the same, so that only the cache is asked.
    const questions = pulled(Array.from({ length: inputs }, (_, index) => index % 2));
    const all = questions.pipe(
      runEach(ask, { store, whenBusy: 'concat', runId: () => 'one', onMismatch: 'actual' }),
      outcomes(),
    );
    expect(await count(all)).toEqual({ all: inputs, left: 0 });
    expect(calls).toBe(2);
  });

  it('tells the outcome of each run that has completed before, in linear time, and keeps nothing of it', async () => {
    const store = memoryStore();
    await execute(same, 1, { store, runId: 'one' });
    function* ones(many: number, look: (seen: number) => void): Generator<number> {
      for (let seen = 0; seen < many; seen += 1) {
        look(seen);
        yield 1;
      }
    }
    const pass = (many: number, look: (seen: number) => void = () => undefined): Promise<Told> =>
      count(
        pulled(ones(many, look)).pipe(
          runEach(same, { store, runId: () => 'one', concurrency: 2 }),
          outcomes(),
        ),
      );
    expect(await inLinearTime(pass)).toEqual({ all: inputs, left: 0 });
    const before = heapUsed();
    const grown: number[] = [];
    await pass(inputs, (seen) => {
      if (seen % Math.ceil(inputs / 4) === 1) grown.push(heapUsed() - before);
    });
    grown.push(heapUsed() - before);

    expect(grown).toHaveLength(5);
    for (const each of grown) expect(each).toBeLessThan(5);
  });

  it('resumes each that fails at once, without deepening the stack', async () => {
    const all = from([1]).pipe(runEach(agent('torn', torn), { retry: 8_000 }), outcomes());
    expect(await count(all)).toEqual({ all: 1, left: 1 });
  });

  it('takes a burst that is pushed while others are under way, in linear time', async () => {
    const told = await inLinearTime((many) => {
      const source = new Subject<number>();
      const outcomes$ = count(source.pipe(runEach(slowAtFirst((n) => n)), outcomes()));
      for (let n = 0; n < many; n += 1) source.next(n);
      source.complete();
      return outcomes$;
    });
    expect(told).toEqual({ all: inputs, left: 0 });
  });

  it('takes inputs that its own outcomes bring forth, in linear time', async () => {
    const told = await inLinearTime((many) => {
      const source = new Subject<number>();
      let made = 1;
      const outcomes$ = count(
        source.pipe(
          runEach(same),
          outcomes(),
          tap(() => {
            if (made < many) source.next((made += 1));
            else source.complete();
          }),
        ),
      );
      source.next(1);
      return outcomes$;
    });
    expect(told).toEqual({ all: inputs, left: 0 });
  });

  it(`tells the cancel of each input that gives way with whenBusy: 'switch'`, async () => {
    const many = inputs / 10;
    const waits = agent('waits', (n: number) => (n === many - 1 ? n : new Promise(() => undefined)));
    const all = range(0, many).pipe(runEach(waits, { whenBusy: 'switch' }), outcomes());
    expect(await count(all)).toEqual({ all: many, left: many - 1 });
  });
});

describe('an agent in a plain pipe', () => {
  it.each(isLong ? [1, 8] : [8])(
    'answers many inputs that wait, %d at once, in linear time',
    async (concurrency) => {
      const answered = await inLinearTime((many) => {
        let calls = 0;
        const quick = agent(
          'quick',
          (n: number) => ((calls += 1) > 16 ? n : new Promise((resolve) => setTimeout(resolve, 3))),
          { concurrency },
        );
        const answers = range(0, many).pipe(
          quick,
          same as never,
          reduce((sum) => sum + 1, 0),
        );
        return lastValueFrom(answers);
      });
      expect(answered).toBe(inputs);
      tally('inputs', inputs);
    },
  );

  it('errors with the failure of an input that had to wait', async () => {
    const answers = range(0, inputs).pipe(slowAtFirst((n) => (n === inputs - 1 ? torn() : n)));
    await expect(lastValueFrom(answers)).rejects.toThrow('torn');
  });

  /** Eight at once; what has begun, and what was aborted. */
  function noted(work: (n: number) => unknown) {
    const begun: number[] = [];
    const aborted: number[] = [];
    const waits = agent(
      'waits',
      (n: number, { signal }) => {
        begun.push(n);
        signal.addEventListener('abort', () => aborted.push(n));
        return work(n);
      },
      { concurrency: 8 },
    );
    return { waits, begun, aborted };
  }
  const never = () => new Promise(() => undefined);
  const later = () => new Promise((resolve) => setTimeout(resolve, 3));

  it('errors at the first failure: those under way are aborted, none that waits begins', async () => {
    const { waits, begun, aborted } = noted((n) => (n === 3 ? later().then(torn) : never()));
    await expect(lastValueFrom(range(0, inputs).pipe(waits))).rejects.toThrow('torn');
    await later();

    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(aborted).toEqual([0, 1, 2, 4, 5, 6, 7]);
  });

  it('begins none that waits once it is left in the middle, and aborts those under way', async () => {
    const middle = Math.floor(inputs / 2);
    const { waits, begun, aborted } = noted((n) => (n < 8 ? later() : n < middle ? n : never()));
    let answers = 0;
    await new Promise<void>((resolve) => {
      const all = range(0, inputs)
        .pipe(waits)
        .subscribe(() => {
          answers += 1;
          if (answers === middle)
            setTimeout(() => {
              all.unsubscribe();
              resolve();
            }, 1);
        });
    });
    await later();

    expect([answers, begun.length]).toEqual([middle, middle + 8]);
    expect(aborted).toEqual(begun.slice(middle));
  });
});
