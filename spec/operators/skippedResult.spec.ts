import { agent, branch, chain, each, execute, memoryStore, workflow } from '../../index';
import type { Agent, Wire } from '../../index';
import { DateText } from '../support/dateText';

const same = agent('same', (n: number) => n);
const isBig = (n: number) => n > 5;

const pair = workflow('pair', (n: Wire<number>, step) => [
  step('one', same, n),
  step('two', same, n, { when: isBig }),
]);

const dated = agent('dated', (n: number) => new Date(n), { output: DateText });

/** The output as it is told live, without a store and with one, and when the completed run is asked for again. */
async function outputs<O>(work: Agent<number, O>, input = 1): Promise<unknown[]> {
  const options = { store: memoryStore(), runId: 'r' };
  const states = [
    await execute(work, input),
    await execute(work, input, options),
    await execute(work, input, options),
  ];
  return states.map(({ status, output, error }) => (status === 'COMPLETED' ? output : error?.message));
}

describe('the result of a workflow', () => {
  it.each<[string, Agent<number, unknown>, unknown]>([
    ['a tuple', pair, [1, undefined]],
    [
      'a tuple in a record',
      workflow('w', (n: Wire<number>, step) => ({
        both: [step('one', same, n, { when: isBig }), step('two', same, n)],
      })),
      { both: [undefined, 1] },
    ],
    [
      'a step that is such a workflow',
      workflow('w', (n: Wire<number>, step) => step('pair', pair, n)),
      [1, undefined],
    ],
    ['a chain that ends in one', chain('c', same, pair), [1, undefined]],
    [
      'one case of several',
      branch('b', () => 'pair', { pair, list: agent('list', (n: number) => [n, n, n]) }),
      [1, undefined],
    ],
    [
      'each of several',
      chain(
        'c',
        agent('spread', (n: number) => [n, n + 5]),
        each('e', pair),
      ),
      [
        [1, undefined],
        [6, 6],
      ],
    ],
  ])('may have a skipped step in %s, live and resumed', async (_where, work, expected) => {
    expect(await outputs(work)).toStrictEqual([expected, expected, expected]);
  });

  it('may have steps in a tuple that give nothing', async () => {
    const silent = agent('silent', (_: number) => undefined);
    const both = workflow('both', (n: Wire<number>, step) => [step('a', silent, n), step('b', silent, n)]);

    expect(await outputs(both)).toStrictEqual(Array(3).fill([undefined, undefined]));
  });

  it('hands a skipped step on as undefined to a step that is resumed', async () => {
    let isDown = true;
    const seen: unknown[] = [];
    const last = agent('last', (values: readonly unknown[]) => {
      seen.push(values);
      if (isDown) throw new Error('down');
      return values.length;
    });
    const work = workflow('w', (n: Wire<number>, step) => step('last', last, step('pair', pair, n)));
    const options = { store: memoryStore(), runId: 'r' };
    await execute(work, 1, options);
    isDown = false;

    expect((await execute(work, 1, options)).output).toBe(2);
    expect(seen).toStrictEqual([
      [1, undefined],
      [1, undefined],
    ]);
  });

  it('is saved with the gaps named beside it, so that JSON keeps them', async () => {
    const store = memoryStore();
    await execute(
      workflow('w', (n: Wire<number>, step) => step('pair', pair, n)),
      1,
      { store, runId: 'r' },
    );

    expect((await store.loadRun('r'))?.steps.get('pair')).toMatchObject({
      output: [1, null],
      givenBy: { items: { 1: false }, gaps: [1] },
    });
  });

  it('keeps the form of the agents whose outputs stand in it', async () => {
    const work = workflow('w', (n: Wire<number>, step) => ({
      at: step('at', dated, n),
      all: [step('first', dated, n), step('second', dated, n, { when: isBig })],
      n,
    }));
    const expected = { at: new Date(1), all: [new Date(1), undefined], n: 1 };

    expect(await outputs(work)).toStrictEqual([expected, expected, expected]);
  });

  it('keeps the form of the agent of a step that may be skipped', async () => {
    const work = workflow('w', (n: Wire<number>, step) => step('at', dated, n, { when: isBig }));

    expect(await outputs(work, 9)).toStrictEqual([new Date(9), new Date(9), new Date(9)]);
    expect(await outputs(work, 1)).toStrictEqual([undefined, undefined, undefined]);
  });

  it('still refuses undefined in an array that a function made', async () => {
    const work = workflow('w', (n: Wire<number>, step) => ({ list: step('list', () => [1, undefined], n) }));

    expect(await outputs(work)).toEqual([
      { list: [1, undefined] },
      expect.stringContaining('[1] is undefined inside an array'),
      expect.stringContaining('[1] is undefined inside an array'),
    ]);
  });
});
