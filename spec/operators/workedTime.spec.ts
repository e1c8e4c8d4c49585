import * as t from 'io-ts';
import { map, timer, VirtualTimeScheduler } from 'rxjs';

import type { Agent, RunState, Store } from '../../index';
import { agent, answer, approval, chain, fork, memoryStore, run, runSummary } from '../../index';

/** A clock that stands at this moment, in milliseconds. */
function clockAt(ms: number): VirtualTimeScheduler {
  const clock = new VirtualTimeScheduler();
  clock.schedule(() => undefined, ms);
  clock.flush();
  return clock;
}

let clock: VirtualTimeScheduler | undefined;

/** One life that begins at a moment, and is cancelled `stopAfterMs` later where that is given. */
async function life(
  self: Agent<unknown, unknown>,
  store: Store,
  at: number,
  stopAfterMs?: number,
): Promise<RunState> {
  const scheduler = clockAt(at);
  clock = scheduler;
  const stop = new AbortController();
  run(self, 1, { store, runId: 'r', scheduler, signal: stop.signal }).subscribe({ error: () => undefined });
  if (stopAfterMs !== undefined)
    scheduler.schedule(() => {
      stop.abort();
    }, stopAfterMs);
  scheduler.maxFrames = Infinity;
  scheduler.flush();
  return (await store.loadRun('r')) as RunState;
}

/** Takes so long, on the clock of its life. */
const work = (name: string, ms: number, fails: () => boolean = () => false): Agent<unknown, unknown> =>
  agent(name, (input: unknown) =>
    timer(ms, clock).pipe(
      map(() => {
        if (fails()) throw new Error('down');
        return input;
      }),
    ),
  );

const HOUR = 3_600_000;

describe('the time that a run was at work', () => {
  it('is that of its only life', async () => {
    const state = await life(chain('c', work('a', 2_000), work('b', 3_000)), memoryStore(), 0);

    expect([state.worked, state.duration, runSummary(state)]).toEqual([
      undefined,
      undefined,
      expect.stringMatching(/ 5\.0 s/) as string,
    ]);
    expect(runSummary(state)).not.toContain('since the start');
  });

  it('leaves out the rest until a question is answered', async () => {
    const self = chain('c', work('a', 2_000), approval('ok', t.string), work('b', 3_000));
    const store = memoryStore();
    await life(self, store, 0);
    await answer('r', 'ok', 'yes', { store });

    const state = await life(self, store, 10 * HOUR);

    expect([state.status, state.worked, state.duration]).toEqual(['COMPLETED', 5, 3]);
    expect(state.steps.get('b')?.duration).toBe(3);
    expect(runSummary(state)).toContain('5.0 s at work, ');
    expect(runSummary(state)).toContain(' since the start');
  });

  it('leaves out the time between a failure and the resume, over any number of lives', async () => {
    let isDown = true;
    const self = chain(
      'c',
      work('a', 2_000),
      work('b', 1_000, () => isDown),
    );
    const store = memoryStore();
    for (const begin of [0, HOUR, 2 * HOUR]) await life(self, store, begin);
    isDown = false;

    const state = await life(self, store, 20 * HOUR);

    expect([state.status, state.life, state.worked, state.duration]).toEqual(['COMPLETED', 4, 6, 1]);
    expect(((state.endedAt ?? 0) - state.startedAt) / 1_000).toBe(20 * 3_600 + 1);
  });

  it('leaves out the time after a cancel', async () => {
    const self = chain('c', work('a', 2_000), work('b', 4_000));
    const store = memoryStore();
    await life(self, store, 0, 3_000);

    const state = await life(self, store, HOUR);

    expect([state.status, state.worked, state.duration]).toEqual(['COMPLETED', 7, 4]);
  });

  it('begins anew in a fork', async () => {
    const self = chain('c', work('a', 2_000), work('b', 4_000));
    const store = memoryStore();
    await life(self, store, 0);
    await fork('r', { store, from: 'b', runId: 'copy' });

    const copied = (await store.loadRun('copy')) as RunState;

    expect([copied.worked, copied.duration]).toEqual([undefined, undefined]);
    expect(copied.steps.get('a')?.duration).toBe(2);
  });
});
