import type { Definition, FunctionDefinition } from '../definition/definition';
import { definitionOf, isStructure } from '../definition/definition';
import { undoingOf } from './undone';
import { DefinitionError } from '../errors/definitionErrors';
import type { Agent } from '../model/agentType';
import { isWithin, pathsAbove } from '../model/stepPath';
import type { StepResult } from '../model/stepResult';
import type { StepTable } from '../model/stepTable';

/** The agents that can be undone, among these and below them, by name: a run's record names agents by their names. */
export function undoableAgents(
  saga: string,
  agents: readonly Agent<never, unknown>[],
): ReadonlyMap<string, FunctionDefinition> {
  const seen = definitionsBelow(agents.flatMap((agent) => definitionOf(agent) ?? []));
  const byName = new Map<string, FunctionDefinition>();
  for (const definition of seen) {
    if (!isStructure(definition) && definition.compensate !== undefined)
      byName.set(definition.name, definition);
  }
  for (const definition of seen) {
    const other = byName.get(definition.name);
    if (other !== undefined && !isSameWork(other, definition))
      throw new DefinitionError(
        saga,
        `two agents are called "${definition.name}" and one of them can be undone; rename one`,
      );
  }
  return byName;
}

/** The names of the agents at and below this one that can be undone. */
export function undoableNames(root: Definition): ReadonlySet<string> {
  return new Set(
    [...definitionsBelow([root])]
      .filter((one) => !isStructure(one) && one.compensate !== undefined)
      .map(({ name }) => name),
  );
}

/** These and all that they consist of, each once. */
function definitionsBelow(roots: readonly Definition[]): ReadonlySet<Definition> {
  const seen = new Set(roots);
  // What is added on the way is gone through as well.
  for (const definition of seen) {
    if (!isStructure(definition)) continue;
    for (const { agent } of definition.parts) {
      const part = definitionOf(agent);
      if (part !== undefined) seen.add(part);
    }
  }
  return seen;
}

/** An agent with another policy does the same, and is undone the same way. */
function isSameWork(one: FunctionDefinition, other: Definition): boolean {
  return (
    one === other ||
    (!isStructure(other) && one.invoke === other.invoke && one.compensate === other.compensate)
  );
}

/**
 * The steps at and below a path that have to be undone, what was asked for last first.
 *
 * A step always begins after the steps it depends on, whatever the clock says, so it is undone before them. What an inner saga
 * has undone is left alone; what it could not undo, or had not come to, is not.
 */
export function stepsToUndo(
  table: StepTable,
  path: string,
  agents: { has(name: string): boolean },
): readonly StepResult[] {
  const firstMention = new Map<string, number>();
  const undone = new Set<string>();
  const undoneWhole = new Set<string>();
  const found: {
    readonly step: StepResult;
    readonly place: readonly number[];
    /** The paths from the one that is undone down to the step. */
    readonly within: readonly string[];
  }[] = [];
  for (const step of table) {
    const { stepId } = step;
    if (!isWithin(stepId, path, table)) continue;
    const undoing = undoingOf(step, table);
    if (undoing !== undefined) {
      // An earlier release did not say what.
      if (undoing.undone === undefined) undoneWhole.add(undoing.saga);
      else if (step.status === 'COMPLETED') undone.add(undoing.undone);
      continue;
    }
    const within = [stepId, ...pathsAbove(stepId, table)]
      .filter(({ length }) => length >= path.length)
      .reverse();
    const place = within.map((outer) => {
      const known = firstMention.get(outer) ?? firstMention.size;
      firstMention.set(outer, known);
      return known;
    });
    // What another run has done, and only its answer came here, is not this run's to undo.
    const isOwn = step.cached !== true && step.inherited !== true;
    if (step.status === 'COMPLETED' && isOwn && agents.has(step.agent)) found.push({ step, place, within });
  }
  return found
    .filter(({ step, within }) => !undone.has(step.stepId) && !within.some((path) => undoneWhole.has(path)))
    .sort((a, b) => compare(b.place, a.place))
    .map(({ step }) => step);
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
