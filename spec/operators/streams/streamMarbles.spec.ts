import { expectTypeOf } from 'expect-type';
import type { Observable, OperatorFunction, SchedulerLike } from 'rxjs';
import { asyncScheduler, map, NEVER, of, Subject, take, throwError, toArray } from 'rxjs';
import type { TestScheduler } from 'rxjs/testing';

import type { Window } from '../../../operators/streams/windowed';
import {
  deduped,
  fromOffset,
  joined,
  latestBy,
  lines,
  memoryStore,
  scanned,
  together,
  windowed,
} from '../../../index';
import { marbles } from '../../support/marbles';

interface Letter {
  readonly letter: string;
  readonly at: number;
}

/** Each operator, so that one letter gives one letter. */
const operators: readonly (readonly [
  string,
  (scheduler: SchedulerLike) => OperatorFunction<Letter, string>,
])[] = [
  ['scanned()', () => (source) => source.pipe(scanned('s', (_, { letter }: Letter) => letter, ''))],
  [
    'scanned() by key',
    () => (source) =>
      source.pipe(
        scanned('s', (_, { letter }: Letter) => letter, '', { key: ({ letter }) => letter }),
        map(([, letter]) => letter),
      ),
  ],
  [
    'deduped()',
    () => (source) =>
      source.pipe(
        deduped('d', ({ letter }) => letter),
        map(({ letter }) => letter),
      ),
  ],
  [
    'windowed()',
    () => (source) =>
      source.pipe(
        windowed('w', { count: 1 }),
        map(({ items }) => items.map(({ letter }) => letter).join('')),
      ),
  ],
  [
    'latestBy()',
    () => (source) =>
      source.pipe(
        latestBy('l', () => 'all'),
        map((all) => all.get('all')?.letter ?? ''),
      ),
  ],
  [
    'together()',
    (scheduler) => (source) =>
      together({ name: 't', store: memoryStore(), scheduler }, source).pipe(map(({ letter }) => letter)),
  ],
  [
    'joined()',
    (scheduler) => (source) => {
      const one = { letter: 'x', at: 0 };
      const other = fromOffset(() => of({ offset: 1, value: one }), { name: 'other', store: memoryStore() });
      return joined(other, source, {
        name: 'j',
        store: memoryStore(),
        key: { left: () => '', right: () => '' },
        at: { left: () => 0, right: () => 0 },
        withinMs: 0,
        scheduler,
      }).pipe(map(([, { letter }]) => letter));
    },
  ],
];

/** Letters as a source with offsets, in virtual time. */
function letters(source: Observable<string>, scheduler: TestScheduler): Observable<Letter> {
  let offset = 0;
  return fromOffset(
    () => source.pipe(map((letter) => ({ offset: (offset += 1), value: { letter, at: scheduler.now() } }))),
    { name: 'letters', store: memoryStore(), scheduler },
  );
}

describe.each(operators)('%s in virtual time', (_name, operator) => {
  it(
    'gives nothing for nothing',
    marbles(({ cold, expectObservable, scheduler }) => {
      expectObservable(letters(cold('--|'), scheduler).pipe(operator(scheduler))).toBe('--|');
    }),
  );

  it(
    'gives one for one, and many for many, when they come',
    marbles(({ cold, expectObservable, scheduler }) => {
      const source = cold('  a-bc---d|');
      const expected = '     a-bc---d|';
      expectObservable(letters(source, scheduler).pipe(operator(scheduler))).toBe(expected);
    }),
  );

  it(
    'goes on as long as an endless source, and leaves it early',
    marbles(({ hot, expectObservable, expectSubscriptions, scheduler }) => {
      const source = hot('   a-b-c-d-');
      const subscription = ' ^---!   ';
      const expected = '     a-b-(c|)';
      expectObservable(letters(source, scheduler).pipe(operator(scheduler), take(3))).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subscription);
    }),
  );

  it(
    'passes on what a source fails with',
    marbles(({ cold, expectObservable, scheduler }) => {
      expectObservable(letters(cold('a-#'), scheduler).pipe(operator(scheduler))).toBe('a-#');
    }),
  );

  it('passes on what a source fails with before anything came, and waits for one that never gives', () => {
    const seen: unknown[] = [];
    const scheduler = asyncScheduler;
    const from = (source: Observable<string>) =>
      fromOffset(() => source.pipe(map((letter) => ({ offset: 1, value: { letter, at: 0 } }))), {
        name: 'letters',
        store: memoryStore(),
      });

    from(throwError(() => new Error('torn')))
      .pipe(operator(scheduler))
      .subscribe({ error: (error: unknown) => seen.push(String(error)) });
    from(NEVER)
      .pipe(operator(scheduler))
      .subscribe((letter) => seen.push(letter))
      .unsubscribe();

    expect(seen).toEqual(['Error: torn']);
  });
});

