import { expectTypeOf } from 'expect-type';

import type { Agent, StepContext, Wire } from '../../index';
import { agent, chain, each, withPolicy, workflow } from '../../index';

interface Board {
  readonly found: readonly string[];
  readonly count: number;
}

const initial: Board = { found: [], count: 0 };

describe('the types of a shared state', () => {
  it('come from its initial value, in functions on the spot', () => {
    workflow(
      'survey',
      (input: Wire<string>, step) =>
        step(
          'ask',
          (text: string, context) => {
            expectTypeOf(context.shared.found).toEqualTypeOf<readonly string[]>();
            context.update((draft) => {
              draft.found.push(text);
              draft.count += 1;
              // @ts-expect-error -- no such field
              draft.other = 1;
            });
            // @ts-expect-error -- there is no reduce
            context.update({ text });
            // @ts-expect-error -- it is frozen
            context.shared.count = 1;
            // @ts-expect-error -- gives what is no state
            context.update((draft) => draft.found.push(text));
          },
          input,
        ),
      { shared: { initial: { found: [] as string[], count: 0 } } },
    );
  });

  it('are asked for by agents, and a workflow with another state is refused', () => {
    const note = agent('note', (text: string, context: StepContext<Board>) => {
      context.update((draft) => void draft.found.push(text));
    });
    const counting = agent('counting', (_: string, context: StepContext<{ readonly count: number }>) => {
      context.update((draft) => {
        draft.count += 1;
      });
    });
    const plain = agent('plain', (text: string, context) => {
      expectTypeOf(context.shared).toEqualTypeOf<unknown>();
      return text;
    });

    expectTypeOf(note).toEqualTypeOf<Agent<string, void, unknown, Board>>();
    expectTypeOf(plain).toEqualTypeOf<Agent<string, string>>();
    workflow(
      'fits',
      (input: Wire<string>, step) => [
        step('note', note, input),
        step('counting', counting, input),
        step('plain', plain, input),
        step('chained', chain('chained', plain, note), input),
      ],
      { shared: { initial } },
    );
    workflow(
      'other',
      (input: Wire<string>, step) => [
        // @ts-expect-error -- its state has no such list
        step('note', note, input),
        step('counting', counting, input),
      ],
      { shared: { initial: { count: 0 } } },
    );
    // A workflow without one may stand in another one that has it.
    workflow('inner', (input: Wire<string>, step) => step('note', note, input));
    withPolicy(each('all', note), { shared: { initial } });
  });

  it('of what `reduce` takes come from there', () => {
    interface Action {
      readonly add: string;
    }
    workflow(
      'reduced',
      (input: Wire<string>, step) =>
        step(
          'add',
          (text: string, context) => {
            context.update({ add: text });
            // @ts-expect-error -- no such action
            context.update({ remove: text });
          },
          input,
        ),
      {
        shared: {
          initial: { list: [] as string[] },
          reduce: (draft: { list: string[] }, { add }: Action) => void draft.list.push(add),
        },
      },
    );
    agent('add', (text: string, context: StepContext<{ readonly list: readonly string[] }, Action>) => {
      context.update({ add: text });
      // @ts-expect-error -- no such action
      context.update({ remove: text });
    });
  });
});
