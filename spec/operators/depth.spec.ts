import { from, lastValueFrom, map } from 'rxjs';

import { agent, chain, each, execute, memoryStore, outputs, run, workflow } from '../../index';
import type { Agent, Wire } from '../../index';
import { isLong, tally } from '../support/torture';

const plus = agent('plus', (n: number) => n + 1);
const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

/** Steps one after another. */
const line = (steps: number): Agent<number, number> =>
  chain('line', ...numbers(steps).map((n) => agent(`s${String(n)}`, (x: number) => x + 1)));

/** Layers of 10 steps, each of which reads two of the layer before; gives how many steps have been called. */
const layers = (steps: number): { readonly dag: Agent<number, number>; readonly called: () => number } => {
  let calls = 0;
  const dag = workflow('layers', (input: Wire<number>, step) => {
    let before: readonly Wire<number>[] = [input];
    for (let layer = 0; layer < steps / 10; layer += 1) {
      before = numbers(10).map((n) =>
        step(
          `l${String(layer)}s${String(n)}`,
          ([x, y]: readonly [number, number]) => {
            calls += 1;
            return Math.max(x, y) + 1;
          },
          [before[n % before.length]!, before[(n + 1) % before.length]!] as const,
        ),
      );
    }
    return before[0]!;
  });
  return { dag, called: () => calls };
};

/** Workflows inside workflows, as deep as they may be defined, in a row until there are so many steps. */
const nested = (steps: number): Agent<number, number> => {
  const levels = Math.min(steps, 200);
  const tower = (level: number): Agent<number, number> =>
    level === 1
      ? plus
      : workflow(`level${String(level)}`, (input: Wire<number>, step) =>
          step('plus', plus, step('in', tower(level - 1), input)),
        );
  const one = tower(levels);
  return chain('towers', ...numbers(Math.ceil(steps / levels)).map(() => one));
};

const fromStack = <T>(depth: number, make: () => Promise<T>): Promise<T> =>
  depth === 0 ? make() : fromStack(depth - 1, make);

const sizes = isLong ? [10, 1_000, 10_000, 100_000] : [10, 10_000];

describe.each(sizes)('%i steps, started on a stack 5,000 frames deep (promises test 14)', (steps) => {
  afterAll(() => tally('steps', steps));

  it('one after another', async () => {
    // Defined here: 100,000 arguments alone fill most of the stack.
    const work = line(steps);
    const { status, output } = await fromStack(5_000, async () => execute(work, 0, { store: memoryStore() }));
    expect([status, output]).toEqual(['COMPLETED', steps]);
  });

  it('in layers', async () => {
    const { dag, called } = layers(steps);
    const { status, output } = await fromStack(5_000, async () => execute(dag, 0));
    expect([status, output, called()]).toEqual(['COMPLETED', steps / 10, steps]);
  });

  it('in workflows inside workflows', async () => {
    const { status, output } = await fromStack(5_000, async () => execute(nested(steps), 0));
    expect([status, output]).toEqual(['COMPLETED', steps]);
  });

  it('for so many items', async () => {
    const { status, output } = await fromStack(5_000, async () =>
      execute(each('each', plus), numbers(steps)),
    );
    expect([status, output?.length, output?.at(-1)]).toEqual(['COMPLETED', steps, steps]);
  });

  it('so many partial results of one step', async () => {
    const many = agent('many', (count: number) => from(numbers(count)).pipe(map((n) => n + 1)));
    const last = await fromStack(5_000, async () => lastValueFrom(run(many, steps).pipe(outputs())));
    expect(last).toBe(steps);
  });
});
