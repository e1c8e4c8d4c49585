import type { Agent } from '../model/agentType';
import type { TaskPolicy } from './scope';
import type { CompiledSource, Group } from './source';

/** A workflow made ready for running. Steps stand in order of declaration, so every edge points forward. */
export interface Dag {
  readonly steps: readonly DagStep[];
  readonly result: CompiledSource;
  /** Who waits for each step, by the index of the step. In `to`, the index after the last step means the result. */
  readonly dependents: readonly (readonly Dependent[])[];
  /** How many edges and groups each step waits for; the last entry is the result. */
  readonly unmet: readonly number[];
  /** The steps that wait for nothing. */
  readonly roots: readonly number[];
  /** Those of the dependents that read the step live. */
  readonly liveDependents: readonly (readonly Dependent[])[];
  /** By index: whether every way from the step to the result handles a failure, by `settled` or by a quorum. */
  readonly isContained: readonly boolean[];
  /** Whether any step, or the result, reads a quorum. */
  readonly hasGroups: boolean;
}

export interface DagStep {
  readonly id: string;
  readonly agent: Agent<never, unknown>;
  readonly source: CompiledSource;
  readonly policy: TaskPolicy;
}

/** A step, or the result, that waits for another step. */
export interface Dependent {
  readonly to: number;
  readonly mode: 'value' | 'settled' | 'live' | 'group';
  readonly group?: Group;
  readonly member?: number;
}

/** Links each step with those that wait for it. Takes time linear in the number of edges. */
export function dagOf(steps: readonly DagStep[], result: CompiledSource): Dag {
  const dependents: Dependent[][] = steps.map(() => []);
  const unmet: number[] = [];
  [...steps.map((step) => step.source), result].forEach((source, to) => {
    unmet.push(source.edges.length + source.groups.length);
    for (const { from, mode } of source.edges) dependents[from]?.push({ to, mode });
    for (const group of source.groups) {
      group.members.forEach((member, position) => {
        for (const from of member) dependents[from]?.push({ to, mode: 'group', group, member: position });
      });
    }
  });
  return {
    steps: steps.map(
      keeping(new Set([...steps.map((step) => step.source), result].flatMap(({ kept }) => kept))),
    ),
    result,
    dependents,
    unmet,
    roots: steps.flatMap((_step, index) => (unmet[index] === 0 ? [index] : [])),
    liveDependents: dependents.map((all) => all.filter(({ mode }) => mode === 'live')),
    isContained: containment(dependents),
    hasGroups: dependents.some((all) => all.some(({ mode }) => mode === 'group')),
  };
}

/** The partial results of a step are kept where they are read live by somebody who may be resumed. */
function keeping(kept: ReadonlySet<number>): (step: DagStep, index: number) => DagStep {
  return (step, index) =>
    kept.has(index) ? { ...step, policy: { ...step.policy, keepPartials: true } } : step;
}

/**
 * From the last step to the first: a failure is contained when somebody waits for the step and each of them either takes
 * failures as values or is contained itself. The result never is.
 */
function containment(dependents: readonly (readonly Dependent[])[]): readonly boolean[] {
  const isContained = dependents.map(() => false);
  for (let index = dependents.length - 1; index >= 0; index -= 1) {
    const waiting = dependents[index] ?? [];
    isContained[index] =
      waiting.length > 0 &&
      waiting.every(({ to, mode }) => mode === 'settled' || mode === 'group' || isContained[to] === true);
  }
  return isContained;
}
