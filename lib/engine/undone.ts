import type { Plan } from '../model/plan';
import type { Failure } from '../model/failure';
import { isWithinFact } from '../model/openFailures';
import type { StepsByPath } from '../model/stepPath';
import { isWithinAny } from '../model/stepPath';
import type { StepResult } from '../model/stepResult';
import { pendingStep } from '../model/stepResult';
import { StepTable } from '../model/stepTable';
import { pathBelow, quotedKey } from './task';

/** What the names of agents that undo begin with. */
export const UNDO = 'undo ';

/**
 * The id of the step that undoes another one for a saga. It is named after what it undoes, so that it never stands for anything
 * else, whatever else there is to undo in another life or under another definition.
 */
export function undoId(saga: string, undone: string): string {
  return `undo[${quotedKey(saga === '' ? undone : undone.slice(saga.length + 1))}]`;
}

/** The same where an earlier release has begun to undo: it counted in the order of undoing. */
export function formerUndoId(index: number): string {
  return `undo[${String(index)}]`;
}

/**
 * For which saga a step undoes, and what; undefined for any other step. `undone` is unknown where an earlier release has begun it.
 *
 * @param steps - All steps of the run.
 */
export function undoingOf(
  { stepId, agent }: Pick<StepResult, 'stepId' | 'agent'>,
  steps: Pick<StepTable, 'get'>,
): { readonly saga: string; readonly undone?: string } | undefined {
  // An item that somebody called "undo" may have such a path too.
  if (!agent.startsWith(UNDO)) return undefined;
  const [whole, saga = '', key = ''] = /^(?:(.*)\/)?undo\[("(?:[^"\\]|\\.)*"|\d+)\]$/.exec(stepId) ?? [];
  if (whole === undefined) return undefined;
  // A round of a loop called "undo", which has a row itself: a number was the form of an earlier release.
  if (!key.startsWith('"') && steps.get(pathBelow(saga, 'undo')) !== undefined) return undefined;
  return key.startsWith('"') ? { saga, undone: pathBelow(saga, JSON.parse(key) as string) } : { saga };
}

/**
 * Paths of the sagas that have begun to go back: what was done below them does not count as done any more. The empty path is the
 * run itself. One whose failure is contained is left out: nothing is made from it again.
 */
export function undoneSagas(steps: StepTable): readonly string[] {
  const paths = new Set<string>();
  for (const row of steps) {
    const undoing = undoingOf(row, steps);
    if (undoing === undefined || (row.attempts === 0 && row.status === 'PENDING')) continue;
    const { saga } = undoing;
    if (steps.get(saga)?.contained !== true && !isWithinFact(saga, steps)) paths.add(saga);
  }
  return [...paths];
}

/**
 * The first step that a saga has tried and failed to undo, and why; undefined when there is none. A step that an outer saga has undone
 * since counts as undone.
 */
export function failedUndoing(
  steps: StepTable,
): { readonly step: string; readonly failure: Failure } | undefined {
  const sagas = new Set(undoneSagas(steps));
  const failed = new Map<string, Failure>();
  const undone = new Set<string>();
  for (const row of steps) {
    const undoing = undoingOf(row, steps);
    if (undoing === undefined) continue;
    const step = undoing.undone ?? row.stepId;
    if (row.status === 'COMPLETED') undone.add(step);
    else if (row.status === 'FAILED' && row.error !== null && sagas.has(undoing.saga) && !failed.has(step))
      failed.set(step, row.error);
  }
  for (const [step, failure] of failed) if (!undone.has(step)) return { step, failure };
  return undefined;
}

/** Tells whether a path is that of one of these sagas, or below it. */
export function belowSagas(sagas: readonly string[], steps: StepsByPath): (path: string) => boolean {
  const known = new Set(sagas);
  if (known.size === 0) return () => false;
  if (known.has('')) return () => true;
  return (path) => isWithinAny(path, known, steps);
}

/** The same steps, as they stand before any of these sagas has begun: another run does again what was undone. */
export function withoutUndone(steps: StepTable, plan: Plan, sagas: readonly string[]): StepTable {
  if (sagas.length === 0) return steps;
  const planned = new Set(plan.map(({ path }) => path));
  const isBelow = belowSagas(sagas, steps);
  return StepTable.of(
    [...steps].flatMap((step) => {
      const { stepId, agent } = step;
      if (!isBelow(stepId)) return [step];
      return planned.has(stepId) ? [pendingStep(stepId, agent)] : [];
    }),
  );
}
