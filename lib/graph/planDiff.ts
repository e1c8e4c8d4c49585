import { isDeepStrictEqual } from 'node:util';

import type { Plan, PlanStep } from '../model/plan';

/** How two plans differ. */
export interface PlanDiff {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Same path, but another agent, another kind or other sources. */
  readonly changed: readonly string[];
}

/** How the plan of a saved run differs from the plan of the definition at hand; undefined when it does not. */
export function planDiff(saved: Plan, actual: Plan): PlanDiff | undefined {
  if (saved === actual) return undefined;
  const before = new Map(saved.map((step) => [step.path, step]));
  const after = new Map(actual.map((step) => [step.path, step]));
  const diff = {
    added: actual.filter(({ path }) => !before.has(path)).map(({ path }) => path),
    removed: saved.filter(({ path }) => !after.has(path)).map(({ path }) => path),
    changed: actual.filter((step) => isChanged(before.get(step.path), step)).map(({ path }) => path),
  };
  return diff.added.length + diff.removed.length + diff.changed.length === 0 ? undefined : diff;
}

function isChanged(before: PlanStep | undefined, after: PlanStep): boolean {
  return (
    before !== undefined &&
    (before.agent !== after.agent ||
      before.kind !== after.kind ||
      !isDeepStrictEqual([...before.sources], [...after.sources]))
  );
}
