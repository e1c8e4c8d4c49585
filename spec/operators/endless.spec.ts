import { firstValueFrom, lastValueFrom, of, switchMap, timer } from 'rxjs';

import type { Agent } from '../../index';
import { agent, budget, chain, each, execute, memoryStore, pulled, run, runEach } from '../../index';
import { everyStore } from '../support/everyStore';

/** A thenable that resolves with what `next` gives, at once or in so many turns. */
function thenable(next: (self: object) => unknown, later?: (work: () => void) => void): object {
  const self = {
    then(resolve: (value: unknown) => void) {
      if (later === undefined) resolve(next(self));
      else
        later(() => {
          resolve(next(self));
        });
    },
  };
  return self;
}

describe('what never ends', () => {
  it.each<[string, () => unknown]>([
    ['resolves with itself', () => thenable((self) => self)],
    ['resolves with itself in a microtask', () => thenable((self) => self, queueMicrotask)],
    ['resolves with itself in a later turn', () => thenable((self) => self, setImmediate)],
    [
      'leads to another one, which leads back',
      () => {
        const first: object = thenable(() => second);
        const second = thenable(() => first, queueMicrotask);
        return first;
      },
    ],
    [
      'leads to a new one each time',
      () => {
        const make = (): object => thenable(make, queueMicrotask);
        return make();
      },
    ],
  ])('fails by name when a thenable %s', async (_, make) => {
    const endless = agent('endless', make as () => string, { retry: { count: 3 }, timeoutMs: 15_000 });
    const { status, error } = await execute(endless, undefined);

    expect(status).toBe('FAILED');
    expect(error).toMatchObject({ name: 'EndlessAnswerError', code: 'ENDLESS_ANSWER', path: 'endless' });
  });

  it('still times a thenable that settles with none of these', async () => {
    const silent = agent(
      'silent',
      () =>
        thenable(
          () => 1,
          () => undefined,
        ) as unknown as Promise<number>,
      {
        timeoutMs: 10,
      },
    );
    expect((await execute(silent, undefined)).error).toMatchObject({ name: 'StepTimeoutError' });
  });

  it('takes a thenable of a thenable of a stream', async () => {
    const nested = agent(
      'nested',
      () => thenable(() => thenable(() => of(1, 2))) as unknown as Promise<number>,
    );
    expect((await execute(nested, undefined)).output).toBe(2);
  });

  it.each([
    ['at once', false],
    ['after a turn', true],
  ])('fails by name when an agent asks for itself %s, however often it retries', async (_, isLate) => {
    let calls = 0;
    const itself: Agent<number, number> = agent(
      'itself',
      (n: number, { step }) => {
        calls += 1;
        const below$ = step('again', itself, n);
        return isLate ? timer(0).pipe(switchMap(() => below$)) : below$;
      },
      { retry: { count: 2 } },
    );
    const { status, error } = await execute(itself, 0, { store: memoryStore() });

    expect(status).toBe('FAILED');
    expect(error).toMatchObject({ name: 'StepDepthError', code: 'STEP_DEPTH', retryable: false });
    expect(error?.message.length).toBeLessThan(400);
    expect(calls).toBe(256);
  });

  it('lets functions ask for each other 200 levels deep, through composites too', async () => {
    const down: Agent<number, number> = agent('down', async (n: number, { step }): Promise<number> => {
      if (n === 0) return 0;
      const [below = 0] = await firstValueFrom(step('below', list, [n - 1]));
      return below + 1;
    });
    const list = each('list', down);

    expect((await execute(down, 200)).output).toBe(200);
  });
});

class Unready {
  get usage(): never {
    throw new Error('not there yet');
  }
}

const secretive = new Proxy(
  {},
  {
    has() {
      throw new Error('do not ask');
    },
  },
);

async function* giving(...values: unknown[]) {
  for (const value of values) yield await Promise.resolve(value);
}

describe.each(everyStore)('values that throw when they are looked at (%s)', (_where, open) => {
  it.each<[string, () => unknown]>([
    ['a partial result of a generator', () => giving(new Unready(), 'text')],
    ['a partial result of an Observable', () => of(new Unready(), 'text')],
    ['a partial result in a later turn', () => timer(1).pipe(switchMap(() => of(new Unready(), 'text')))],
    ['a Proxy among the partial results', () => giving(secretive, 'text')],
    ['a Proxy among those of an Observable', () => of(secretive, 'text')],
  ])('harm no run as %s', async (_, give) => {
    for (const store of [undefined, open()]) {
      const ask = agent('ask', give, { timeoutMs: 15_000 });
      const { status, output } = await execute(chain('around', ask), undefined, store && { store });
      expect([status, output]).toEqual(['COMPLETED', 'text']);
    }
  });

  it('are taken as an output without a store, and refused as what JSON does not keep with one', async () => {
    for (const give of [() => new Unready(), async () => Promise.resolve(new Unready())]) {
      const ask = chain('around', agent('ask', give as () => unknown, { timeoutMs: 15_000 }));
      expect((await execute(ask, undefined)).status).toBe('COMPLETED');
      expect((await execute(ask, undefined, { store: open() })).error?.name).toBe('StateValueError');
    }
  });

  it('are no error of a budget', async () => {
    const ask = agent('ask', (): unknown => new Unready());
    const state = await lastValueFrom(run(ask, undefined).pipe(budget({ tokens: 5 })));
    expect(state.state.status).toBe('COMPLETED');
  });

  it('fail the step where it cannot go on', async () => {
    const ask = agent('ask', () => giving(1, 2), {
      reduce: {
        seed: 0,
        fold: () => {
          throw new Error('no sum');
        },
      },
    });
    expect((await execute(ask, undefined, { store: open() })).error).toMatchObject({
      message: 'no sum',
      path: 'ask',
    });
  });
});

describe('iterators that give what is no item', () => {
  const wrong = (next: () => unknown, isAsync: boolean): never =>
    (isAsync
      ? { [Symbol.asyncIterator]: () => ({ next: () => next() }) }
      : { [Symbol.iterator]: () => ({ next: () => next() }), next }) as never;
  const thrower = {
    get done(): never {
      throw new Error('not done');
    },
  };
  const cases: [string, () => unknown, string][] = [
    ['undefined', () => undefined, 'Cannot take the next item of an iterator: its next() gave undefined'],
    ['a Promise of undefined', async () => Promise.resolve(undefined), 'its next() gave undefined'],
    ['null', () => null, 'its next() gave null'],
    ['a number', () => 5, 'its next() gave number'],
    ['what throws when it is read', () => thrower, 'not done'],
  ];

  it.each(cases)('fail the function that gave them: %s', async (_, next, message) => {
    const bad = agent('bad', () => wrong(next, true));
    const { status, error } = await execute(bad, undefined);

    expect([status, error?.path]).toEqual(['FAILED', 'bad']);
    expect(error?.message).toContain(message);
  });

  it.each(cases)('fail the each() that goes over them: %s', async (how, next, message) => {
    const one = agent('one', (x: number) => x);
    for (const isAsync of [true, false]) {
      if (!isAsync && how === 'a Promise of undefined') continue;
      const { status, error } = await execute(each('all', one), wrong(next, isAsync));

      expect(status).toBe('FAILED');
      expect(error?.message).toContain(message);
    }
  });

  it.each(cases)('error the stream of runs on them: %s', async (_, next, message) => {
    const one = agent('one', (x: unknown) => x);
    const runs = pulled(wrong(next, true)).pipe(runEach(one));

    await expect(lastValueFrom(runs)).rejects.toThrow(message);
  });
});
