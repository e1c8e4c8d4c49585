import { checkName } from '../../lib/definition/checks';
import type { RunningStep } from '../../lib/definition/scope';
import { givenByOf, passOn } from '../../lib/definition/scope';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import { NoCaseError } from '../../lib/errors/stepErrors';
import type { Agent, OutputOf } from '../../lib/model/agentType';
import { givenById } from '../../lib/model/givenBy';
import { oneOfForm } from './internal/outputCodec';
import { structure } from './internal/structure';

/** The agents among which a `branch` chooses, by case. */
export type Cases<I> = Readonly<Record<string, Agent<I, unknown>>>;

/**
 * Chooses one of several agents by looking at the input, and gives the output of that agent. The choice is on record: once
 * the chosen step has begun, `select` is not called again.
 *
 * @param select - Names the case. With `otherwise` it may give any text: that agent gets the inputs without a case.
 * @throws DefinitionError when there is no case, or a case is named `otherwise` where that agent is given.
 * @throws NoCaseError (the step fails) when `select` names a case that has no agent.
 *
 * @example
 * ```ts
 * const route = branch('route', (ticket: Ticket) => ticket.kind, { bug: triage, question: reply });
 * ```
 */
export function branch<I, C extends Cases<never>>(
  name: string,
  select: (input: I) => keyof C & string,
  cases: C & Cases<I>,
): Agent<I, OutputOf<C[keyof C]>>;
/** The same, with an agent for inputs without a case. */
export function branch<I, C extends Cases<never>, O>(
  name: string,
  select: (input: I) => string,
  cases: C & Cases<I>,
  otherwise: Agent<I, O>,
): Agent<I, OutputOf<C[keyof C]> | O>;
export function branch(
  name: string,
  select: (input: unknown) => string,
  cases: Cases<never>,
  otherwise?: Agent<never, unknown>,
): Agent<unknown, unknown> {
  const agents = new Map(Object.entries(cases));
  for (const id of agents.keys()) checkName(name, 'the name of a case', id);
  if (agents.size === 0) throw new DefinitionError(name, 'a branch needs at least one case');
  if (otherwise !== undefined) {
    if (agents.has(OTHERWISE))
      throw new DefinitionError(name, 'two agents are for "otherwise"; rename the case');
    agents.set(OTHERWISE, otherwise);
  }
  return structure({
    kind: 'branch',
    name,
    agents: [...agents],
    form: oneOfForm(agents),
    madeWith: [select],
    begin(input, scope) {
      let running: RunningStep | undefined;
      const take = (id: string): void => {
        const agent = agents.get(id);
        if (agent === undefined) {
          scope.fail(new NoCaseError(scope.path, id, [...agents.keys()]));
          return;
        }
        running = scope.step({ id, agent, input }, (answer) => {
          if (answer.kind === 'failed') scope.fail(answer.cause, answer.failure);
          else passOn(scope, answer, givenById(id, givenByOf(answer)));
        });
      };
      const choose = (): string => {
        const selected = select(input);
        return agents.has(selected) || otherwise === undefined ? selected : OTHERWISE;
      };
      const begun = [...agents.keys()].find((id) => scope.recorded(id) !== undefined);
      if (begun === undefined) scope.decide('branch', choose, take);
      else take(begun);
      return () => running?.cancel();
    },
  });
}

const OTHERWISE = 'otherwise';
