import { Readable } from 'node:stream';

import { isLeft, isRight } from 'fp-ts/lib/Either';
import { concatMap, delay, EMPTY, from, map, NEVER, of, Subject, throwError, timer } from 'rxjs';

import { agent, chain, each, execute, memoryStore, pulled, run, withPolicy } from '../../index';
import type { Items } from '../../operators/agents/each';
import type { StepContext } from '../../index';
import { DateText } from '../support/dateText';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';

const upper = agent('upper', (text: string) => text.toUpperCase());
/** Answers after as many milliseconds as the item says. */
const slow = agent('slow', (ms: number) => of(ms).pipe(delay(ms)));
const odd = agent('odd', (n: number) => {
  if (n % 2 === 0) throw new Error(`${String(n)} is even`);
  return n;
});

describe('each()', () => {
  it('gives nothing for nothing, and one for one', async () => {
    expect((await execute(each('e', upper), [])).output).toEqual([]);
    expect((await execute(each('e', upper), EMPTY)).output).toEqual([]);
    expect((await execute(each('e', upper), ['a'])).output).toEqual(['A']);
  });

  it(
    'handles some at once, and keeps the order of the items',
    marbles(({ scheduler, expectObservable }) => {
      const ends = run(each('e', slow, { concurrency: 2 }), [5, 2, 2], { scheduler }).pipe(
        concatMap(({ event }) => {
          if (event.type === 'step.completed') return of(event.path[1]);
          return event.type === 'run.completed' ? of((event.output as number[]).join('')) : [];
        }),
      );
      expectObservable(ends).toBe('--1-2(0x|)', { 0: '0', 1: '1', 2: '2', x: '522' });
    }),
  );

  it(
    'takes the items of an Observable as they come',
    marbles(({ scheduler, cold, expectObservable }) => {
      const items = cold('a-b--|');
      const ends = run(each('e', upper), items, { scheduler }).pipe(
        concatMap(({ event }) => (event.type === 'step.completed' ? of(event.output) : [])),
      );
      expectObservable(ends).toBe('A-B--|');
    }),
  );

  it(
    'stops an endless source when the subscriber leaves, and aborts what is under way',
    marbles(({ scheduler, hot, expectObservable, expectSubscriptions }) => {
      const items = hot('a-b-c-d-e', { a: 9, b: 9, c: 9, d: 9, e: 9 });
      expectObservable(run(each('e', slow), items, { scheduler }).pipe(concatMap(() => EMPTY)), '^---!').toBe(
        '',
      );
      expectSubscriptions(items.subscriptions).toBe('^---!');
    }),
  );

  it('fails with the source, and with a key that throws', async () => {
    expect(
      (
        await execute(
          each('e', upper),
          throwError(() => new Error('torn')),
        )
      ).error,
    ).toMatchObject({
      message: 'torn',
    });
    const keyed = each('e', upper, {
      key: () => {
        throw new Error('no key');
      },
    });
    expect((await execute(keyed, ['a'])).error?.message).toBe('no key');
    expect((await execute(each('e', upper, { key: () => 'same' }), ['a', 'b'])).error?.message).toContain(
      '"same"',
    );
    expect((await execute(each('e', upper), 'text' as never)).error?.message).toContain(
      'Cannot go over string',
    );
  });

  it('fails with the first item that fails, and aborts the others', async () => {
    const aborted: string[] = [];
    const work = agent('work', async (n: number, { signal, path }: StepContext) => {
      if (n === 2) throw new Error('two broke');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      aborted.push(path);
    });
    const { status, error, steps } = await execute(chain('c', each('e', work)), [1, 2, 3]);
    expect([status, error]).toMatchObject(['FAILED', { message: 'two broke', path: 'e[1]/work' }]);
    expect([...steps].map((step) => `${step.stepId} ${step.status}`)).toEqual([
      'e FAILED',
      'e[0]/work PENDING',
      'e[1]/work FAILED',
      'e[2]/work PENDING',
    ]);
    expect(aborted).toEqual(['e[0]/work', 'e[2]/work']);
  });

  it('collects failures as plain values, the same live and resumed', async () => {
    const store = memoryStore();
    let isBroken = true;
    const last = agent('last', (all: readonly unknown[]) => {
      if (isBroken) throw new Error('later');
      return all;
    });
    const all = chain('all', each('e', odd, { onError: 'collect' }), last);
    const first = await execute(all, [1, 2, 3], { store, runId: 'r' });
    const live = first.steps.get('e')?.output;
    isBroken = false;
    const { output } = await execute(all, [1, 2, 3], { store, runId: 'r' });
    expect(output).toEqual(live);
    expect(live).toEqual([
      { _tag: 'Right', right: 1 },
      { _tag: 'Left', left: { name: 'Error', message: '2 is even', path: 'e[1]/odd' } },
      { _tag: 'Right', right: 3 },
    ]);
  });

  it('names items by their key, whatever it contains', async () => {
    const { steps } = await execute(chain('c', each('e', upper, { key: (text) => text })), ['a', 'b/"]']);
    expect([...steps].map(({ stepId }) => stepId)).toEqual([
      'e',
      'e["a"]/upper',
      String.raw`e["b\u002f\"\u005d"]/upper`,
    ]);
  });

  it('makes no more items than there is room for: 5 done, no more than 5 + concurrency made', async () => {
    let made = 0;
    let done = 0;
    let most = 0;
    function* endless() {
      for (;;) {
        made += 1;
        most = Math.max(most, made - done);
        yield made;
      }
    }
    const work = agent('work', async (n: number) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      done += 1;
      return n;
    });
    for (const source of [endless(), pulled(endless())]) {
      [made, done, most] = [0, 0, 0];
      const seen = collect(run(each('e', work, { concurrency: 3 }), source));
      while (done < 5) await new Promise((resolve) => setTimeout(resolve, 1));
      seen.leave?.();
      expect(most).toBeLessThanOrEqual(4);
    }
  });

  it('returns an iterable that nobody wants any more', async () => {
    let isReturned = false;
    async function* endless() {
      try {
        for (;;) yield await Promise.resolve(2);
      } finally {
        isReturned = true;
      }
    }
    expect((await execute(each('e', odd), endless())).error?.message).toBe('2 is even');
    await new Promise((resolve) => setImmediate(resolve));
    expect(isReturned).toBe(true);
  });

  it('takes a stream again when resumed, and refuses another one by name', async () => {
    const store = memoryStore();
    const calls: number[] = [];
    let isBroken = true;
    const work = agent('work', (n: number) => {
      calls.push(n);
      if (n === 3 && isBroken) throw new Error('three broke');
      return n * 10;
    });
    const e = each('e', work, { concurrency: 1 });
    const options = { store, runId: 'r' };
    expect((await execute(e, from([1, 2, 3, 4]), options)).status).toBe('FAILED');
    expect((await store.loadRun('r'))?.input).toEqual({ $stream: true });
    isBroken = false;

    expect((await execute(e, from([1, 9, 3, 4]), options)).error).toMatchObject({
      name: 'NestedInputError',
      path: '[1]/work',
    });
    expect((await execute(e, from([1]), options)).error).toMatchObject({ name: 'ItemMissingError' });
    await expect(execute(e, undefined as never, options)).rejects.toThrow('its input holds a stream');
    expect((await execute(e, from([1, 2, 3, 4]), options)).output).toEqual([10, 20, 30, 40]);
    expect(calls).toEqual([1, 2, 3, 3, 4]);
  });

  it.each<[string, () => Items<number>]>([
    ['a generator', () => [1, 2, 3].values()],
    ['an async generator', () => Readable.from([1, 2, 3])[Symbol.asyncIterator]()],
  ])('fails as its item does when %s cannot be read again by another attempt', async (_, items) => {
    const calls: number[] = [];
    const work = agent('work', (n: number) => {
      calls.push(n);
      if (n === 2) throw new Error('two broke');
      return n;
    });
    const again = { retry: 2 };
    const c = withPolicy(chain('c', each('e', work, { concurrency: 1, ...again })), again);

    const { error } = await execute(c, items());

    expect(error).toMatchObject({ message: 'two broke', path: 'e[1]/work', retryable: false });
    expect(calls).toEqual([1, 2]);
  });

  it('keeps streams inside a record as well', async () => {
    const w = chain(
      'w',
      agent('pick', ({ n }: { n: number; items: unknown }) => n),
    );
    const { output, input } = await execute(w, { n: 3, items: NEVER }, { store: memoryStore() });
    expect([output, input]).toEqual([3, { n: 3, items: { $stream: true } }]);
  });

  it('keeps outputs of any form: nothing at all, or dates', async () => {
    const store = memoryStore();
    const nothing = each(
      'e',
      agent('nothing', (_: number) => undefined),
    );
    expect((await execute(nothing, [1, 2], { store, runId: 'n' })).output).toEqual([undefined, undefined]);
    expect((await execute(nothing, [1, 2], { store, runId: 'n' })).output).toEqual([undefined, undefined]);

    const date = agent('date', (ms: number) => new Date(ms), { output: DateText });
    const dates = each('e', date);
    expect((await execute(dates, [0], { store, runId: 'd' })).output).toEqual([new Date(0)]);
    expect((await execute(dates, [0], { store, runId: 'd' })).output).toEqual([new Date(0)]);
    const collected = each('e', date, { onError: 'collect' });
    expect((await execute(collected, [0], { store, runId: 'c' })).output?.every(isRight)).toBe(true);
    expect((await execute(collected, [0], { store, runId: 'c' })).output?.some(isLeft)).toBe(false);
  });

  it('goes over items in a plain pipe', () => {
    const answers: string[][] = [];
    of(['a', 'b'], ['c'])
      .pipe(each('e', upper))
      .subscribe((answer) => answers.push(answer));
    expect(answers).toEqual([['A', 'B'], ['C']]);
  });

  it('takes 10,000 items without deepening the stack, at a flat cost', async () => {
    const items = Array.from({ length: 10_000 }, (_, n) => n);
    const same = each(
      'e',
      agent('same', (n: number) => n),
      { concurrency: Infinity },
    );
    expect((await execute(same, items, { store: memoryStore() })).output).toHaveLength(10_000);
  });

  it('refuses what cannot be', () => {
    expect(() => each('e', upper, { concurrency: 0 })).toThrow(
      'concurrency must be a whole number from 1, got 0',
    );
    expect(() => each('e/', upper)).toThrow('contains "/"');
    expect(() => each('e', map(String) as never)).toThrow('must be an agent');
  });

  it('goes on after what it has when an item waits long', async () => {
    const items = new Subject<number>();
    const seen = collect(
      run(
        each(
          'e',
          agent('n', (n: number) => timer(1).pipe(map(() => n))),
        ),
        items,
      ),
    );
    items.next(1);
    items.next(2);
    items.complete();
    while (seen.ended === 'open') await new Promise((resolve) => setTimeout(resolve, 1));
    expect(seen.events.at(-1)).toMatchObject({ output: [1, 2] });
  });

  it.each([undefined, null, true, Symbol('s'), {}, 1n, () => 'x'])(
    'refuses a key that is no text: %p',
    async (key) => {
      const keyed = each('e', upper, { key: (() => key) as never });
      for (const items of [['a'], from(['a'])]) {
        const { status, error } = await execute(chain('c', keyed), items as never);
        expect(status).toBe('FAILED');
        expect(error?.name).toBe('InvalidArgumentError');
        expect(error?.message).toMatch(/^Cannot name item 0 of "e": its key is /);
      }
    },
  );
});
