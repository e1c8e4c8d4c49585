import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { delay, lastValueFrom, of, tap } from 'rxjs';

import { agent, budget, chain, createMonitor, lowdbStore, measure, outputs, run, sleep } from '../../index';
import { random } from '../lib/store/support/random';
import { amount, isLong, seedOr, tally } from '../support/torture';

const HOUR = 3_600_000;
/** No machine is so slow; what waits for a clock that was set waits for an hour or more. */
const JUMPS_ONLY_MS = 15_000;
const now = Date.now.bind(Date);

/** A clock that is set back by an hour, or forward by a day, whenever it is told to. */
function jumpy(seed: number): { jump(): void; restore(): void } {
  const draw = random(seed);
  let offset = 0;
  const spy = jest.spyOn(Date, 'now').mockImplementation(() => now() + offset);
  return {
    jump() {
      offset += draw() < 0.5 ? -HOUR : 24 * HOUR;
    },
    restore() {
      spy.mockRestore();
    },
  };
}

describe('a clock that jumps by -1 h or +1 day at random (promises test 19, P15)', () => {
  const seeds = Array.from({ length: amount(6, 300) }, (_, index) => (isLong ? seedOr(0) : 1) + index);
  afterAll(() => tally('seeds', seeds.length));

  it.each(seeds)('neither fails nor hangs a run, seed %i', async (seed) => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-clock-'));
    const clock = jumpy(seed);
    const draw = random(seed + 100);
    const timer = setInterval(() => {
      if (draw() < 0.5) clock.jump();
    }, 3);
    const monitor = createMonitor();
    try {
      const step = (name: string) =>
        agent(
          name,
          (x: number, { attempt }) => {
            clock.jump();
            if (attempt === 1 && name === 'flaky') throw new Error('once');
            return of(x + 1).pipe(delay(8));
          },
          { retry: { count: 2, delayMs: 5 }, timeoutMs: JUMPS_ONLY_MS, idleTimeoutMs: JUMPS_ONLY_MS },
        );
      const work = chain(
        'jumps',
        step('first'),
        step('flaky'),
        sleep('pause', 20),
        step('third'),
        step('last'),
      );
      const store = lowdbStore(join(folder, 'state'));
      const begun = performance.now();
      const durations: number[] = [];
      const output = await lastValueFrom(
        run(work, 0, { store, runId: 'r' }).pipe(
          tap(({ event }) => {
            if (event.type === 'step.completed') durations.push(event.duration);
            if (draw() < 0.3) clock.jump();
          }),
          measure(monitor),
          budget({ steps: 100 }),
          outputs(),
        ),
      );
      const took = performance.now() - begun;

      expect(output).toBe(4);
      expect(took).toBeLessThan(JUMPS_ONLY_MS);
      // Durations are in seconds and know nothing of the wall clock.
      for (const duration of durations) {
        expect(duration).toBeGreaterThanOrEqual(0);
        expect(duration * 1000).toBeLessThanOrEqual(took + 1);
      }
      await store.close();
      expect((await lowdbStore(join(folder, 'state')).loadRun('r'))?.status).toBe('COMPLETED');
    } finally {
      clearInterval(timer);
      clock.restore();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('does not prolong a sleep when it is set back while the sleep begins', async () => {
    const spy = jest.spyOn(Date, 'now');
    try {
      const begun = performance.now();
      const back = tap(({ event }: { readonly event: { readonly type: string } }) => {
        if (event.type === 'step.suspended') spy.mockImplementation(() => now() - HOUR);
      });
      await lastValueFrom(run(sleep('pause', 20), 1).pipe(back));

      expect(performance.now() - begun).toBeLessThan(JUMPS_ONLY_MS);
    } finally {
      spy.mockRestore();
    }
  });

  it('does not hold up a limited rate for longer than its span', async () => {
    const clock = jumpy(1);
    try {
      const limited = agent('limited', (x: number) => x + 1, { limit: { rate: { count: 1, perMs: 50 } } });
      const begun = performance.now();
      for (let round = 0; round < 4; round += 1) {
        clock.jump();
        await lastValueFrom(run(limited, round).pipe(outputs()));
      }

      expect(performance.now() - begun).toBeLessThan(JUMPS_ONLY_MS);
    } finally {
      clock.restore();
    }
  });
});
