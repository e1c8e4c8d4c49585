import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';

import type { Agent, RunState } from '../../index';
import { agent, answer, approval, chain, execute, fork, runSummary } from '../../index';
import { describePlacements } from './support/placements';
import { waitFor } from './support/restateServer';

let runs = 0;
const nextId = (): string => `run ${String((runs += 1))}`;

let isDown = true;
const restingAfter = chain('rests', agent('first', String), approval('ok', t.string), agent('last', String));
const mended = chain(
  'is mended',
  agent('first', String),
  agent('shaky', (text: string) => {
    if (isDown) throw new Error('down');
    return text;
  }),
);
const APART_MS = 2_000;

describePlacements(
  'the time that a run on Restate was at work',
  [restingAfter, mended] as readonly Agent<never, unknown>[],
  (options) => {
    /** Some time after its life has ended. */
    const later = async ({ endedAt = 0 }: RunState): Promise<void> => {
      await waitFor(() => Date.now() >= endedAt + APART_MS, APART_MS, 'time to pass');
    };
    const spanOf = ({ startedAt, resumedAt = startedAt, endedAt = 0 }: RunState): number =>
      (endedAt - resumedAt) / 1_000;
    const expectApart = (first: RunState, state: RunState): void => {
      const since = ((state.endedAt ?? 0) - state.startedAt) / 1_000;
      expect(state.duration).toBeCloseTo(spanOf(state), 1);
      expect(state.worked).toBeCloseTo(spanOf(first) + spanOf(state), 1);
      expect(since - (state.worked ?? since)).toBeGreaterThanOrEqual(APART_MS / 1_000 - 0.1);
      expect(runSummary(state)).toMatch(/ at work, .* since the start/);
    };

    it('is that of its only life', async () => {
      const state = await execute(restingAfter, 1, { ...options, runId: nextId() });

      expect([state.worked, state.duration]).toEqual([undefined, undefined]);
      expect(runSummary(state)).not.toContain('since the start');
    });

    it('leaves out the rest until a question is answered', async () => {
      const runId = nextId();
      const first = await execute(restingAfter, 1, { ...options, runId });
      await later(first);
      await answer(runId, 'ok', 'yes', options);
      await waitFor(
        async () => (await options.engine.loadRun(restingAfter, runId))?.status === 'COMPLETED',
        30_000,
        'its end',
      );

      expectApart(first, (await options.engine.loadRun(restingAfter, runId)) as RunState);
    });

    it('leaves out the time between a failure and the resume, and begins anew in a fork', async () => {
      isDown = true;
      const runId = nextId();
      const first = await execute(mended, 1, { ...options, runId });
      await later(first);
      isDown = false;
      const state = await execute(mended, 1, { ...options, runId });
      const forkId = await fork(runId, { ...options, agent: mended, from: 'shaky' });
      const { state: forked } = await lastValueFrom(options.engine.attach(mended, forkId));

      expectApart(first, state);
      expect(forked.status).toBe('COMPLETED');
      expect(forked.worked).toBeCloseTo(spanOf(forked), 1);
    });
  },
);
