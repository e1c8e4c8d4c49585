import { mermaidOf } from '../../../cli/view/planMermaid';
import { agent, chain, each, execute, firstOf, loop } from '../../../index';
import { graphSvg } from '../../../inspector/graphSvg';
import type { StepNode } from '../../../lib/history/stepTree';
import { treeOfSteps } from '../../../lib/history/stepTree';

const more = agent('more', (n: number) => n + 1);
const twice = chain('twice', more, more, loop('until three', more, { until: (n) => n >= 5, max: 9 }));

const named = ({ name, steps }: StepNode): unknown => (steps.length === 0 ? name : [name, steps.map(named)]);

describe('two steps of one name', () => {
  it('stand beside each other in the tree of a run; rounds and items stay below', async () => {
    const { steps } = await execute(twice, 1);
    expect(named(treeOfSteps(steps))).toEqual(['', ['more', 'more[1]', ['until three', ['[0]', '[1]']]]]);

    const race = firstOf('race', chain('pay', more, more), chain('pay', more));
    const all = each('all', chain('item', more, more), { concurrency: 1 });
    const { steps: below } = await execute(
      chain(
        'both',
        race,
        agent('two', () => [1, 2]),
        all,
      ),
      1,
    );
    expect(named(treeOfSteps(below))).toEqual([
      '',
      [
        [
          'race',
          [
            ['pay', ['more', 'more[1]']],
            ['pay[1]', ['more']],
          ],
        ],
        'two',
        ['all', ['[0]', '[1]'].map((item) => [item, [['item', ['more', 'more[1]']]]])],
      ],
    ]);
  });

  it('are not counted as one in the other in a picture of the run', async () => {
    const state = await execute(twice, 1);
    const mermaid = mermaidOf(state.plan, state);
    expect(mermaid).toContain('["more"]');
    expect(mermaid).toContain('["until three 2/2"]');
    const svg = graphSvg(state.plan, state);
    expect(svg).toContain('<title>more, COMPLETED</title>');
    expect(svg).toContain('<title>until three, COMPLETED, 2/2</title>');
  });
});
