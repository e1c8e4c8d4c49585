import * as t from 'io-ts';
import { lastValueFrom, of } from 'rxjs';

import type { Agent, Wire } from '../../index';
import { agent, approval, chain, execute, run, runEach, sleep, submit, workflow } from '../../index';
import { collect } from '../support/told';
import { describePlacements } from './support/placements';
import { waitFor } from './support/restateServer';

let runs = 0;
const nextId = (): string => `run ${String((runs += 1))}`;
/** More than Node's timers can wait, which fire at once then. */
const MONTHS_MS = 2 ** 32 + 1;
const SOON_MS = 300;
const called: string[] = [];
const noted = (name: string) =>
  agent(name, (_: unknown, { runId }) => {
    called.push(`${runId} ${name}`);
    return name;
  });
const failing = (name: string, policy: object = {}) =>
  agent(
    name,
    (_: number, { runId }): number => {
      called.push(`${runId} ${name}`);
      throw new Error('no');
    },
    policy,
  );
const bad = failing('bad');
const retried = (name: string, delayMs: number) =>
  failing(name, { retry: { count: 1, delayMs, retryIf: () => true } });
const months: Readonly<Record<string, Agent<number, unknown>>> = {
  'the delay of a retry': retried('retried late', MONTHS_MS),
  'a sleep': chain('sleeps for months', sleep('nap', MONTHS_MS), noted('woken')),
  'a question': chain(
    'asks for months',
    approval('ok', t.string, { timeoutMs: MONTHS_MS, onTimeout: noted('boss') }),
  ),
  'a time limit': workflow('works for months', (n: Wire<number>, step) => {
    const work = agent('work', (_: number, { signal, runId }) => {
      called.push(`${runId} work`);
      return new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(new Error('aborted'));
        });
      });
    });
    return step('work', work, n, { timeoutMs: MONTHS_MS });
  }),
};
const soon = retried('retried soon', SOON_MS);

describePlacements(
  'what waits on Restate for longer than the 24.8 days that Node can wait',
  [bad, soon, ...Object.values(months)] as readonly Agent<never, unknown>[],
  (options) => {
    /** By then what waits for too short a time has gone on: both wait, the shorter one began later, and is over. */
    const shortOnesAreOver = async (): Promise<void> => {
      const again = of(1).pipe(runEach(bad, { ...options, retry: { count: 1, delayMs: SOON_MS } }));
      await lastValueFrom(again);
      await execute(soon, 1, options);
    };
    const callsOf = (runId: string) => called.filter((call) => call.startsWith(`${runId} `)).length;

    it.each([2 ** 31, 2 ** 31 + 5, MONTHS_MS, 2 ** 40])(
      'is a failed run that is to be tried again after %d ms',
      async (delayMs) => {
        const runId = nextId();
        const waiting = collect(
          of(1).pipe(runEach(bad, { ...options, runId: () => runId, retry: { count: 3, delayMs } })),
        );
        await waitFor(() => callsOf(runId) === 1, 30_000, 'the call');
        await waitFor(
          async () => (await options.engine.loadRun(bad, runId))?.status === 'FAILED',
          30_000,
          'its failure',
        );
        await shortOnesAreOver();
        waiting.leave?.();

        expect(callsOf(runId)).toBe(1);
      },
    );

    it.each(Object.keys(months))('is a run with such a length for %s', async (what) => {
      const work = months[what] as Agent<number, unknown>;
      const runId = nextId();
      const waiting = collect(run(work, 1, { ...options, runId }));
      const isWaiting = /^(step\.(suspended|retrying)|step\.started work$)/;
      await waitFor(() => waiting.told.some((text) => isWaiting.test(text)), 30_000, 'it to wait');
      const calls = callsOf(runId);
      await shortOnesAreOver();
      const state = await options.engine.loadRun(work, runId);
      waiting.leave?.();

      expect(['RUNNING', 'SUSPENDED']).toContain(state?.status);
      expect(callsOf(runId)).toBe(calls);
    });

    it('is a run that is handed over for later', async () => {
      const runId = nextId();
      await submit(bad, 1, { ...options, runId, delayMs: MONTHS_MS });
      await shortOnesAreOver();

      expect(callsOf(runId)).toBe(0);
    });
  },
);
