import { lastValueFrom } from 'rxjs';

import { priced } from '../../adapters/ai';
import type { BudgetExceededError, Store } from '../../index';
import { agent, budget, chain, execute, memoryStore, run } from '../../index';
import { crashPoints, recordingStore } from '../../testing';
import { Clock } from '../support/clock';
import { everyStore } from '../support/everyStore';

type Limits = Parameters<typeof budget>[0];

/** Ten steps; each costs 20 ms and 10 tokens read, 5 said, as a provider tells it, or one US dollar. */
const calls: string[] = [];
const clock = new Clock(0);
const step = (name: string, isDollar: boolean) =>
  agent(name, async (_: unknown) => {
    calls.push(name);
    await clock.to(clock.now() + 20);
    const usage = isDollar ? { usd: 1 } : { prompt_tokens: 10, completion_tokens: 5 };
    return { model: 'small-2026-01-31', usage };
  });
const names = Array.from('abcdefghij');
const line = (isDollar: boolean) => {
  const [first, ...others] = names.map((name) => step(name, isDollar));
  return chain('line', first as ReturnType<typeof step>, ...(others as []));
};

const usage = priced({ small: { input: 100_000, output: 0 }, 'small-2025': { input: 0, output: 0 } });

/** What a budget allows: of each kind, four steps. */
const kinds: readonly (readonly [kind: string, less: Limits, more: Limits, isDollar: boolean])[] = [
  ['tokens', { tokens: 60 }, { tokens: 150 }, false],
  ['usd', { usd: 4 }, { usd: 10 }, true],
  ['usd by a table of prices', { usd: 4, usage }, { usd: 10, usage }, false],
  ['steps', { steps: 4 }, { steps: 14 }, false],
  ['ms', { ms: 90 }, { ms: 60_000 }, false],
];

const live = (store: Store, limits: Limits, isDollar: boolean) =>
  lastValueFrom(
    run(line(isDollar), 0, { store, runId: 'r', scheduler: clock }).pipe(
      budget({ ...limits, scheduler: clock }),
    ),
  ).then(
    ({ state }) => state.status,
    (error: unknown) => {
      expect(error).toMatchObject({ name: 'BudgetExceededError', retryable: expect.any(Boolean) as boolean });
      return (error as BudgetExceededError).kind;
    },
  );

describe.each(kinds)('a budget of %s', (kind, less, more, isDollar) => {
  const named = kind.split(' ')[0];

  beforeEach(() => {
    calls.length = 0;
  });

  it.each(everyStore)(
    'is spent once over all lives, and a higher one lets the run go on: %s',
    async (_where, open) => {
      const store = open();
      expect(await live(store, less, isDollar)).toBe(named);
      const before = calls.length;
      expect(before).toBeGreaterThanOrEqual(4);
      expect(before).toBeLessThanOrEqual(5);
      for (const again of [named, named]) expect(await live(store, less, isDollar)).toBe(again);
      // Such a life is stopped by what is on record: at most the step that it had been in begins again.
      if (kind !== 'ms') expect(calls.length).toBeLessThanOrEqual(kind === 'steps' ? before + 2 : before);
      expect(await live(store, more, isDollar)).toBe('COMPLETED');
      expect(new Set(calls)).toEqual(new Set(names));
      // What had completed was not called again.
      for (const name of names.slice(0, 3)) expect(calls.filter((one) => one === name)).toHaveLength(1);
      await store.close();
    },
  );

  it('holds for a run that was killed, at whatever event', async () => {
    const store = recordingStore(memoryStore());
    await execute(line(isDollar), 0, { store, runId: 'r', scheduler: clock });
    for (const { store: left, state, finished } of crashPoints(store, 'r')) {
      if (state.status !== 'RUNNING') continue;
      const done = finished.length;
      calls.length = 0;
      const end = await live(left, less, isDollar);
      expect(end).toBe(named);
      // Of four steps, those that the record knows are spent; one more is in flight when it shows.
      expect(calls.length).toBeLessThanOrEqual(Math.max(1, 5 - done));
    }
  });
});

describe('priced()', () => {
  const event = { type: 'step.completed', agent: 'small' } as never;

  it('takes the price of the model, its dated versions and of the agent, the longest name first', () => {
    const table = priced({ small: { input: 1, output: 2 }, 'small-fast': { input: 3, output: 4 } });
    const cost = (model: string | undefined, used: object) => table({ model, usage: used }, event)?.usd;
    const million = { input_tokens: 1_000_000, output_tokens: 1_000_000 };
    expect(cost('small', million)).toBe(3);
    expect(cost('small-2026', million)).toBe(3);
    expect(cost('small-fast-2026', million)).toBe(7);
    expect(cost(undefined, { inputTokens: 500_000 })).toBe(0.5);
    expect(cost('other', { usd: 9 })).toBe(9);
    expect(table('a text', event)).toBeUndefined();
  });

  it('is not for another model whose name begins the same', () => {
    const table = priced({ 'gpt-5': { input: 1, output: 2 } });
    const cost = (model: string) => table({ model, usage: { input_tokens: 1_000_000 } }, event)?.usd;
    for (const same of ['gpt-5', 'gpt-5-2026-01-31', 'gpt-5-20260131', 'gpt-5-latest'])
      expect(cost(same)).toBe(1);
    for (const other of ['gpt-5-pro', 'gpt-5-pro-2026-01-31', 'gpt-5-1', 'gpt-5.1'])
      expect(() => cost(other)).toThrow(`"${other}": it has no price`);
  });

  it('refuses tokens without a price, and a price that is none', () => {
    expect(() => priced({ small: { input: -1, output: 0 } })).toThrow('"small"');
    const table = priced({ small: { input: 1, output: 2 } });
    expect(() => table({ model: 'large', usage: { tokens: 5 } }, event)).toThrow('"large": it has no price');
    expect(() => table({ model: 'small', usage: { tokens: 5 } }, event)).toThrow('is not said');
    expect(() => table({ model: 'smaller', usage: { tokens: 5 } }, event)).toThrow('no price');
  });
});
