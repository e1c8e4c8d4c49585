import { pathsAbove } from './stepPath';
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
    (row) => row.status === 'FAILED' && !isFact(row) && !isWithinFact(row.stepId, steps),
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
  return pathsAbove(path, steps).some((above) => isFact(steps.get(above)));
}

/** Whether a step has ended, or has failed and is contained. */
export function isFact(row: StepResult | undefined): boolean {
  return (
    row?.status === 'COMPLETED' ||
    row?.status === 'SKIPPED' ||
    (row?.status === 'FAILED' && row.contained === true)
  );
}
