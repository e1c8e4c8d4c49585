import type { Containment, RunningStep } from '../../lib/definition/scope';
import { givenByOf, passOn } from '../../lib/definition/scope';
import type { SettledFailure } from '../../lib/definition/wire';
import type { Agent } from '../../lib/model/agentType';
import { givenById } from '../../lib/model/givenBy';
import { oneOfForm } from './internal/outputCodec';
import { byAnyId, idsOf, structure } from './internal/structure';

/** What the second agent of a `fallback` gets. */
export interface FallbackInput<I> {
  readonly input: I;
  /** Why the first agent failed: plain data, the same live and after a resume. */
  readonly error: SettledFailure;
}

/**
 * Asks another agent when the first one fails, after all its attempts. Both are steps of their own, so the record
 * shows the failure and the second answer.
 */
export function fallback<I, O, P>(
  name: string,
  agent: Agent<I, O>,
  other: Agent<FallbackInput<I>, P>,
): Agent<I, O | P> {
  const [first, second] = [agent, other] as unknown as readonly [
    Agent<never, unknown>,
    Agent<never, unknown>,
  ];
  const ids = idsOf([first, second]);
  const [firstId = '', secondId = ''] = ids.map(({ id }) => id);
  return structure({
    kind: 'fallback',
    name,
    agents: [
      [firstId, first],
      [secondId, second, ids[1]?.earlierId],
    ],
    form: oneOfForm(byAnyId([first, second], ids)),
    madeWith: [],
    begin(input, scope) {
      const contain = (): Containment => ({ isContained: true });
      let running: RunningStep = scope.step({ id: firstId, agent: first, input, contain }, (answer) => {
        if (answer.kind !== 'failed') {
          passOn(scope, answer, givenById(firstId, givenByOf(answer)));
          return;
        }
        const { name: errorName, message, path = '' } = answer.failure;
        const given = { input, error: { name: errorName, message, path } };
        running = scope.step({ id: secondId, agent: second, input: given }, (last) => {
          if (last.kind === 'failed') scope.fail(last.cause, last.failure);
          else passOn(scope, last, givenById(secondId, givenByOf(last)));
        });
      });
      return () => {
        running.cancel();
      };
    },
  });
}
