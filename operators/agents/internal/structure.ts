import { checkName } from '../../../lib/definition/checks';
import type { Part, StructureDefinition } from '../../../lib/definition/definition';
import { defineAgent, definitionOf, depthOf } from '../../../lib/definition/definition';
import { DefinitionError } from '../../../lib/errors/definitionErrors';
import type { Agent } from '../../../lib/model/agentType';
import { asOperator } from './asOperator';

/** What a structure of agents is made of; the rest of its definition follows from that. */
export interface StructureParts
  extends
    Pick<StructureDefinition, 'kind' | 'begin'>,
    Partial<Pick<StructureDefinition, 'shape' | 'answers'>> {
  readonly name: string;
  /** The agents by the id of their step. */
  readonly agents: readonly (readonly [id: string, agent: Agent<never, unknown>])[];
  readonly output?: StructureDefinition['output'] | undefined;
  readonly form?: StructureDefinition['form'] | undefined;
}

/**
 * Makes an agent of a structure whose steps are only known when it runs.
 *
 * @throws DefinitionError when the name cannot stand in a path, or a part is no agent.
 */
export function structure<I, O>({ name, agents, output, form, ...rest }: StructureParts): Agent<I, O> {
  checkName(name, `the name of the ${rest.kind}`, name);
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
    policy: {},
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
    ...(output !== undefined && { output }),
    ...(form !== undefined && { form }),
  };
  const self: Agent<I, O> = defineAgent<I, O>(
    asOperator(() => self, definition),
    definition,
  );
  return self;
}

/** The first agent of a name bears the name alone, the second `name[1]`. Numbers that another name ends in are left out. */
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
