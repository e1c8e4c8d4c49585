import { setTimeout as wait } from 'node:timers/promises';

import type { Observable } from 'rxjs';
import { lastValueFrom, tap } from 'rxjs';

import { priced } from '../../adapters/ai';
import type { Agent, BudgetExceededError, Transition } from '../../index';
import { agent, budget, chain, run } from '../../index';
import { collect } from '../support/told';
import type { Served } from './support/placements';
import { describePlacements, placements, serve } from './support/placements';
import { restateBinary, waitFor } from './support/restateServer';

type Any = Agent<never, unknown>;
let runs = 0;
const nextId = (): string => `run ${String((runs += 1))}`;
/** Six steps. Each waits until its follower has heard of the one before it, and has not been stopped by that. */
const heard = new Set<string>();
const spent: string[] = [];
const spending = (name: string, before: string | undefined, isDollar: boolean) =>
  agent(name, async (_: unknown, { runId, signal }) => {
    while (before !== undefined && !heard.has(`${runId} ${before}`) && !signal.aborted) await wait(10);
    if (signal.aborted) return undefined;
    spent.push(`${runId} ${name}`);
    const usage = isDollar ? { usd: 1 } : { prompt_tokens: 10, completion_tokens: 5 };
    return { model: 'small-2026-01-31', usage };
  });
const names = ['a', 'b', 'c', 'd', 'e', 'f'];
const spendingLine = (kind: string, isDollar: boolean, isHeld = true) => {
  const [first, ...others] = names.map((name, index) =>
    spending(name, isHeld ? names[index - 1] : undefined, isDollar),
  );
  return chain(kind, first as ReturnType<typeof spending>, ...(others as []));
};
const ofTokens = spendingLine('spends tokens', false);
const ofDollars = spendingLine('spends dollars', true);
const atOnce = spendingLine('spends at once', false, false);
const misreporting = agent('misreports', () => ({ usage: { tokens: '12' } }));
const usage = priced({ small: { input: 100_000, output: 0 } });

type Limits = Parameters<typeof budget>[0];
/** What a budget allows: of each kind, four steps. */
const kinds: readonly (readonly [kind: string, less: Limits, more: Limits, of: typeof ofTokens])[] = [
  ['tokens', { tokens: 60 }, { tokens: 150 }, ofTokens],
  ['usd', { usd: 4 }, { usd: 10 }, ofDollars],
  ['usd by a table of prices', { usd: 4, usage }, { usd: 10, usage }, ofTokens],
  ['steps', { steps: 4 }, { steps: 14 }, ofTokens],
];

const callsOf = (runId: string): readonly string[] =>
  spent.flatMap((call) => (call.startsWith(`${runId} `) ? [call.slice(runId.length + 1)] : []));
/** One who follows a run within a budget: the status it ends with, or which limit it went beyond. */
const live = async (transitions: Observable<Transition>, limits: Limits): Promise<string> => {
  let isOver = false;
  const hears = tap(({ state: { runId, steps } }: Transition) => {
    setImmediate(() => {
      if (isOver) return;
      for (const { stepId, status } of steps) if (status === 'COMPLETED') heard.add(`${runId} ${stepId}`);
    });
  });
  try {
    const { state } = await lastValueFrom(transitions.pipe(budget(limits), hears));
    return state.status;
  } catch (error) {
    expect(error).toMatchObject({ name: 'BudgetExceededError' });
    return (error as BudgetExceededError).kind;
  } finally {
    isOver = true;
  }
};

describePlacements(
  'a budget on Restate',
  [ofTokens, ofDollars, misreporting] as readonly Any[],
  (options) => {
    const stopped = async (of: Any, runId: string): Promise<void> => {
      const load = () => options.engine.loadRun(of, runId);
      await waitFor(async () => (await load())?.status === 'CANCELLED', 30_000, 'the run to be stopped');
    };

    it.each(kinds)(
      'of %s is spent once over all lives, and a higher one lets the run go on',
      async (kind, less, more, of) => {
        const runId = nextId();
        const named = kind.split(' ')[0];
        const follow = () => run(of, 0, { ...options, runId });
        expect(await live(follow(), less)).toBe(named);
        await stopped(of, runId);
        const before = callsOf(runId);
        // Of steps that are limited themselves, the fifth is stopped as it begins.
        expect(before).toEqual(names.slice(0, kind === 'steps' ? before.length : 5));
        expect(before.length).toBeGreaterThanOrEqual(4);
        for (let life = 2; life < 4; life += 1) {
          expect(await live(follow(), less)).toBe(named);
          await stopped(of, runId);
        }
        if (kind !== 'steps') expect(callsOf(runId)).toEqual(before);
        expect(await live(follow(), more)).toBe('COMPLETED');
        expect(callsOf(runId).filter((name) => name < 'e')).toEqual(['a', 'b', 'c', 'd']);
        expect(new Set(callsOf(runId))).toEqual(new Set(names));
        if (kind === 'tokens') {
          const state = await options.engine.loadRun(of, runId);
          expect(state?.used).toMatchObject({ tokens: 90 });
        }
      },
    );

    it('counts what was spent before for one who begins to follow later', async () => {
      const runId = nextId();
      const follow = () => run(ofTokens, 0, { ...options, runId });
      const first = collect(follow());
      for (const name of ['a', 'b', 'c']) {
        await waitFor(() => first.told.includes(`step.completed ${name}`), 30_000, name);
        if (name !== 'c') heard.add(`${runId} ${name}`);
      }

      expect(await live(follow(), { tokens: 60 })).toBe('tokens');
      expect(callsOf(runId)).toEqual(['a', 'b', 'c', 'd', 'e']);
      // The run goes on for the first one until that leaves too.
      first.leave?.();
      await stopped(ofTokens, runId);
    });

    it('refuses a usage that is not a number', async () => {
      const told = run(misreporting, 0, { ...options, runId: nextId() }).pipe(budget({ tokens: 60 }));

      await expect(lastValueFrom(told)).rejects.toThrow('Cannot count what step "misreports" used');
    });
  },
);

const describeHere = restateBinary() === undefined ? describe.skip : describe;

describeHere.each(placements)(
  'a budget of runs that begin anew from their journal at every wait, agents placed %s',
  (placed) => {
    let served: Served;
    beforeAll(async () => {
      served = await serve([atOnce], placed, { inactivityTimeoutMs: 0 });
    });
    afterAll(() => served.close());

    it.each([
      [89, 'tokens'],
      [90, 'COMPLETED'],
    ])('counts each step once: %d tokens', async (tokens, end) => {
      const runId = nextId();
      const follow = run(atOnce, 0, { engine: served.engine, runId });

      expect(await live(follow, { tokens })).toBe(end);
      expect(callsOf(runId)).toEqual(names);
      const state = await served.engine.loadRun(atOnce, runId);
      expect(state?.used).toMatchObject({ tokens: 90 });
    });
  },
);
