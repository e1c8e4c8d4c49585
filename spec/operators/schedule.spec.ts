import * as t from 'io-ts';
import type { Subscription } from 'rxjs';

import type { Store } from '../../index';
import { agent, approval, memoryStore, schedule, serve } from '../../index';
import { StoreCorruptError } from '../../lib/errors/storageErrors';
import type { Schedule } from '../../operators/runs/schedule';
import { Clock, settled } from '../support/clock';
import { isLong, tally } from '../support/torture';
import { until } from '../support/until';

const at = (text: string): number => Date.parse(text);

describe('schedule()', () => {
  let store: Store;
  let clock: Clock;
  let serving: Subscription | undefined;
  const began = at('2026-01-01T00:00:30Z');
  const ids = async () =>
    (await store.listRuns()).map(({ runId, status }) => `${runId.slice(-13, -5)} ${status}`).sort();
  const work = agent('work', (input: string) => input);
  const begin = (schedules: readonly Schedule[]): void => {
    serving = serve([], { store, schedules, scheduler: clock }).subscribe();
  };

  beforeEach(() => {
    clock = new Clock(began);
    store = memoryStore({ clock });
  });
  afterEach(() => {
    serving?.unsubscribe();
  });

  it('runs an agent at each tick, under a name made from its time', async () => {
    begin([schedule('1 minute', work, 'x')]);
    await clock.to(began + 149_000);

    expect((await store.listRuns()).map(({ runId }) => runId)).toEqual([
      'work@2026-01-01T00:02:00.000Z',
      'work@2026-01-01T00:01:00.000Z',
    ]);
    expect((await store.loadRun('work@2026-01-01T00:01:00.000Z'))?.output).toBe('x');
  });

  it.each([
    ['none', ['00:01:00', '00:08:00']],
    ['last', ['00:01:00', '00:07:00', '00:08:00']],
    ['all', ['00:01:00', '00:02:00', '00:03:00', '00:04:00', '00:05:00', '00:06:00', '00:07:00', '00:08:00']],
  ] as const)('makes up for missed ticks: %s', async (catchUp, ticks) => {
    const minutely = schedule('* * * * *', work, 'x', { catchUp });
    begin([minutely]);
    await clock.to(began + 60_000);
    serving?.unsubscribe();
    clock.frame = at('2026-01-01T00:07:30Z');

    begin([minutely]);
    await clock.to(at('2026-01-01T00:08:30Z'));

    expect(await ids()).toEqual(ticks.map((tick) => `${tick} COMPLETED`));
  });

  it.each([
    ['skip', ['00:01:00 COMPLETED', '00:03:00 COMPLETED', '00:05:00 RUNNING']],
    ['queue', ['00:01:00 COMPLETED', '00:02:00 COMPLETED', '00:03:00 COMPLETED', '00:04:00 RUNNING']],
    [
      'cancel',
      [
        '00:01:00 CANCELLED',
        '00:02:00 CANCELLED',
        '00:03:00 CANCELLED',
        '00:04:00 CANCELLED',
        '00:05:00 RUNNING',
      ],
    ],
  ] as const)('when the run of the tick before has not ended: %s', async (overlap, runs) => {
    const slow = agent(
      'slow',
      () =>
        new Promise((resolve) => {
          clock.schedule(resolve, 80_000);
        }),
    );
    begin([schedule('1 minute', slow, undefined, { overlap })]);
    await clock.to(at('2026-01-01T00:05:10Z'));

    expect(await ids()).toEqual(runs);
  });

  it.each([
    ['skip', ['00:01:00 COMPLETED', '00:03:00 COMPLETED', '00:04:00 COMPLETED']],
    ['queue', ['00:01:00 COMPLETED', '00:02:00 COMPLETED', '00:03:00 COMPLETED', '00:04:00 COMPLETED']],
    ['cancel', ['00:01:00 FAILED', '00:02:00 COMPLETED', '00:03:00 COMPLETED', '00:04:00 COMPLETED']],
  ] as const)(
    'when the run of the tick before has failed and is resumed later: %s',
    async (overlap, runs) => {
      let calls = 0;
      const flaky = agent('flaky', () => {
        calls += 1;
        if (calls === 1) throw new Error('down');
      });
      const schedules = [schedule('1 minute', flaky, undefined, { overlap })];
      serving = serve([], {
        store,
        schedules,
        scheduler: clock,
        retry: { count: 1, delayMs: 80_000 },
      }).subscribe();
      await clock.to(at('2026-01-01T00:04:10Z'));

      expect(await ids()).toEqual(runs);
    },
  );

  it('begins the next tick as soon as the run of the one before has failed for good', async () => {
    let calls = 0;
    const flaky = agent('flaky', () => {
      calls += 1;
      if (calls <= 2) throw new Error('down');
    });
    serving = serve([], {
      store,
      schedules: [schedule('1 minute', flaky, undefined, { overlap: 'queue' })],
      scheduler: clock,
      retry: { count: 1, delayMs: 75_000 },
    }).subscribe();
    await clock.to(at('2026-01-01T00:02:20Z'));

    expect(await ids()).toEqual(['00:01:00 FAILED', '00:02:00 COMPLETED']);
  });

  it('goes on when the run of the tick before can no longer be read, and says so', async () => {
    let isDamaged = false;
    const damaged: Store = {
      ...store,
      loadRun: (runId) =>
        isDamaged && runId.includes('T00:01')
          ? Promise.reject(new StoreCorruptError('runs/a.json', 3, 'it was cut'))
          : store.loadRun(runId),
    };
    const asking = approval('ask', t.boolean);
    const told: string[] = [];
    serving = serve([], {
      store: damaged,
      schedules: [schedule('1 minute', asking, 'x')],
      scheduler: clock,
    }).subscribe({
      next: ({ event }) => {
        if (event.type === 'step.logged') told.push(event.message);
      },
      error: (error: unknown) => told.push(`ERROR ${String(error)}`),
    });
    await clock.to(at('2026-01-01T00:01:10Z'));
    isDamaged = true;
    await clock.to(at('2026-01-01T00:02:10Z'));

    expect(told).toEqual([expect.stringContaining('Cannot trust "runs/a.json" at byte 3')]);
    expect(await ids()).toEqual(['00:01:00 SUSPENDED', '00:02:00 SUSPENDED']);
  });

  it('runs each tick once over many ticks, restarts at random, and the changes of the clocks of two zones', async () => {
    const calls = new Map<string, number>();
    const count = agent('count', (_: unknown, { runId }) => {
      calls.set(runId, (calls.get(runId) ?? 0) + 1);
    });
    // 11,000 ticks take a minute; those on the hour, a second.
    const minutes = isLong ? '*/5' : '0';
    const schedules = ['Europe/Berlin', 'America/New_York'].map((timeZone) =>
      schedule(`${minutes} 0-4 * 3,11 *`, count, undefined, { name: timeZone, timeZone, catchUp: 'all' }),
    );
    clock = new Clock(at('2026-02-28T00:00:00Z'));
    store = memoryStore({ clock });
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const until = at('2027-04-01T12:00:00Z');
    while (clock.now() < until) {
      begin(schedules);
      await clock.to(Math.min(until, clock.now() + Math.floor(random() * 20 * 86_400_000)));
      serving?.unsubscribe();
      await settled();
      // Nobody serves for a while, but no tick is missed before the first.
      if (calls.size > 50 && clock.now() + 86_400_000 < until)
        clock.frame += Math.floor(random() * 86_400_000);
    }
    begin(schedules);
    await clock.to(until);

    const expected = schedules.flatMap(({ name, next }) => {
      const ticks: string[] = [];
      for (
        let tick = next(at('2026-02-28T00:00:00Z'));
        tick !== undefined && tick <= until;
        tick = next(tick)
      )
        ticks.push(`${name}@${new Date(tick).toISOString()}`);
      return ticks;
    });
    expect(expected.length).toBeGreaterThan(600);
    expect([...calls.keys()].sort()).toEqual(expected.sort());
    expect(Math.max(...calls.values())).toBe(1);
    tally('ticks', calls.size);
  }, 120_000);

  it('goes on when the clock of the system was set a day on, and back', async () => {
    const now = Date.now;
    let aheadMs = 0;
    const spy = jest.spyOn(Date, 'now').mockImplementation(() => now() + aheadMs);
    const begun: string[] = [];
    try {
      const schedules = [schedule('1s', work, 'x')];
      serving = serve([], { store: memoryStore(), schedules }).subscribe(({ event }) => {
        if (event.type === 'run.started') begun.push(event.runId);
      });
      for (const ms of [0, 86_400_000, 0]) {
        aheadMs = ms;
        const count = begun.length;
        // A tick of the time ahead may still be under way when the clock is set back.
        const isOfNow = (runId: string) => Math.abs(at(runId.slice('work@'.length)) - Date.now()) < 60_000;
        await until(() => begun.slice(count).some(isOfNow));
      }
      expect(begun.length).toBeGreaterThan(2);
    } finally {
      spy.mockRestore();
    }
  });

  /** The clock is set back, and something is due soon: then the server looks at the clock. */
  const setBack = async (to: number): Promise<void> => {
    await settled();
    clock.frame = to;
    await store.queue.add({ runId: 'wake', name: 'work', input: '', priority: 0, dueAt: to + 1_000 }, 10);
  };

  it.each([
    ['skip', ['00:01:00 RUNNING'], ['00:01:00 COMPLETED', '00:06:00 COMPLETED']],
    ['queue', ['00:01:00 RUNNING'], [1, 2, 3, 4, 5, 6].map((n) => `00:0${n}:00 COMPLETED`)],
    [
      'cancel',
      ['00:01:00 CANCELLED', '00:02:00 CANCELLED', '00:03:00 RUNNING'],
      [
        '00:01:00 CANCELLED',
        '00:02:00 CANCELLED',
        '00:03:00 CANCELLED',
        '00:04:00 CANCELLED',
        '00:05:00 COMPLETED',
        '00:06:00 COMPLETED',
      ],
    ],
  ] as const)(
    'neither cancels a newer run nor runs a tick twice when the clock was set back: %s',
    async (overlap, during, after) => {
      const calls: string[] = [];
      let isFast = false;
      const ends: (() => void)[] = [];
      const slow = agent('slow', (_: unknown, { runId }) => {
        calls.push(runId);
        return isFast ? 1 : new Promise<number>((resolve) => ends.push(() => resolve(1)));
      });
      const slowIds = async () => (await ids()).filter((id) => id.includes(':00 '));
      begin([schedule('1 minute', slow, undefined, { overlap })]);
      await clock.to(at('2026-01-01T00:03:10Z'));
      expect(await slowIds()).toEqual(during);

      await setBack(began);
      await clock.to(at('2026-01-01T00:03:10Z'));
      expect(await slowIds()).toEqual(during);

      await clock.to(at('2026-01-01T00:05:10Z'));
      isFast = true;
      for (const end of ends) end();
      await clock.to(at('2026-01-01T00:06:10Z'));
      expect(await slowIds()).toEqual(after);
      expect(new Set(calls).size).toBe(calls.length);
    },
  );

  it('looks at each tick once, also after the clock was set back', async () => {
    let looks = 0;
    const minutely = schedule('1 minute', work, 'x');
    const counting: Schedule = {
      ...minutely,
      next: (after) => {
        looks += 1;
        return minutely.next(after);
      },
    };
    const looksUntil = async (moment: string): Promise<number> => {
      const before = looks;
      await clock.to(at(moment));
      return looks - before;
    };
    begin([counting]);
    const before = await looksUntil('2026-01-01T00:03:10Z');

    for (let times = 0; times < 3; times += 1) {
      await setBack(began);
      await clock.to(at('2026-01-01T00:03:10Z'));
    }
    await clock.to(at('2026-01-01T00:04:10Z'));
    expect(await looksUntil('2026-01-01T00:07:10Z')).toBeLessThanOrEqual(before);
  });

  it('refuses what is no schedule', () => {
    expect(() => schedule('10 ms', work, 'x')).toThrow('shorter than a second');
    expect(() => schedule('often', work, 'x')).toThrow('Cannot schedule "often"');
    expect(() => schedule('* * * * *', work, 'x', { timeZone: 'Mars/Base' })).toThrow('Mars/Base');
    expect(() => schedule('1 hour', work, 'x', { overlap: 'no' as never })).toThrow('overlap is no');
    const twice = [schedule('1 hour', work, 'x'), schedule('2 hours', work, 'x')];
    expect(() => serve([], { store, schedules: twice })).toThrow('two schedules named "work"');
  });
});
