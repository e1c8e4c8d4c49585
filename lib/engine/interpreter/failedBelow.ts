import type { StepTable } from '../../model/stepTable';
import type { FailedStep, StepTask } from '../task';
import { isBelow } from './priorSteps';

/** When a step above this one is tried again, so is this one. */
export function noteFailure({ path, parent, keepsFailure: isKept }: StepTask): void {
  const failed: FailedStep = { path, isKept };
  for (let above = parent; above !== undefined; above = above.parent) (above.failedBelow ??= []).push(failed);
}

/** What has failed in a step before it completed is a fact: another attempt at a step above does not open it. */
export function forgetFailures({ path, parent }: StepTask): void {
  for (let above = parent; above !== undefined; above = above.parent) {
    const others = above.failedBelow?.filter((failed) => failed.path !== path && !isBelow(failed.path, path));
    above.failedBelow = others?.length === 0 ? undefined : others;
  }
}

/** Paths of what has failed below a step and is tried again with it. */
export function openBelow(
  { failedBelow = [] }: Pick<StepTask, 'failedBelow'>,
  steps: () => StepTable,
): readonly string[] {
  const paths = failedBelow.map(({ path }) => path);
  if (!failedBelow.some(({ isKept }) => isKept)) return paths;
  const rows = steps();
  const facts = new Set(
    failedBelow.flatMap(({ path, isKept }) => (isKept && rows.get(path)?.contained === true ? [path] : [])),
  );
  return facts.size === 0 ? paths : paths.filter((path) => !isAtOrBelow(path, facts));
}

function isAtOrBelow(path: string, others: ReadonlySet<string>): boolean {
  for (let end = 1; end < path.length; end += 1)
    if ((path[end] === '/' || path[end] === '[') && others.has(path.slice(0, end))) return true;
  return others.has(path);
}
