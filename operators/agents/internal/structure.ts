import { checkName, policyOf } from '../../../lib/definition/checks';
import type { Part, StructureDefinition } from '../../../lib/definition/definition';
import { definitionOf, depthOf } from '../../../lib/definition/definition';
import { DefinitionError } from '../../../lib/errors/definitionErrors';
import type { Agent, AgentPolicy } from '../../../lib/model/agentType';
import { agentFrom } from './asOperator';

/** What a structure of agents is made of; the rest of its definition follows from that. */
export interface StructureParts
  extends
    Pick<StructureDefinition, 'kind' | 'begin'>,
    Partial<Pick<StructureDefinition, 'shape' | 'answers' | 'takes'>> {
  readonly name: string;
  /** The agents by the id of their step. */
  readonly agents: readonly (readonly [id: string, agent: Agent<never, unknown>])[];
  /** How the whole is carried out; its constructor takes it among its options. */
  readonly policy?: AgentPolicy<never>;
  readonly output?: StructureDefinition['output'] | undefined;
  readonly form?: StructureDefinition['form'] | undefined;
}

/**
 * Makes an agent of a structure whose steps are only known when it runs.
 *
 * @throws DefinitionError when the name cannot stand in a path, a part is no agent, or a policy cannot be honoured.
 */
export function structure<I, O>(parts: StructureParts): Agent<I, O> {
  const { name, agents, policy: given = {}, output, form, ...rest } = parts;
  checkName(name, `the name of the ${rest.kind}`, name);
  const { policy, version } = policyOf(rest.kind, name, given);
  for (const [id, agent] of agents) {
    if (definitionOf(agent) === undefined) {
      throw new DefinitionError(
        name,
        `its part "${id}" must be an agent, got ${typeof agent}; make one with agent()`,
      );
    }
  }
  const definition: StructureDefinition = {
    shape: 'alternatives',
    ...rest,
    name,
    policy,
    depth: depthOf(
      name,
      agents.map(([, agent]) => agent),
    ),
    parts: agents.map(([id, agent]): Part => ({
      id,
      agent,
      sources: ['input'],
      isPlanned: false,
      isConditional: false,
    })),
    ...(version !== undefined && { version }),
    ...(output !== undefined && { output }),
    ...(form !== undefined && { form }),
  };
  return agentFrom(definition);
}

/** The first agent of a name gets that name as its id, the second `name[1]`. A number is skipped when another name ends in it. */
export function idsOf(agents: readonly { readonly name: string }[]): readonly string[] {
  const taken = new Set(agents.map(({ name }) => name));
  const seen = new Map<string, number>();
  return agents.map(({ name }) => {
    let count = seen.get(name) ?? 0;
    let id = count === 0 ? name : `${name}[${String(count)}]`;
    while (count > 0 && taken.has(id)) id = `${name}[${String((count += 1))}]`;
    taken.add(id);
    seen.set(name, count + 1);
    return id;
  });
}
