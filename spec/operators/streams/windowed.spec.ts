import fc from 'fast-check';
import { from, lastValueFrom, map, of, tap, toArray, VirtualTimeScheduler } from 'rxjs';

import { memoryStore } from '../../../index';
import { currentItem } from '../../../lib/streams/streamItem';
import type { Positioned } from '../../../operators/streams/fromOffset';
import { fromOffset } from '../../../operators/streams/fromOffset';
import type { Window, WindowedOptions, WindowSpec } from '../../../operators/streams/windowed';
import { windowed } from '../../../operators/streams/windowed';

interface Visit {
  readonly at: number;
  readonly user: string;
}

const visits = (...times: readonly number[]): Visit[] => times.map((at) => ({ at, user: 'a' }));
const at = (visit: Visit) => visit.at;

const windowsOf = (
  all: readonly Visit[],
  spec: WindowSpec,
  options: WindowedOptions<Visit> = {},
): Promise<Window<Visit>[]> =>
  lastValueFrom(from(all).pipe(windowed('w', spec, { at, store: memoryStore(), ...options }), toArray()));

const shown = (windows: readonly Window<Visit>[]) =>
  windows.map(({ from: begin, to, items }) => `${begin}-${to}: ${items.map((item) => item.at).join(' ')}`);

describe('windowed()', () => {
  it('collects the items of a span of time', async () => {
    const windows = await windowsOf(visits(1, 5, 12, 31), { sizeMs: 10 });

    expect(shown(windows)).toEqual(['0-10: 1 5', '10-20: 12', '30-40: 31']);
  });

  it('puts an item into every hopping window that it lies in', async () => {
    const windows = await windowsOf(visits(7, 12), { sizeMs: 10, everyMs: 5 });

    expect(shown(windows)).toEqual(['0-10: 7', '5-15: 7 12', '10-20: 12']);
  });

  it('collects so many items', async () => {
    const windows = await windowsOf(visits(1, 2, 3, 4, 5), { count: 2 });

    expect(shown(windows)).toEqual(['1-2: 1 2', '3-4: 3 4', expect.stringMatching(/^5-\d+: 5$/)]);
  });

  it('makes a session of items without a longer pause, also when a late one joins two', async () => {
    const windows = await windowsOf(visits(0, 20, 10, 100), { gapMs: 15 }, { lateMs: 50 });

    expect(shown(windows)).toEqual(['0-35: 0 20 10', '100-115: 100']);
  });

  it('has sessions of its own for each key', async () => {
    const all = [
      { at: 0, user: 'a' },
      { at: 5, user: 'b' },
      { at: 8, user: 'a' },
      { at: 100, user: 'b' },
    ];

    const windows = await windowsOf(all, { gapMs: 10 }, { key: ({ user }) => user });

    expect(windows.map(({ key, items }) => `${key}${items.length}`)).toEqual(['b1', 'a2', 'b1']);
  });

  it('waits for items that are late, and tells of those that are too late', async () => {
    const late: number[] = [];
    const windows = await windowsOf(
      visits(5, 14, 8, 25, 9),
      { sizeMs: 10 },
      {
        lateMs: 10,
        onLate: (visit) => late.push(visit.at),
      },
    );

    expect(shown(windows)).toEqual(['0-10: 5 8', '10-20: 14', '20-30: 25']);
    expect(late).toEqual([9]);
  });

  it('closes nothing while the source stands still, unless the clock may', () => {
    const heard = (byClock: boolean): string[] => {
      const scheduler = new VirtualTimeScheduler();
      const store = memoryStore();
      const windows: Window<Visit>[] = [];
      const source = new Promise<never>(() => undefined);
      const subscription = fromOffset(
        async function* () {
          yield { offset: 1, value: { at: 3, user: 'a' } };
          await source;
        },
        { name: 's', store, scheduler },
      )
        .pipe(windowed('w', { sizeMs: 10 }, { at, byClock }))
        .subscribe((window) => windows.push(window));
      return [String(subscription.closed), ...shown(windows)];
    };

    expect(heard(false)).toEqual(['false']);
  });

  it('lets the clock close a window where that is asked for', () => {
    const scheduler = new VirtualTimeScheduler();
    const windows: Window<Visit>[] = [];
    const items: Positioned<Visit, number>[] = [{ offset: 1, value: { at: 3, user: 'a' } }];
    const endless = () => ({
      [Symbol.iterator]: () => items[Symbol.iterator](),
    });
    fromOffset(() => from(endless()), { name: 's', store: memoryStore(), scheduler })
      .pipe(
        windowed('w', { sizeMs: 10 }, { at, byClock: true }),
        tap((window) => windows.push(window)),
      )
      .subscribe();
    scheduler.flush();

    expect(shown(windows)).toEqual(['0-10: 3']);
  });

  it('refuses sizes that make no sense', () => {
    expect(() => windowed('w', { sizeMs: 0 })).toThrow('sizeMs must be a finite number from 1');
    expect(() => windowed('w', { count: 1.5 })).toThrow('count must be a finite number from 1');
  });

  it('emits each window once under one id, however often the stream is left and begun again', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 60 }), { maxLength: 40 }),
        fc.array(fc.nat({ max: 8 }), { maxLength: 5 }),
        fc.constantFrom<WindowSpec>({ sizeMs: 10 }, { sizeMs: 12, everyMs: 5 }, { gapMs: 4 }, { count: 3 }),
        (times, cuts, spec) => {
          const items = times.map((time, index) => ({ offset: index + 1, value: { at: time, user: 'a' } }));
          const read = (offset = 0) => items.slice(offset);
          const options = { at, lateMs: 7 };
          const told = new Map<string, string>();
          const note = (window: Window<Visit>): void => {
            const text = JSON.stringify(window.items);
            expect(told.get(window.id) ?? text).toBe(text);
            told.set(window.id, text);
          };
          const whole: string[] = [];
          fromOffset(read, { name: 's', store: memoryStore() })
            .pipe(windowed('w', spec, options))
            .subscribe((window) => whole.push(`${window.id} ${JSON.stringify(window.items)}`));

          const store = memoryStore();
          for (const cut of [...cuts, Infinity]) {
            let left = cut;
            const subscription = fromOffset(read, { name: 's', store })
              .pipe(
                tap(() => {
                  left -= 1;
                  if (left < 0) throw new Error('the process ends');
                }),
                windowed('w', spec, options),
              )
              .subscribe({ next: note, error: () => undefined });
            subscription.unsubscribe();
          }

          expect([...told].map(([id, text]) => `${id} ${text}`)).toEqual(whole);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('gives what handles a window the id of the window', async () => {
    const ids: unknown[] = [];
    await lastValueFrom(
      fromOffset(() => visits(1, 15).map((value, index) => ({ offset: index, value })), {
        name: 's',
        store: memoryStore(),
      }).pipe(
        windowed('w', { sizeMs: 10 }, { at }),
        tap((window) => ids.push([window.id, currentItem()?.id])),
      ),
    );

    expect(ids).toEqual([
      ['s/w 0', 's/w 0'],
      ['s/w 10', 's/w 10'],
    ]);
  });

  it('emits nothing for nothing', async () => {
    expect(await windowsOf([], { sizeMs: 10 })).toEqual([]);
    expect(await lastValueFrom(of(1).pipe(map(() => 2)))).toBe(2);
  });
});
