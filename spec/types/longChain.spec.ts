import { expectTypeOf } from 'expect-type';

import { agent, chain, execute } from '../../index';
import type { Agent } from '../../index';
import { checked } from './support/checked';

/** A chain of so many links, each of a type of its own; the one at `misfit` takes what nobody gives. */
function generated(links: number, misfit?: number): string {
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

describe('a chain of many links', () => {
  it('takes 40 links of different types, and blames the one that does not fit', () => {
    expect(checked('fits40', generated(40))).toEqual([]);

    const [problem, ...others] = checked('misfit23', generated(40, 23));
    expect(others).toEqual([]);
    expect(problem?.code).toBe(2345);
    expect(problem?.line).toBe('  a23,');
    expect(checked('misfit39', generated(40, 39)).map(({ line }) => line)).toEqual(['  a39,']);
  }, 60_000);

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
