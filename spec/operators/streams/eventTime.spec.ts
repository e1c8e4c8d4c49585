import { Subject, tap, VirtualTimeScheduler } from 'rxjs';

import type { Window } from '../../../operators/streams/windowed';
import { agent, fromOffset, memoryStore, runEach, windowed } from '../../../index';
import { until } from '../../support/until';

interface Visit {
  readonly at: number;
}

const at = (visit: Visit): number => visit.at;
const shown = ({ from, to, items }: Window<Visit>) =>
  `${from}-${to}: ${items.map((item) => item.at).join(' ')}`;

/** A source that is fed by hand. */
function fed(store = memoryStore(), scheduler?: VirtualTimeScheduler) {
  const source = new Subject<{ offset: number; value: Visit }>();
  let offset = 0;
  const visits$ = fromOffset(() => source, { name: 's', store, ...(scheduler && { scheduler }) });
  const give = (...times: number[]): void => {
    for (const time of times) source.next({ offset: (offset += 1), value: { at: time } });
  };
  return { visits$, give, store };
}

/** Lets virtual time pass up to a moment. */
function to(clock: VirtualTimeScheduler, atMs: number): void {
  clock.maxFrames = atMs;
  clock.schedule(() => undefined, atMs - clock.now());
  clock.flush();
}

afterEach(() => {
  jest.restoreAllMocks();
});

