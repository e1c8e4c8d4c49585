import { createHash } from 'node:crypto';

import fc from 'fast-check';
import * as t from 'io-ts';
import { firstValueFrom, forkJoin } from 'rxjs';

import type { Agent, StepContext, Wire } from '../../../index';
import {
  agent,
  branch,
  chain,
  each,
  fallback,
  firstOf,
  loop,
  quorum,
  saga,
  settled,
  workflow,
} from '../../../index';

type Any = Agent<unknown, unknown>;

/** A structure of agents as data: at most three levels of every combinator there is. */
export type Shape =
  | { readonly kind: 'leaf'; readonly ticks: number; readonly isCoded: boolean }
  | {
      readonly kind: 'chain' | 'loop' | 'saga' | 'each' | 'collect' | 'branch';
      readonly parts: readonly Shape[];
    }
  | { readonly kind: 'fallback' | 'steps' | 'caught'; readonly parts: readonly [Shape, Shape] }
  | { readonly kind: 'firstOf'; readonly leaves: readonly Shape[] }
  | { readonly kind: 'dag'; readonly parts: readonly Shape[]; readonly edges: readonly number[] }
  | { readonly kind: 'quorum'; readonly leaves: readonly Shape[]; readonly count: number };

const leaf = fc.record({
  kind: fc.constant('leaf' as const),
  ticks: fc.constantFrom(0, 0, 1, 4),
  isCoded: fc.boolean(),
});

export const arbitraryShape: fc.Arbitrary<Shape> = fc.letrec<Record<'a' | 'b' | 'c', Shape>>((tie) => {
  const level = (inner: fc.Arbitrary<Shape>): fc.Arbitrary<Shape> =>
    fc.oneof(
      { weight: 1, arbitrary: leaf },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constantFrom(
            ...(['chain', 'loop', 'saga', 'each', 'collect', 'branch'] as const satisfies readonly string[]),
          ),
          parts: fc.array(inner, { minLength: 1, maxLength: 3 }),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constantFrom('fallback' as const, 'steps' as const, 'caught' as const),
          parts: fc.tuple(inner, inner),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('firstOf' as const),
          leaves: fc.array(leaf, { minLength: 2, maxLength: 3 }),
        }),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('dag' as const),
          parts: fc.array(inner, { minLength: 2, maxLength: 4 }),
          edges: fc.array(fc.nat({ max: 63 }), { minLength: 4, maxLength: 4 }),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant('quorum' as const),
          leaves: fc.array(leaf, { minLength: 3, maxLength: 4 }),
          count: fc.integer({ min: 1, max: 3 }),
        }),
      },
    );
  return { c: level(leaf), b: level(tie('c')), a: level(tie('b')) };
}).a;

/**
 * The same without why something failed: where several failures reach one step, which of them it is told depends on which came
 * first.
 */
export function withoutReasons(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(withoutReasons);
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key,
      key === 'left' || key === 'error' ? 'reason' : withoutReasons(part),
    ]),
  );
}

const textOf = (value: unknown): string => JSON.stringify([withoutReasons(value)]);

/** What a leaf does when it is called. */
export interface World {
  /** @throws when it is to fail. */
  called(context: StepContext): void;
}

const day = new t.Type<Date, string>(
  'day',
  (value): value is Date => value instanceof Date,
  (value, context) =>
    typeof value === 'string' && value.endsWith('Z') ? t.success(new Date(value)) : t.failure(value, context),
  (date) => date.toISOString(),
);

