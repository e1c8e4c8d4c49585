import { expectTypeOf } from 'expect-type';

import { agent, chain, execute } from '../../index';
import type { Agent } from '../../index';
import { checked } from './support/checked';

/** A chain of so many links, each of a type of its own; the one at `misfit` takes what nobody gives. */
function chainOf(links: number, misfit?: number): string {
  const agents = Array.from({ length: links }, (_, index) => {
    const taken =
      index === misfit ? 'Date' : index === 0 ? 'string' : `{ readonly n${String(index)}: number }`;
    return `const a${String(index)} = agent('a${String(index)}', (_: ${taken}) => ({ n${String(index + 1)}: 1 }));`;
  });
  const names = agents.map((_, index) => `  a${String(index)},`);
  return [
    `import { agent, chain } from '../../index';`,
    ...agents,
    `export const long = chain(`,
    `  'long',`,
    ...names,
    `);`,
  ].join('\n');
}

/** A workflow of so many steps with joins, inferred all the way. */
function workflowOf(steps: number): string {
  const lines = Array.from({ length: steps }, (_, index) => {
    const id = String(index);
    if (index === 0) return `  const w0 = step('s0', first, input);`;
    const before = String(index - 1);
    if (index % 5 === 0)
      return `  const w${id} = step('s${id}', ({ a, b }) => ({ n: a.n + b.n }), { a: w${before}, b: w${String(index - 2)} });`;
    return `  const w${id} = step('s${id}', next, w${before});`;
  });
  return [
    `import { agent, workflow } from '../../index';`,
    `import type { Wire } from '../../index';`,
    `const first = agent('first', (text: string) => ({ n: text.length }));`,
    `const next = agent('next', async ({ n }: { n: number }) => Promise.resolve({ n: n + 1 }));`,
    `export const w = workflow('w', (input: Wire<string>, step) => {`,
    ...lines,
    `  return w${String(steps - 1)};`,
    `});`,
  ].join('\n');
}

// One program for all: what they import takes most of the time.
const { problemsOf, types } = checked({
  fits: chainOf(40),
  misfit23: chainOf(40, 23),
  misfit39: chainOf(40, 39),
  of2: workflowOf(2),
  of20: workflowOf(20),
  of200: workflowOf(200),
});

describe('a chain of many links', () => {
  it('takes 40 links of different types, and blames the one that does not fit', () => {
    expect(problemsOf('fits')).toEqual([]);

    const [problem, ...others] = problemsOf('misfit23');
    expect(others).toEqual([]);
    expect(problem?.code).toBe(2345);
    expect(problem?.line).toBe('  a23,');
    expect(problemsOf('misfit39').map(({ line }) => line)).toEqual(['  a39,']);
  }, 300_000);

  it('infers what goes in and what comes out', async () => {
    const length = agent('length', (text: string) => text.length);
    const text = agent('text', (n: number) => String(n));
    const nine = chain('nine', length, text, length, text, length, text, length, text, length);
    const same: Agent<number, number>[] = [agent('plus', (n: number) => n + 1)];

    expectTypeOf(nine).toEqualTypeOf<Agent<string, number>>();
    expectTypeOf(chain('same', ...same)).toEqualTypeOf<Agent<number, number>>();
    // @ts-expect-error links of an array have to fit one after another
    chain('uneven', ...[length, length]);
    expect((await execute(nine, 'abc')).output).toBe(1);
  });
});

describe('type-checking a workflow', () => {
  it('costs about the same for each of 200 steps as for each of 20', () => {
    const costOf = (name: string): number => {
      const before = types();
      expect(problemsOf(name)).toEqual([]);
      return types() - before;
    };
    // What all of them share counts for the first one only.
    costOf('of2');
    const few = costOf('of20') / 20;

    expect(costOf('of200') / 200 / few).toBeLessThan(1.5);
  }, 300_000);
});
