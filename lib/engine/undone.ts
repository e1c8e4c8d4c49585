import { isWithinFact } from '../model/openFailures';
import type { Plan } from '../model/plan';
import { pendingStep } from '../model/stepResult';
import { StepTable } from '../model/stepTable';

/**
 * Paths of the sagas that have begun to go back: what was done below them does not count as done any more. The empty path is the
 * run itself. One whose failure is contained is left out: nothing is made from it again.
 */
export function undoneSagas(steps: StepTable): readonly string[] {
  const paths = new Set<string>();
  for (const { stepId, agent, attempts, status } of steps) {
    const [whole, above] = /^(?:(.*)\/)?undo\[\d+\]$/.exec(stepId) ?? [];
    if (whole === undefined || !agent.startsWith('undo ')) continue;
    if (attempts === 0 && status === 'PENDING') continue;
    const saga = above ?? '';
    if (steps.get(saga)?.contained !== true && !isWithinFact(saga, steps)) paths.add(saga);
  }
  return [...paths];
}

/** The same steps, as they stand before any of these sagas has begun: another run does again what was undone. */
export function withoutUndone(steps: StepTable, plan: Plan, sagas: readonly string[]): StepTable {
  if (sagas.length === 0) return steps;
  const planned = new Set(plan.map(({ path }) => path));
  const isBelow = (path: string): boolean =>
    sagas.some(
      (saga) => saga === '' || path === saga || path.startsWith(`${saga}/`) || path.startsWith(`${saga}[`),
    );
  return StepTable.of(
    [...steps].flatMap((step) => {
      const { stepId, agent } = step;
      if (!isBelow(stepId)) return [step];
      return planned.has(stepId) ? [pendingStep(stepId, agent)] : [];
    }),
  );
}