/** Makes the agents of a shape; the same names every time, so that a run can go on with them. */
export function agentsOf(shape: Shape, world: World): Any {
  let count = 0;
  const next = (kind: string): string => `${kind}${String((count += 1))}`;

  /** @param word - Given instead of something made from the input, where it must not matter who gives it. */
  const leafOf = ({ ticks, isCoded }: Shape & { readonly kind: 'leaf' }, word?: number): Any => {
    const name = next('leaf');
    const given = (input: unknown): unknown => {
      const number =
        word ??
        parseInt(
          createHash('sha256')
            .update(`${name}${textOf(input)}`)
            .digest('hex')
            .slice(0, 8),
          16,
        );
      return isCoded ? new Date(number) : new Date(number).toISOString();
    };
    const work = (input: unknown, context: StepContext): unknown => {
      if (ticks === 0) {
        world.called(context);
        return given(input);
      }
      return (async () => {
        for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
        if (context.signal.aborted) return undefined;
        world.called(context);
        return given(input);
      })();
    };
    return agent<unknown, unknown>(name, work, isCoded ? { output: day as t.Type<unknown, unknown> } : {});
  };

  const make = (of: Shape): Any => {
    switch (of.kind) {
      case 'leaf':
        return leafOf(of);
      case 'chain':
        return chain(next('chain'), ...of.parts.map(make));
      case 'saga':
        return saga(next('saga'), chain(next('chain'), ...of.parts.map(make)));
      case 'loop':
        return loop(next('loop'), chain(next('chain'), ...of.parts.map(make)), {
          until: (_, round) => round >= 1,
          max: 3,
        });
      case 'each':
      case 'collect': {
        const list = agent(next('list'), (input: unknown) => [input, 1, 2].map((item) => textOf(item)));
        const inner = chain(next('chain'), ...of.parts.map(make));
        const all =
          of.kind === 'each' ? each(next('each'), inner) : each(next('each'), inner, { onError: 'collect' });
        return chain(next('chain'), list as Any, all as Any);
      }
      case 'branch': {
        const cases = of.parts.map((part, index) => [`case${String(index)}`, make(part)] as const);
        const id = `case${String(cases.length - 1)}`;
        return branch(next('branch'), () => id, Object.fromEntries(cases));
      }
      case 'fallback':
        return fallback(next('fallback'), make(of.parts[0]), make(of.parts[1]));
      case 'steps': {
        const [a, b] = [make(of.parts[0]), make(of.parts[1])];
        return agent(next('steps'), async (input: unknown, { step }: StepContext) =>
          textOf(await firstValueFrom(forkJoin([step('a', a, input), step('b', b, input)]))),
        );
      }
      case 'caught': {
        const [a, b] = [make(of.parts[0]), make(of.parts[1])];
        return agent(next('caught'), async (input: unknown, { step }: StepContext) => {
          const first = await firstValueFrom(step('a', a, input)).catch(() => 'caught');
          return textOf([first, await firstValueFrom(step('b', b, input))]);
        });
      }
      case 'firstOf':
        return firstOf(next('firstOf'), ...alike(of.leaves));
      case 'quorum': {
        const members = alike(of.leaves);
        return workflow(next('quorum'), (input: Wire<unknown>, step) => {
          const wires = members.map((member, index) => step(`m${String(index)}`, member, input));
          return step('end', (all: readonly unknown[]) => textOf(all), quorum(of.count, wires));
        });
      }
      case 'dag':
        return dagOf(next('dag'), of.parts.map(make), of.edges);
    }
  };

  /** Leaves that all give the same in the same form. */
  const alike = (leaves: readonly Shape[]): readonly Any[] => {
    const word = (count + 1) * 1000;
    return leaves.map((one) => leafOf(one as Shape & { readonly kind: 'leaf' }, word));
  };
  return make(shape);
}

/** Each step reads the input, an earlier step, two of them, or one through `settled`, as the number says. */
function dagOf(name: string, parts: readonly Any[], edges: readonly number[]): Any {
  return workflow(name, (input: Wire<unknown>, step) => {
    const wires: Wire<unknown>[] = [];
    const pieces = parts.map((part, index) => {
      const edge = edges[index] ?? 0;
      const [one, other] = [wires[(edge >> 2) % Math.max(1, index)], wires[(edge >> 4) % Math.max(1, index)]];
      const id = `s${String(index)}`;
      const piece =
        one === undefined || other === undefined || edge % 4 === 0
          ? step(id, part, input)
          : edge % 4 === 1
            ? step(id, part, one)
            : edge % 4 === 2
              ? step(id, part, { one, other })
              : step(id, part, settled([one]));
      wires.push(piece);
      return piece;
    });
    return pieces.at(-1) as Wire<unknown>;
  });
}
