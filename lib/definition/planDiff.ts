import { isDeepStrictEqual } from 'node:util';

import type { Plan, PlanDiff, PlanStep } from '../model/plan';

/** How the plan of a saved run differs from the plan of the definition at hand; undefined when it does not. */
export function planDiff(saved: Plan, actual: Plan): PlanDiff | undefined {
  if (saved === actual) return undefined;
  const before = new Map(saved.map((step) => [step.path, step]));
  const after = new Map(actual.map((step) => [step.path, step]));
  const diff = {
    added: actual.filter(({ path }) => !before.has(path)).map(({ path }) => path),
    removed: saved.filter(({ path }) => !after.has(path)).map(({ path }) => path),
    changed: actual.filter((step) => isChanged(before.get(step.path), step)).map(({ path }) => path),
    results: actual
      .filter((step) => givesElse(before.get(step.path), step))
      .map(({ path }) => parentOf(path)),
  };
  return Object.values(diff).every(({ length }) => length === 0) ? undefined : diff;
}

function isChanged(before: PlanStep | undefined, after: PlanStep): boolean {
  return (
    before !== undefined &&
    (before.agent !== after.agent ||
      before.kind !== after.kind ||
      before.version !== after.version ||
      !isDeepStrictEqual([...before.sources], [...after.sources]))
  );
}

/** Runs that were saved before results were part of the plan are taken as unchanged. */
function givesElse(before: PlanStep | undefined, after: PlanStep): boolean {
  return (
    before?.result !== undefined &&
    after.result !== undefined &&
    !isDeepStrictEqual([...before.result], [...after.result])
  );
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
