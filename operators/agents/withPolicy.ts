import { policyOf } from '../../lib/definition/checks';
import { definitionOf } from '../../lib/definition/definition';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import type { Agent, AgentPolicy } from '../../lib/model/agentType';
import { agentFrom } from './internal/asOperator';

/**
 * The same agent under another policy: retries, time, limit, cache, for every kind of agent, chains and branches too. What is given
 * here wins over what the agent has, field by field; what is given at a step wins over both. The agent itself stays as it is.
 *
 * Policies are not part of the plan: a run that has begun may be resumed with another one. `version` is: any kind of agent may have
 * one, for the functions that it was made of, such as the `choose` of a branch.
 *
 * @throws DefinitionError for what this kind of agent cannot honour: `idleTimeoutMs` where it does not stream by itself, `retry` of
 * a saga.
 *
 * @example
 * ```ts
 * const patient = withPolicy(chain('report', read, write), { retry: 2, timeoutMs: 60_000 });
 * ```
 */
export function withPolicy<I, O, P>(agent: Agent<I, O, P>, policy: AgentPolicy<NoInfer<I>>): Agent<I, O, P> {
  const definition = definitionOf(agent);
  if (definition === undefined) {
    const what = `withPolicy() needs an agent, got ${typeof agent}; make one with agent()`;
    throw new DefinitionError(typeof agent === 'function' ? agent.name : 'withPolicy', what);
  }
  const given = policyOf(definition.kind, definition.name, policy);
  return agentFrom({ ...definition, ...given, policy: { ...definition.policy, ...given.policy } });
}
