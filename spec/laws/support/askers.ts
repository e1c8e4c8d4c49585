import * as fc from 'fast-check';
import * as t from 'io-ts';
import type { SchedulerLike } from 'rxjs';
import { concat, firstValueFrom, forkJoin, map, of, timer, toArray } from 'rxjs';

import type { Agent, Live, StepContext, Wire } from '../../../index';
import {
  agent,
  approval,
  chain,
  each,
  fallback,
  firstOf,
  live,
  sleep,
  withPolicy,
  workflow,
} from '../../../index';
import type { LimitPolicy } from '../../../lib/model/agentType';

type Any = Agent<unknown, unknown>;

/** Who asks, who works, and who waits for whom, as data. */
export type Asker =
  | { readonly kind: 'work' | 'sleep'; readonly ms: number }
  | { readonly kind: 'ask' }
  /** A function that asks: alone, beside its work, twice, or while it streams. */
  | { readonly kind: 'function'; readonly how: 'alone' | 'beside' | 'twice' | 'awaits'; readonly ms: number }
  | { readonly kind: 'chain' | 'both' | 'race' | 'fallback'; readonly parts: readonly [Asker, Asker] }
  | { readonly kind: 'each'; readonly inner: Asker; readonly concurrency: number }
  | { readonly kind: 'limited'; readonly inner: Asker; readonly limit: number }
  /** A step that reads another one live, which asks while it streams. */
  | { readonly kind: 'live'; readonly ms: number; readonly reader: 'iterates' | 'is slow' | 'subscribes' };

const ms = fc.constantFrom(0, 0, 1, 3);
const leaf: fc.Arbitrary<Asker> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('work' as const, 'sleep' as const), ms }) },
  { weight: 3, arbitrary: fc.constant({ kind: 'ask' } as const) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('function' as const),
      how: fc.constantFrom('alone' as const, 'beside' as const, 'twice' as const, 'awaits' as const),
      ms,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('live' as const),
      ms,
      reader: fc.constantFrom('iterates' as const, 'is slow' as const, 'subscribes' as const),
    }),
  },
);

export const arbitraryAsker: fc.Arbitrary<Asker> = fc.letrec<{ shape: Asker }>((tie) => {
  const inner = tie('shape');
  return {
    shape: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf,
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constantFrom(
            ...(['chain', 'both', 'both', 'race', 'fallback'] as const satisfies readonly string[]),
          ),
          parts: fc.tuple(inner, inner),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constant('each' as const),
          inner,
          concurrency: fc.integer({ min: 1, max: 3 }),
        }),
      },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('limited' as const), inner, limit: fc.nat(2) }) },
    ),
  };
}).shape;

/** The time that agents take, and what they were told. */
export interface Clock {
  scheduler: SchedulerLike;
}

/**
 * Makes the agents of a shape; the same names every time.
 *
 * Limits are shared by all that stand equally deep. Whoever holds one never waits for the same one below: that would be a knot that no
 * engine can untie.
 */
export function askersOf(shape: Asker, clock: Clock): Any {
  let count = 0;
  const next = (kind: string): string => `${kind}${String((count += 1))}`;
  const limits = new Map<string, LimitPolicy<unknown>>();
  const limitOf = (depth: number, which: number): LimitPolicy<unknown> => {
    const name = `${String(depth)}.${String(which)}`;
    const known = limits.get(name);
    if (known !== undefined) return known;
    const made: LimitPolicy<unknown> =
      which === 0
        ? { concurrency: 1 }
        : which === 1
          ? { concurrency: 1, key: (input) => JSON.stringify([input]).slice(0, 3) }
          : { concurrency: 2 };
    limits.set(name, made);
    return made;
  };
  const after = (delayMs: number) =>
    delayMs === 0 ? of('done') : timer(delayMs, clock.scheduler).pipe(map(() => 'done'));
  const question = (): Agent<unknown, string> => approval<string>(next('ask'), t.string);

  const functionOf = ({ how, ms: delayMs }: Asker & { readonly kind: 'function' }): Any => {
    const [one, other] = [question(), question()];
    const work = agent(next('work'), () => after(delayMs));
    const name = next('function');
    switch (how) {
      case 'alone':
        return agent(name, (input: unknown, { step }: StepContext) => step('one', one, input));
      case 'beside':
        return agent(name, (input: unknown, { step }: StepContext) =>
          forkJoin([step('one', one, input), step('work', work, input)]),
        );
      case 'twice':
        return agent(name, (input: unknown, { step }: StepContext) =>
          concat(step('one', one, input), step('other', other, input)).pipe(toArray()),
        );
      case 'awaits':
        return agent(name, async (input: unknown, { step }: StepContext) => {
          const given = [step('one', one, input), step('work', work, input)] as const;
          const both = await Promise.all(given.map(async (each) => firstValueFrom<unknown>(each)));
          return [both, await firstValueFrom(step('other', other, input))];
        });
    }
  };

  const liveOf = ({ ms: delayMs, reader }: Asker & { readonly kind: 'live' }): Any => {
    const ask = question();
    const words = agent(next('words'), (input: unknown, { step }: StepContext) =>
      concat(after(delayMs), step('ask', ask, input)),
    );
    const read = agent(next('reader'), (all: Live<string>) => {
      if (reader === 'subscribes') return all;
      return (async () => {
        let text = '';
        for await (const word of all) {
          if (reader === 'is slow') await firstValueFrom(after(2));
          text += word;
        }
        return text;
      })();
    });
    return workflow(next('live'), (input: Wire<unknown>, step) =>
      step('read', read as never, live(step('words', words, input)) as never),
    );
  };

  const make = (of_: Asker, depth: number): Any => {
    const below = (part: Asker): Any => make(part, depth + 1);
    switch (of_.kind) {
      case 'work':
        return agent(next('work'), () => after(of_.ms));
      case 'sleep':
        return sleep(next('sleep'), of_.ms);
      case 'ask':
        return question();
      case 'function':
        return functionOf(of_);
      case 'live':
        return liveOf(of_);
      case 'chain':
        return chain(next('chain'), below(of_.parts[0]), below(of_.parts[1]));
      case 'both': {
        const [a, b] = [below(of_.parts[0]), below(of_.parts[1])];
        return workflow(next('both'), (input: Wire<unknown>, step) => [
          step('a', a, input),
          step('b', b, input),
        ]);
      }
      case 'race':
        return firstOf(next('race'), below(of_.parts[0]), below(of_.parts[1]));
      case 'fallback':
        return fallback<unknown, unknown, unknown>(
          next('fallback'),
          below(of_.parts[0]),
          below(of_.parts[1]),
        );
      case 'each': {
        const list = agent(next('list'), () => [10, 20, 21]);
        return chain(
          next('items'),
          list,
          each(next('each'), below(of_.inner) as Agent<number, unknown>, { concurrency: of_.concurrency }),
        );
      }
      case 'limited':
        return withPolicy(below(of_.inner), { limit: limitOf(depth, of_.limit) });
    }
  };
  return make(shape, 0);
}
