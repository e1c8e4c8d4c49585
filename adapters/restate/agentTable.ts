import type { Definition, FunctionDefinition } from '../../lib/graph/definition';
import { definitionOf, isStructure } from '../../lib/graph/definition';

/**
 * Every agent with a function that a definition consists of, in an order that is the same in every process: so a step can
 * be named by its agent's position when it is called on another worker.
 */
export function agentTable(root: Definition): readonly FunctionDefinition[] {
  return allIn(root).filter((definition): definition is FunctionDefinition => !isStructure(definition));
}

/** Whether what its steps have done may have to be undone. */
export function hasSaga(root: Definition): boolean {
  return allIn(root).some(({ kind }) => kind === 'saga');
}

function allIn(root: Definition): readonly Definition[] {
  const seen = new Set<Definition>();
  const visit = (definition: Definition): void => {
    if (seen.has(definition)) return;
    seen.add(definition);
    if (isStructure(definition))
      for (const { agent } of definition.parts) visit(definitionOf(agent) as Definition);
  };
  visit(root);
  return [...seen];
}
