import fc from 'fast-check';
import { filter, map, of, pipe } from 'rxjs';

import { agent, chain, execute, run } from '../../index';
import type { Agent } from '../../index';
import { collect } from '../support/told';

const plus = (n: number) => agent(`plus ${String(n)}`, (x: number) => x + n);
const double = agent('double', (x: number) => x * 2);

describe('chain()', () => {
  it('hands the output of each agent to the next', async () => {
    const { output, steps } = await execute(chain('sum', plus(1), double, plus(3)), 1);
    expect(output).toBe(7);
    expect([...steps].map(({ stepId, output: each }) => [stepId, each])).toEqual([
      ['plus 1', 2],
      ['double', 4],
      ['plus 3', 7],
    ]);
  });

  it('numbers repeated agents, and takes any operator as a link', async () => {
    const twice = chain(
      'twice',
      double,
      double,
      map((x: number) => x + 1),
      pipe(filter(Boolean), map(String)),
    );
    const { output, steps } = await execute(twice, 2);
    expect(output).toBe('9');
    expect([...steps].map(({ stepId }) => stepId)).toEqual(['double', 'double[1]', 'op[2]', 'op[3]']);
  });

  it('fails by name when an operator lets nothing through', async () => {
    const { error } = await execute(
      chain(
        'nothing',
        filter((x: number) => x > 5),
      ),
      1,
    );
    expect(error).toMatchObject({ name: 'EmptyAnswerError', path: 'op[0]' });
  });

  it('is an agent: in a pipe and as a link', async () => {
    const inner = chain('inner', double, double);
    const answers: number[] = [];
    of(1, 2)
      .pipe(inner)
      .subscribe((answer) => answers.push(answer));
    expect(answers).toEqual([4, 8]);

    const { steps } = await execute(chain('outer', plus(1), inner), 1);
    expect([...steps].map(({ stepId, status }) => `${stepId} ${status}`)).toEqual([
      'plus 1 COMPLETED',
      'inner COMPLETED',
      'inner/double COMPLETED',
      'inner/double[1] COMPLETED',
    ]);
  });

  it('does not care how it is nested', async () => {
    const links: Agent<number, number>[] = [plus(1), double, plus(5)];
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: -1000, max: 1000 }),
        fc.array(fc.nat({ max: 2 }), { minLength: 2, maxLength: 8 }),
        fc.nat(),
        async (x, picks, at) => {
          const all = picks.map((pick) => links[pick]!);
          const cut = 1 + (at % (all.length - 1));
          const flat = await execute(chain('flat', ...all), x);
          const nested = await execute(
            chain('nested', chain('left', ...all.slice(0, cut)), chain('right', ...all.slice(cut))),
            x,
          );
          expect(nested.output).toBe(flat.output);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('runs 10,000 links without overflow and without silence, also from a deep stack', () => {
    const long = chain('long', ...Array.from({ length: 10_000 }, () => plus(1)));
    const fromDepth = (depth: number): ReturnType<typeof collect> =>
      depth === 0 ? collect(run(long, 0)) : fromDepth(depth - 1);

    const { events, ended } = fromDepth(4_000);

    expect(ended).toBe('complete');
    expect(events).toHaveLength(20_002);
    expect(events.at(-1)).toMatchObject({ type: 'run.completed', output: 10_000 });
  });

  it('refuses to be empty, and links that are no operators', () => {
    expect(() => chain('empty')).toThrow('Cannot define "empty": a chain needs at least one agent');
    expect(() => chain('wrong', 5 as never)).toThrow('link 0 must be an agent or an operator, got number');
  });

  it('refuses structures that stand in each other too deep, when they are defined', () => {
    let nested: Agent<number, number> = chain('c', double);
    expect(() => {
      for (let depth = 0; depth < 300; depth += 1) nested = chain('c', nested);
    }).toThrow(expect.objectContaining({ name: 'DefinitionError' }));
  });
});
