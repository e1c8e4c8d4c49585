import { expectTypeOf } from 'expect-type';
import type { Either } from 'fp-ts/lib/Either';
import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import { of } from 'rxjs';

import {
  agent,
  approval,
  branch,
  chain,
  each,
  fallback,
  firstOf,
  live,
  loop,
  pulled,
  runEach,
  sleep,
  workflow,
} from '../../index';
import type { Agent, Live, Transition, Wire } from '../../index';
import type { Items } from '../../operators/agents/each';
import type { FallbackInput } from '../../operators/agents/fallback';

/** Holds what only the compiler judges; it is never called. */
const judged = (_claim: string, check: () => void): (() => void) => check;

interface Bug {
  readonly title: string;
}
const length = agent('length', (text: string) => text.length);
const upper = agent('upper', (text: string) => text.toUpperCase());
const stream = agent('stream', (text: string) => of(text.length), {
  reduce: { fold: (all: number[], n) => [...all, n], seed: [] },
});
const inner = agent('inner', (bug: Bug) => bug.title);

describe('types of agents made from agents', () => {
  it('are checked by npm run types', () => {
    expect([each_, branch_, others, streams]).toEqual(expect.arrayContaining([expect.any(Function)]));
  });
});

const each_ = judged('each() goes over items of what its agent takes', () => {
  expectTypeOf(each('e', length)).toEqualTypeOf<Agent<Items<string>, number[]>>();
  type Collected = Agent<Items<string>, Either<{ name: string; message: string; path: string }, number>[]>;
  expectTypeOf(each('e', length, { onError: 'collect' })).toExtend<Collected>();
  expectTypeOf(
    chain(
      'c',
      each('e', length),
      each(
        'f',
        agent('n', (n: number) => n),
      ),
    ),
  ).toEqualTypeOf<Agent<Items<string>, number[]>>();
  workflow('w', (texts: Wire<string[]>, step) => {
    const lengths = step('e', each('e', length), texts);
    expectTypeOf(lengths).toEqualTypeOf<Wire<number[]>>();
    // @ts-expect-error numbers do not go into an agent that takes strings
    step('f', each('f', length), lengths);
    return step('g', each('g', upper), [
      step(
        'a',
        upper,
        step('b', (all) => all.join(), texts),
      ),
    ]);
  });
  each('e', length, { key: (text) => text.slice(1) });
  // @ts-expect-error a key is a text
  each('e', length, { key: (text) => text.length });
  // @ts-expect-error there is no such way
  each('e', length, { onError: 'ignore' });
});

const branch_ = judged('branch() gives one of what its cases give', () => {
  const b = branch('b', (text: string) => (text === '' ? 'no' : 'yes'), { yes: length, no: upper });
  expectTypeOf(b).toEqualTypeOf<Agent<string, string | number>>();
  expectTypeOf(branch('b', (text: string) => text, { yes: length }, upper)).toEqualTypeOf<
    Agent<string, string | number>
  >();
  // @ts-expect-error there is no case "maybe"
  branch('b', (_: string) => 'maybe', { yes: length });
  // @ts-expect-error a case takes what the selector looks at
  branch('b', (_: string) => 'yes', { yes: inner });
});

const others = judged('the others infer what they take and give', () => {
  expectTypeOf(loop('l', upper, { until: (text) => text.length > 3, max: 3 })).toEqualTypeOf<
    Agent<string, string>
  >();
  // @ts-expect-error what comes out of a round goes into the next
  loop('l', length, { until: () => true, max: 3 });
  // @ts-expect-error a loop has an end
  loop('l', upper, { until: () => true });

  const told = agent('told', ({ input, error }: FallbackInput<string>) => [input, error.message]);
  expectTypeOf(fallback('f', length, told)).toEqualTypeOf<Agent<string, number | string[]>>();
  // @ts-expect-error the other agent gets { input, error }
  fallback('f', length, upper);

  expectTypeOf(firstOf('f', length, upper)).toEqualTypeOf<Agent<string, string | number>>();
  // @ts-expect-error all take the same
  firstOf<string, [typeof length, typeof inner]>('f', length, inner);

  const asked = approval('a', t.type({ yes: t.boolean }), { onTimeout: upper });
  expectTypeOf(asked).toEqualTypeOf<Agent<string, { yes: boolean } | string>>();
  expectTypeOf(approval('a', t.string)).toEqualTypeOf<Agent<unknown, string>>();
  expectTypeOf(
    chain(
      'c',
      length,
      sleep('s', 5),
      agent('n', (n: number) => n),
    ),
  ).toEqualTypeOf<Agent<string, number>>();
});

const streams = judged('live() gives the partial results, which need not have the type of the output', () => {
  workflow('w', (text: Wire<string>, step) => {
    const lengths = step('stream', stream, text);
    expectTypeOf(lengths).toEqualTypeOf<Wire<number[], number>>();
    expectTypeOf(live(lengths)).toEqualTypeOf<Wire<Live<number>>>();
    const spot = step('spot', (one: string) => of(one), text);
    step(
      'read',
      async (some) => {
        expectTypeOf(some).toEqualTypeOf<Live<string>>();
        for await (const part of some) expectTypeOf(part).toEqualTypeOf<string>();
      },
      live(spot),
    );
    const plain = step('plain', upper, text);
    expectTypeOf(live(plain)).toEqualTypeOf<Wire<Live<unknown>>>();
    expectTypeOf(live<number>(plain)).toEqualTypeOf<Wire<Live<number>>>();
    // @ts-expect-error the partial results are numbers
    step(
      'wrong',
      agent('texts', (texts: Observable<string>) => texts),
      live(lengths),
    );
    return lengths;
  });
  expectTypeOf(pulled(['a']).pipe(runEach(length, { whenBusy: 'concat' }))).toEqualTypeOf<
    Observable<Transition<number>>
  >();
  // @ts-expect-error there is no such way
  runEach(length, { whenBusy: 'wait' });
});
