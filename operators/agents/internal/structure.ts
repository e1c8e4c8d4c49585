import { checkName, policyOf } from '../../../lib/definition/checks';
import type { Part, StructureDefinition } from '../../../lib/definition/definition';
import { definitionOf, depthOf } from '../../../lib/definition/definition';
import { DefinitionError } from '../../../lib/errors/definitionErrors';
import type { Agent, AgentPolicy } from '../../../lib/model/agentType';
import { agentFrom } from './asOperator';

/** What a structure of agents is made of; the rest of its definition follows from that. */
export interface StructureParts
  extends
    Pick<StructureDefinition, 'kind' | 'begin' | 'madeWith'>,
    Partial<Pick<StructureDefinition, 'shape' | 'answers' | 'takes'>> {
  readonly name: string;
  /** The agents by the id of their step; in runs of earlier releases that may be another one. */
  readonly agents: readonly (readonly [
    id: string,
    agent: Agent<never, unknown>,
    earlierId?: string | undefined,
  ])[];
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
    parts: agents.map(([id, agent, earlierId]): Part => ({
      id,
      ...(earlierId !== undefined && { earlierId }),
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

/** The ids of agents that stand side by side, in their order. */
export type StepIds = readonly Pick<Part, 'id' | 'earlierId'>[];

/**
 * The first agent of a name gets that name as its id, the second `name[1]`. A number is skipped when another name ends in it.
 *
 * Beside an agent whose own rounds or items are called so, the second is `name#2`: no round and no item can be. Runs that began when
 * it was `name[1]` in any case keep that.
 */
export function idsOf(agents: readonly Agent<never, unknown>[]): StepIds {
  const counted = new Set(
    agents.flatMap((agent) => {
      const kind = definitionOf(agent)?.kind;
      return kind === 'loop' || kind === 'each' ? [agent.name] : [];
    }),
  );
  const taken = new Set(agents.map(({ name }) => name));
  return bracketIds(agents).map((earlierId) => {
    const [, name = '', count = ''] = /^(.*)\[(\d+)\]$/s.exec(earlierId) ?? [];
    if (!counted.has(name)) return { id: earlierId };
    let number = Number(count) + 1;
    while (taken.has(`${name}#${String(number)}`)) number += 1;
    const id = `${name}#${String(number)}`;
    taken.add(id);
    return { id, earlierId };
  });
}

function bracketIds(agents: readonly { readonly name: string }[]): readonly string[] {
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

/** Agents by the id of their step, and by the id that it has in earlier runs, where that is another one. */
export function byAnyId<A>(agents: readonly A[], ids: StepIds): (readonly [id: string, agent: A])[] {
  const own = agents.map((agent, index) => [(ids[index] as Part).id, agent] as const);
  const earlier = agents.flatMap((agent, index) => {
    const { earlierId } = ids[index] as Part;
    return earlierId === undefined ? [] : [[earlierId, agent] as const];
  });
  return [...own, ...earlier];
}
