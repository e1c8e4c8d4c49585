import { setTimeout as wait } from 'node:timers/promises';

import { firstValueFrom } from 'rxjs';

import type { Wire } from '../../index';
import { agent, chain, execute, memoryStore, run, workflow } from '../../index';
import { Clock, settled } from '../support/clock';
import { collect } from '../support/told';

describe('a call that is over', () => {
  it('an attempt that was timed out cannot use the ids of the next one', async () => {
    let calls = 0;
    let wake = (): void => undefined;
    const x = agent('x', (v: number) => v);
    const asked: unknown[] = [];
    const zombie = agent(
      'a',
      async (_: number, ctx) => {
        const me = ++calls;
        if (me === 1) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          asked.push(await firstValueFrom(ctx.step('x', x, me)).catch(() => 'refused'));
          return me;
        }
        // The first attempt asks while this one is under way, and before it.
        wake();
        await settled();
        return firstValueFrom(ctx.step('x', x, me));
      },
      { retry: 1, timeoutMs: 100 },
    );
    const scheduler = new Clock(0);
    expect((await scheduler.until(execute(zombie, 1, { scheduler }), 100)).output).toBe(2);
    expect(asked).toEqual(['refused']);
  });

  it('a signal that is read late, while the next attempt runs, is aborted', async () => {
    const signals: boolean[] = [];
    let wake = (): void => undefined;
    const late = agent(
      'late',
      async (_: number, ctx) => {
        if (ctx.attempt === 1) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          signals.push(ctx.signal.aborted);
        } else {
          wake();
          await settled();
          expect(signals).toHaveLength(1);
        }
        return ctx.attempt;
      },
      { retry: { count: 1, delayMs: 15 }, timeoutMs: 20 },
    );
    const scheduler = new Clock(0);
    expect((await scheduler.until(execute(late, 1, { scheduler }), 35)).output).toBe(2);
    expect(signals).toEqual([true]);
  });

  it('a function that was stopped while it waited for a nested step can clean up', async () => {
    const cleaned = jest.fn();
    const patient = agent('patient', () => new Promise<never>(() => undefined));
    const parent = agent('parent', async (_: number, ctx) => {
      try {
        return await firstValueFrom(ctx.step('child', patient, 1));
      } finally {
        cleaned();
      }
    });
    // The time of a function is its own: what it waits for is limited by what stands above it.
    const limited = workflow('limited', (input: Wire<number>, step) =>
      step('all', chain('all', parent), input, { timeoutMs: 15 }),
    );
    await execute(limited, 1);
    await wait(1);
    expect(cleaned).toHaveBeenCalledTimes(1);
  });

  it('a nested step needs an id and an agent, and says so to the function', async () => {
    const store = memoryStore();
    const asks = (id: string, what: unknown) =>
      agent('asks', (_: number, ctx) => ctx.step(id, what as typeof double, 1));
    const double = agent('double', (x: number) => x * 2);
    for (const id of ['', 'a/b', 'q[3]']) {
      expect((await execute(asks(id, double), 1)).error).toMatchObject({ name: 'DefinitionError' });
    }
    const state = await execute(
      asks('x', (y: number) => y),
      1,
      { store, runId: 'r' },
    );
    expect(state.error?.message).toContain('an agent is needed, got function');
    expect(collect(run(asks('x', double), 1, { store, runId: 'r' })).ended).toBe('complete');
  });
});
