import type { FailureReader } from '../../definition/scope';
import { isFact } from '../../model/openFailures';
import { isWithin, isWithinAny, pathsAbove } from '../../model/stepPath';
import type { StepResult } from '../../model/stepResult';
import type { StepTable } from '../../model/stepTable';
import type { FailedStep, StepTask } from '../task';
import { pathOfPart } from '../task';

/**
 * When a step above this one is tried again, so is this one.
 *
 * @param isEarlier - It has failed in an earlier life, and what failed below it has not been asked for in this one.
 */
export function noteFailure({ path, parent, readers }: StepTask, isEarlier = false): void {
  const failed: FailedStep = {
    path,
    readers: readers && parent && readersBelow(parent, readers),
    isEarlier,
  };
  for (let above = parent; above !== undefined; above = above.parent) (above.failedBelow ??= []).push(failed);
}

/** Keeps nothing of the run alive. */
function readersBelow(
  { path, definition, ids }: StepTask,
  readers: () => readonly FailureReader[],
): FailedStep['readers'] {
  const pathOf = (id: string): string => pathOfPart({ path, definition, ids }, id);
  return () => readers().map(({ id, past }) => ({ id: pathOf(id), past: past.map(pathOf) }));
}

/** What has failed in a step before it completed is a fact: another attempt at a step above does not open it. */
export function forgetFailures({ path, parent }: StepTask, steps: () => StepTable): void {
  let rows: StepTable | undefined;
  for (let above = parent; above !== undefined; above = above.parent) {
    if (above.failedBelow === undefined) continue;
    const known = (rows ??= steps());
    const others = above.failedBelow.filter((failed) => !isWithin(failed.path, path, known));
    above.failedBelow = others.length === 0 ? undefined : others;
  }
}

/**
 * Paths of what has failed below a step and is tried again with it. A contained failure stays a fact where a step that has gone on from it
 * has ended, or has something below it that has, or that is bound to its input: that would go on telling of a failure that has been mended.
 */
export function openBelow(
  { failedBelow = [] }: Pick<StepTask, 'failedBelow'>,
  steps: () => StepTable,
): readonly string[] {
  const paths = failedBelow.map(({ path }) => path);
  if (!failedBelow.some(({ readers, isEarlier }) => isEarlier || readers !== undefined)) return paths;
  const rows = steps();
  const earlier = failedBelow.flatMap(({ path, isEarlier }) => (isEarlier ? [path] : []));
  paths.push(...openWithin(new Set(earlier), rows));
  const facts = new Set<string>();
  const done = pathsOfDone(rows);
  // Whoever fails because of a failure fails later.
  for (const { path, readers } of failedBelow.slice().reverse()) {
    if (rows.get(path)?.contained !== true) continue;
    const isRead = readers?.().some(
      ({ id, past }) => (facts.has(id) || done.has(id)) && !past.some((quorum) => hasEnded(rows.get(quorum))),
    );
    if (isRead === true) facts.add(path);
  }
  return facts.size === 0 ? paths : paths.filter((path) => !isWithinAny(path, facts, rows));
}

/** Paths of what failed below these steps in an earlier life, and would be tried again by a resume if the steps themselves were. */
function openWithin(failed: ReadonlySet<string>, rows: StepTable): readonly string[] {
  if (failed.size === 0) return [];
  const isOpen = (path: string): boolean => {
    for (const above of pathsAbove(path, rows)) {
      if (failed.has(above)) return true;
      if (isFact(rows.get(above))) return false;
    }
    return false;
  };
  return [...rows].flatMap((row) =>
    row.status === 'FAILED' && !isFact(row) && !failed.has(row.stepId) && isOpen(row.stepId)
      ? [row.stepId]
      : [],
  );
}

/** The paths of steps that have ended, and of all above what has ended or has been called with an input that must not change. */
function pathsOfDone(rows: StepTable): ReadonlySet<string> {
  const paths = new Set<string>();
  for (const row of rows) {
    const { stepId, inputHash } = row;
    const isDone = hasEnded(row);
    if (isDone) paths.add(stepId);
    if (!isDone && inputHash === undefined) continue;
    for (const above of pathsAbove(stepId, rows)) paths.add(above);
  }
  return paths;
}

function hasEnded(row: StepResult | undefined): boolean {
  return row?.status === 'COMPLETED' || (row?.status === 'SKIPPED' && row.abandoned !== true);
}
