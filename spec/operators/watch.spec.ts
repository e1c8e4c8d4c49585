import { EMPTY, NEVER, of, range, Subject, take, throwError } from 'rxjs';

import { sideEffect } from '../../operators/taps/tap';
import { watch } from '../../operators/taps/watch';
import { everything } from '../support/everything';
import { marbles } from '../support/marbles';

describe('watch()', () => {
  it('shows every item and passes it on, the very same', async () => {
    const items = [{}, undefined, null, 1];
    const seen: unknown[] = [];
    expect(await everything(of(...items).pipe(watch((item) => seen.push(item))))).toEqual(items);
    expect(seen).toEqual(items);
  });

  it(
    'changes neither time nor end nor subscription',
    marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-a-(bc)-d--#');
      const subs = '      ^----------!';
      const result = '    -a-(bc)-d--#';
      expectObservable(source.pipe(watch(() => Promise.reject(new Error('no')).catch(() => undefined)))).toBe(
        result,
      );
      expectSubscriptions(source.subscriptions).toBe(subs);
    }),
  );

  it('passes on nothing, an error, and silence', async () => {
    const watcher = jest.fn();
    expect(await everything(EMPTY.pipe(watch(watcher)))).toEqual([]);
    const error = new Error('source');
    await expect(
      new Promise((_, reject) =>
        throwError(() => error)
          .pipe(watch(watcher))
          .subscribe({ error: reject }),
      ),
    ).rejects.toBe(error);
    NEVER.pipe(watch(watcher)).subscribe().unsubscribe();
    expect(watcher).not.toHaveBeenCalled();
  });

  it('lets go of an endless synchronous source when everybody leaves', async () => {
    const seen: number[] = [];
    const items = range(0, Number.POSITIVE_INFINITY).pipe(
      watch((n) => seen.push(n)),
      take(2),
    );
    expect(await everything(items)).toEqual([0, 1]);
    expect(seen).toEqual([0, 1]);
  });

  it('keeps the order when the watcher makes the source go on', () => {
    const source = new Subject<number>();
    const shown: number[] = [];
    const passed: (number | string)[] = [];
    source
      .pipe(
        watch((n) => {
          shown.push(n);
          if (n < 3) source.next(n + 1);
          else source.complete();
        }),
      )
      .subscribe({ next: (n) => passed.push(n), complete: () => passed.push('complete') });
    source.next(1);
    expect(shown).toEqual([1, 2, 3]);
    expect(passed).toEqual([1, 2, 3, 'complete']);
  });

  it('tells each failure to whoever asked, also those that come later', async () => {
    const told: unknown[] = [];
    const failing = (n: number) =>
      n === 2 ? Promise.reject(new Error('later')) : n === 3 ? undefined : fail(n);
    const fail = (n: number): never => {
      throw new Error(`now ${n}`);
    };
    of(1, 2, 3, 4)
      .pipe(
        watch(failing, { onTapError: (error, failures) => told.push([(error as Error).message, failures]) }),
      )
      .subscribe();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([
      ['now 1', 1],
      ['now 4', 2],
      ['later', 3],
    ]);
  });

  it('warns once when nobody asked', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const broken = (): never => {
      throw new Error('broken');
    };
    await everything(range(0, 100).pipe(watch(broken)));
    expect(warn.mock.calls).toEqual([
      [
        'Tap "watch" failed: broken; what it watches goes on, further failures are only counted',
        'MillraceWarning',
      ],
    ]);
    warn.mockRestore();
  });
});

describe('sideEffect()', () => {
  it('has a watcher of its own for each subscription, and tells it once how it ended', () => {
    const ends: string[] = [];
    let started = 0;
    const ending = sideEffect<number>('test', () => {
      started += 1;
      return { next: () => undefined, end: (how) => ends.push(how) };
    });
    of(1).pipe(ending).subscribe();
    throwError(() => new Error('no'))
      .pipe(ending)
      .subscribe({ error: () => undefined });
    NEVER.pipe(ending).subscribe().unsubscribe();
    of(1, 2).pipe(ending, take(1)).subscribe();
    expect(ends).toEqual(['complete', 'error', 'unsubscribe', 'unsubscribe']);
    expect(started).toBe(4);
  });
});
