import type { StepResult } from './stepResult';
import type { StepTable } from './stepTable';

/**
 * The failed steps that a resume tries again: all of them, however many had failed, except those that are contained, by
 * themselves or within something that has ended or is contained.
 *
 * Decided by the rows alone, because a fork and a restored snapshot have no definition at hand.
 */
export function openFailures(steps: StepTable): readonly StepResult[] {
  return [...steps].filter(
    (row) => row.status === 'FAILED' && row.contained !== true && !isWithinFact(row.stepId, steps),
  );
}

/** Paths of those among them where a failure began, not those that failed because of one. */
export function openOrigins(steps: StepTable): readonly string[] {
  return openFailures(steps).flatMap(({ stepId, error }) =>
    error?.path === undefined || error.path === stepId ? [stepId] : [],
  );
}

/** Whether something above a path has ended, or has failed and is contained: nothing below it is tried again. */
export function isWithinFact(path: string, steps: StepTable): boolean {
  for (let end = 1; end < path.length; end += 1) {
    if (path[end] !== '/' && (path[end] !== '[' || isRepeat(path, end, steps))) continue;
    const above = steps.get(path.slice(0, end));
    if (above === undefined) continue;
    const { status, contained } = above;
    if (status === 'COMPLETED' || status === 'SKIPPED' || (status === 'FAILED' && contained === true))
      return true;
  }
  return false;
}

/**
 * Whether `trim[1]` is the second link of that name and not something below `trim`: rounds and items begin with `trim[0]`.
 *
 * @param bracket - Where the bracket stands.
 */
function isRepeat(path: string, bracket: number, steps: StepTable): boolean {
  const close = path.indexOf(']', bracket);
  if (!/^[1-9]\d*$/.test(path.slice(bracket + 1, close))) return false;
  const first = `${path.slice(0, bracket)}[0]`;
  const [, item] = /^\/([^/[]+)/.exec(path.slice(close + 1)) ?? [];
  return (
    steps.get(first) === undefined && (item === undefined || steps.get(`${first}/${item}`) === undefined)
  );
}