describe('event time', () => {
  it('takes items that are late by up to lateMs, and counts those that are later', async () => {
    const { visits$, give, store } = fed();
    const told: string[] = [];
    const late: number[] = [];
    const options = { at, lateMs: 5, onLate: (visit: Visit) => late.push(visit.at) };
    visits$.pipe(windowed('w', { sizeMs: 10 }, options)).subscribe((window) => told.push(shown(window)));

    give(3, 14, 9, 15, 8, 2, 30);

    expect(told).toEqual(['0-10: 3 9', '10-20: 14 15']);
    expect(late).toEqual([8, 2]);
    await new Promise(setImmediate);
    expect((await store.streams.list())[0]?.late).toEqual({ w: 2 });
  });

  it('lets a source that stands still close nothing, whatever the clock says', () => {
    const clock = new VirtualTimeScheduler();
    const { visits$, give } = fed(memoryStore(), clock);
    const told: string[] = [];
    visits$.pipe(windowed('w', { sizeMs: 10 }, { at })).subscribe((window) => told.push(shown(window)));
    give(3);
    clock.schedule(() => undefined, 1_000_000);
    clock.flush();

    expect(told).toEqual([]);
  });

  it('lets the clock close what the source leaves open, where that is asked for, and takes nothing more into it', async () => {
    const clock = new VirtualTimeScheduler();
    const store = memoryStore();
    const { visits$, give } = fed(store, clock);
    const told: string[] = [];
    const subscription = visits$
      .pipe(windowed('w', { sizeMs: 10 }, { at, byClock: true, lateMs: 5 }))
      .subscribe((window) => told.push(shown(window)));
    give(3);
    clock.maxFrames = 14;
    clock.flush();
    expect(told).toEqual([]);
    clock.maxFrames = 16;
    clock.flush();
    expect(told).toEqual(['0-10: 3']);
    give(4, 12);
    subscription.unsubscribe();

    expect(told).toEqual(['0-10: 3']);
    expect((await store.streams.list())[0]).toMatchObject({ late: { w: 1 }, tables: { w: 2 } });
  });

  it('lets the clock close what an earlier life has left open, though nothing comes', () => {
    const clock = new VirtualTimeScheduler();
    const store = memoryStore();
    const first = fed(store, clock);
    const told: string[] = [];
    const open = (visits$: typeof first.visits$) =>
      visits$
        .pipe(windowed('w', { sizeMs: 10 }, { at, byClock: true }))
        .subscribe((window) => told.push(shown(window)));
    const subscription = open(first.visits$);
    first.give(3);
    subscription.unsubscribe();
    open(fed(store, clock).visits$);
    clock.flush();

    expect(told).toEqual(['0-10: 3']);
  });

  it('takes what has waited in the source, as after a pause, although its windows are long over by the clock', async () => {
    const clock = new VirtualTimeScheduler();
    const store = memoryStore();
    const told: string[] = [];
    const open = ({ visits$ }: ReturnType<typeof fed>) =>
      visits$
        .pipe(windowed('w', { sizeMs: 10 }, { at, byClock: true }))
        .subscribe((window) => told.push(shown(window)));
    const first = fed(store, clock);
    const subscription = open(first);
    first.give(3);
    subscription.unsubscribe();
    to(clock, 1_000_000);

    const later = fed(store, clock);
    open(later);
    for (const time of [4, 12, 27, 28]) {
      to(clock, clock.now() + 1);
      later.give(time);
    }
    to(clock, clock.now() + 1);
    expect(told).toEqual(['0-10: 3 4', '10-20: 12']);
    to(clock, clock.now() + 1);

    expect(told).toEqual(['0-10: 3 4', '10-20: 12', '20-30: 27 28']);
    expect((await store.streams.list())[0]?.late).toEqual({});
  });

  it('waits for a first item for a while before the clock closes what an earlier life has left open', () => {
    const clock = new VirtualTimeScheduler();
    const store = memoryStore();
    const told: string[] = [];
    const open = (visits$: ReturnType<typeof fed>['visits$']) =>
      visits$
        .pipe(windowed('w', { sizeMs: 10 }, { at, byClock: true }))
        .subscribe((window) => told.push(shown(window)));
    const first = fed(store, clock);
    const subscription = open(first.visits$);
    first.give(3);
    subscription.unsubscribe();
    to(clock, 1_000_000);
    open(fed(store, clock).visits$);
    to(clock, 1_009_999);
    expect(told).toEqual([]);
    to(clock, 1_010_000);

    expect(told).toEqual(['0-10: 3']);
  });

  it('lets the clock stand still while a slow end holds the source back', async () => {
    const clock = new VirtualTimeScheduler();
    const store = memoryStore();
    const told: string[] = [];
    const ends: (() => void)[] = [];
    const slow = agent('slow', () => new Promise<void>((resolve) => ends.push(resolve)));
    const times = [1, 12, 13, 29];
    function* read(offset = 0) {
      for (let next = offset; next < times.length; next += 1)
        yield { offset: next + 1, value: { at: times[next] ?? 0 } };
    }
    const subscription = fromOffset(read, { name: 's', store, scheduler: clock, inFlight: 1 })
      .pipe(
        windowed('w', { sizeMs: 10 }, { at, byClock: true }),
        tap((window) => told.push(shown(window))),
        runEach(slow, { store }),
      )
      .subscribe();
    to(clock, 1_000);
    expect(told).toEqual(['0-10: 1']);
    while (told.length < 3) {
      await until(() => ends.length > 0);
      ends.shift()?.();
      await new Promise(setImmediate);
    }

    subscription.unsubscribe();
    expect(told).toEqual(['0-10: 1', '10-20: 12 13', '20-30: 29']);
  });

  it('is not moved by a clock that is set, nor by daylight saving time', () => {
    const now = jest.spyOn(Date, 'now');
    const begun = 1_774_746_000_000; // An hour before the clocks in Berlin go forward.
    now.mockReturnValue(begun);
    const { visits$, give } = fed();
    const told: Window<Visit>[] = [];
    visits$.pipe(windowed('arrived', { sizeMs: 60_000 })).subscribe((window) => told.push(window));

    give(1);
    now.mockReturnValue(begun + 3_600_000);
    give(2);
    now.mockReturnValue(begun - 86_400_000);
    give(3);
    now.mockRestore();

    // All have arrived within one minute, as long as this does not take one.
    expect(told).toEqual([]);
  });

  it('closes windows by arrival at their ends while the clock is set forward and back', async () => {
    const now = jest.spyOn(Date, 'now');
    const begun = 1_774_746_000_000;
    now.mockReturnValue(begun);
    const { visits$, give } = fed();
    const told: Window<Visit>[] = [];
    const options = { byClock: true };
    visits$.pipe(windowed('arrived', { sizeMs: 20 }, options)).subscribe((window) => told.push(window));

    for (const [index, jumpMs] of [0, 3_600_000, -86_400_000, 0].entries()) {
      now.mockReturnValue(begun + jumpMs);
      give(index);
      // The window is over, so that each item is in one of its own.
      await until(() => told.length === index + 1);
    }
    now.mockRestore();

    expect(told.map(({ items }) => items.map((item) => item.at))).toEqual([[0], [1], [2], [3]]);
    const starts = told.map(({ from }) => from);
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    // The first may come a window later where the machine is held up: the clock that counts is the steady one.
    const firstFrom = told[0]?.from ?? 0;
    expect(firstFrom % 20).toBe(0);
    expect(firstFrom).toBeGreaterThanOrEqual(begun);
    expect(told.at(-1)?.from).toBeLessThan(begun + 60_000);
  });

  it.each([
    ['an hour is left out', '2026-03-29T00:00:00+01:00', 23],
    ['an hour comes twice', '2026-10-25T00:00:00+02:00', 25],
  ])('has a window for each hour of a day of which %s', (_what, midnight, hours) => {
    const begun = Date.parse(midnight);
    const { visits$, give } = fed();
    const told: Window<Visit>[] = [];
    visits$.pipe(windowed('hours', { sizeMs: 3_600_000 }, { at })).subscribe((window) => told.push(window));

    for (let minute = 0; minute <= hours * 60; minute += 15) give(begun + minute * 60_000);

    expect(told.map(({ from, to, items }) => [from - begun, to - from, items.length])).toEqual(
      Array.from({ length: hours }, (_, hour) => [hour * 3_600_000, 3_600_000, 4]),
    );
  });
});
