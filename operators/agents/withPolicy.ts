import { policyOf } from '../../lib/definition/checks';
import type { Definition, ModelWork } from '../../lib/definition/definition';
import { definitionOf, isContainer } from '../../lib/definition/definition';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import type { Agent, AgentPolicy } from '../../lib/model/agentType';
import type { SharedOptions } from '../../lib/model/shared';
import { agentFrom } from './internal/asOperator';
import { sharedDefinition } from './internal/sharedDefinition';

// The defaults: an agent made on the spot is inferred last, and would be blamed for a wrong option.
/**
 * The same agent under another policy: retries, time, limit, cache, for every kind of agent, chains and branches too. What is given
 * here wins over what the agent has, field by field; what is given at a step wins over both. The agent itself stays as it is.
 *
 * Policies are not part of the plan: a run that has begun may be resumed with another one. `version` is: any kind of agent may have
 * one, for the functions that it was made of, such as the `choose` of a branch.
 *
 * `shared` gives its steps a state of their own, as it does for a `workflow`; only for agents that run several steps.
 *
 * @throws DefinitionError for what this kind of agent cannot honour: `idleTimeoutMs` where it does not stream by itself, `retry` of
 * a saga.
 *
 * @example
 * ```ts
 * const patient = withPolicy(chain('report', read, write), { retry: 2, timeoutMs: 60_000 });
 * ```
 */
export function withPolicy<I = never, O = unknown, P = unknown, S = unknown, H = unknown, A = never>(
  agent: Agent<I, O, P, S>,
  policy: AgentPolicy<NoInfer<I>> & { readonly shared?: SharedOptions<H, A> },
): Agent<I, O, P, S> {
  const definition = definitionOf(agent);
  if (definition === undefined) {
    const what = `withPolicy() needs an agent, got ${typeof agent}; make one with agent()`;
    throw new DefinitionError(typeof agent === 'function' ? agent.name : 'withPolicy', what);
  }
  const { shared, ...rest } = (policy as typeof policy | null) ?? {};
  const given = policyOf(definition.kind, definition.name, shared === undefined ? policy : rest);
  if (shared !== undefined && !isContainer(definition))
    throw new DefinitionError(definition.name, 'only what runs several steps has a state that they share');
  return agentFrom({
    ...definition,
    ...given,
    policy: { ...definition.policy, ...given.policy },
    ...(shared !== undefined && { shared: sharedDefinition(definition.name, shared) }),
  });
}

/** The same agent, known to tracing as what it does. */
export function tracedAs<A extends Agent<never, unknown>>(agent: A, does: ModelWork): A {
  return agentFrom({ ...(definitionOf(agent) as Definition), does }) as unknown as A;
}

/**
 * The same agent, whose cached answers are only for agents that were made with the same.
 *
 * @param what - Such as the address of a server; null where it cannot be told.
 * @throws DefinitionError where it cannot be told, and its answers are cached without a key or a version.
 */
export function madeWith<A extends Agent<never, unknown>>(agent: A, what: unknown): A {
  const definition = definitionOf(agent) as Definition;
  const made = what === null ? null : [...(definition.madeWith ?? []), what];
  return agentFrom({ ...definition, madeWith: made }) as unknown as A;
}
