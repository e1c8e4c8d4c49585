import { catchError, EMPTY, lastValueFrom, toArray } from 'rxjs';

import type { OnFailed } from '../../../operators/streams/internal/streamSession';
import type { Window } from '../../../operators/streams/windowed';
import { agent, fromOffset, memoryStore, outputs, runEach, windowed } from '../../../index';

const numbers = function* (offset: number | undefined) {
  for (let n = (offset ?? 0) + 1; n <= 9; n += 1) yield { offset: n, value: n };
};

/** Sums windows of three; the second one fails so often. */
function summing(failures: number) {
  const store = memoryStore();
  let left = failures;
  const calls: string[] = [];
  const sum = agent('sum', (window: Window<number>) => {
    calls.push(window.id);
    if (window.items.includes(5) && (left -= 1) >= 0) throw new Error('down');
    return window.items.reduce((all, n) => all + n, 0);
  });
  const sums = (options: { onFailed?: OnFailed; retry?: number } = {}) => {
    const { onFailed, retry = 0 } = options;
    return lastValueFrom(
      fromOffset(numbers, { name: 's', store, ...(onFailed && { onFailed }) }).pipe(
        windowed('w', { count: 3 }),
        runEach(sum, { store, concurrency: 1, retry }),
        outputs(),
        catchError(() => EMPTY),
        toArray(),
      ),
    );
  };
  const offset = async () => (await store.streams.list())[0]?.offsets['s'];
  return { store, calls, sums, offset };
}

describe('an agent that fails behind a window', () => {
  it('holds the offset before the window, which comes again under the same id', async () => {
    const { calls, sums, offset } = summing(1);

    expect(await sums()).toEqual([6]);
    expect(await offset()).toBe(5);
    expect(await sums()).toEqual([15, 24]);
    expect(calls).toEqual(['s/w 0', 's/w 1', 's/w 1', 's/w 2']);
  });

  it('is tried again where retry says so, and holds nothing up when it comes right', async () => {
    const { sums, offset, calls } = summing(2);

    expect(await sums({ retry: 2 })).toEqual([6, 15, 24]);
    expect(await offset()).toBe(9);
    expect(calls.filter((id) => id === 's/w 1')).toHaveLength(3);
  });

  it('lets the offset pass where that is asked for', async () => {
    const { sums, offset } = summing(Infinity);

    expect(await sums({ onFailed: 'pass' })).toEqual([6, 24]);
    expect(await offset()).toBe(9);
  });

  it('hands the window to whoever keeps what could not be handled, before the offset passes', async () => {
    const { sums, offset } = summing(Infinity);
    const dead: unknown[] = [];
    const onFailed = async (window: unknown, error: unknown) => {
      await Promise.resolve();
      dead.push([await offset(), window, (error as Error).message]);
    };

    expect(await sums({ onFailed, retry: 1 })).toEqual([6, 24]);
    expect(dead).toEqual([
      [5, expect.objectContaining({ id: 's/w 1', items: [4, 5, 6] }), expect.stringContaining('down')],
    ]);
  });

  it('stops the stream also where the end of the source has closed the window', async () => {
    const store = memoryStore();
    const broken = agent('broken', (_: Window<number>): number => {
      throw new Error('down');
    });
    const last = () =>
      lastValueFrom(
        fromOffset(numbers, { name: 's', store }).pipe(
          windowed('w', { count: 20 }),
          runEach(broken, { store }),
        ),
      );

    await expect(last()).rejects.toThrow('down');
    // It is given back, and the window is told again.
    await expect(last()).rejects.toThrow('down');
  });

  it('stops the stream where the place for what could not be handled fails too', async () => {
    const { sums, offset } = summing(Infinity);

    await sums({
      onFailed: () => {
        throw new Error('full');
      },
    });

    expect(await offset()).toBe(5);
  });
});