describe('windowed() in virtual time', () => {
  const shown = map(({ items }: Window<Letter>) => items.map(({ letter }) => letter).join(''));

  it(
    'closes a window of time with the first item behind it, and the last one with the end',
    marbles(({ cold, expectObservable, scheduler }) => {
      const source = cold('  ab----c--de-|');
      const expected = '     ------x---y-(z|)';
      const windows$ = letters(source, scheduler).pipe(windowed('w', { sizeMs: 5 }), shown);
      expectObservable(windows$).toBe(expected, { x: 'ab', y: 'cd', z: 'e' });
    }),
  );

  it(
    'closes a window by the clock where that is asked for, at its end',
    marbles(({ cold, expectObservable, scheduler }) => {
      const source = cold('  -ab-------c------');
      const expected = '     -----x---------y-';
      const windows$ = letters(source, scheduler).pipe(
        windowed('w', { sizeMs: 5 }, { byClock: true }),
        shown,
      );
      expectObservable(windows$, '^---------------!').toBe(expected, { x: 'ab', y: 'c' });
    }),
  );

  it(
    'closes a session when the pause behind it has passed, and leaves what is open when it is left',
    marbles(({ cold, expectObservable, scheduler }) => {
      const source = cold('  ab-c-----d--');
      const expected = '     ---------x--';
      const sessions$ = letters(source, scheduler).pipe(windowed('w', { gapMs: 3 }), shown);
      expectObservable(sessions$, '^----------!').toBe(expected, { x: 'abc' });
    }),
  );

  it(
    'passes on what a source fails with, and does not close what is open',
    marbles(({ cold, expectObservable, scheduler }) => {
      const source = cold('  ab-#');
      const expected = '     ---#';
      expectObservable(letters(source, scheduler).pipe(windowed('w', { sizeMs: 5 }), shown)).toBe(expected);
    }),
  );
});

describe('the types of operators that remember', () => {
  it('are inferred without annotations', () => {
    const store = memoryStore();
    const source = fromOffset(() => [{ offset: 1, value: { user: 'a', at: 5 } }], { name: 's', store });
    interface Visit {
      user: string;
      at: number;
    }

    expectTypeOf(source).toEqualTypeOf<Observable<Visit>>();
    // An offset is a number unless something says otherwise.
    expectTypeOf(
      fromOffset((offset = 0) => [{ offset: offset + 1, value: 'a' }], { name: 's', store }),
    ).toEqualTypeOf<Observable<string>>();
    expectTypeOf(
      fromOffset(
        async function* (offset = 0) {
          yield* await Promise.resolve([{ offset: offset + 1, value: 'a' }]);
        },
        { name: 's', store },
      ),
    ).toEqualTypeOf<Observable<string>>();
    expectTypeOf(
      fromOffset((after?: string) => of({ offset: `${String(after)}+`, value: true }), { name: 's', store }),
    ).toEqualTypeOf<Observable<boolean>>();
    expectTypeOf(fromOffset(lines('a.log'), { name: 's', store })).toEqualTypeOf<Observable<string>>();
    expectTypeOf(source.pipe(scanned('n', (n) => n + 1, 0))).toEqualTypeOf<Observable<number>>();
    expectTypeOf(
      source.pipe(
        scanned('n', (all, { user }) => ({ ...all, last: user }), { last: '' }, { key: ({ user }) => user }),
      ),
    ).toEqualTypeOf<Observable<readonly [key: string, accumulator: { last: string }]>>();
    expectTypeOf(source.pipe(deduped('d', ({ user }) => user))).toEqualTypeOf<Observable<Visit>>();
    expectTypeOf(source.pipe(windowed('w', { sizeMs: 5 }, { at: ({ at }) => at }))).toEqualTypeOf<
      Observable<Window<Visit>>
    >();
    expectTypeOf(source.pipe(latestBy('l', ({ user }) => user))).toEqualTypeOf<
      Observable<ReadonlyMap<string, Visit>>
    >();
    expectTypeOf(together({ name: 't', store }, source)).toEqualTypeOf<Observable<Visit>>();
    expectTypeOf(
      joined(source, source.pipe(map(({ at }) => at)), {
        name: 'j',
        store,
        key: { left: ({ user }) => user, right: (at) => String(at) },
        withinMs: 5,
      }),
    ).toEqualTypeOf<Observable<readonly [left: Visit, right: number]>>();
  });
});

describe('a callback that throws', () => {
  it.each<[string, OperatorFunction<number, unknown>]>([
    [
      'a recipe',
      scanned(
        's',
        () => {
          throw new Error('broken');
        },
        0,
      ),
    ],
    [
      'a key',
      deduped('d', () => {
        throw new Error('broken');
      }),
    ],
    [
      'a time',
      windowed(
        'w',
        { sizeMs: 1 },
        {
          at: () => {
            throw new Error('broken');
          },
        },
      ),
    ],
    [
      'a key of latestBy()',
      latestBy('l', () => {
        throw new Error('broken');
      }),
    ],
  ])('errors the stream, and the item is not handled: %s', async (_name, operator) => {
    const store = memoryStore();
    const source = new Subject<{ offset: number; value: number }>();
    const seen: unknown[] = [];

    fromOffset(() => source, { name: 's', store })
      .pipe(operator, toArray())
      .subscribe({ error: (error: unknown) => seen.push(String(error)) });
    source.next({ offset: 1, value: 1 });

    expect(seen).toEqual(['Error: broken']);
    expect((await store.streams.list()).map(({ offsets }) => offsets)).toEqual([]);
  });
});
