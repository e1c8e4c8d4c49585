import type { Engine } from '../../lib/graph/engine';
import type { StepResult } from '../../lib/model/stepResult';
import type { StepTable } from '../../lib/model/stepTable';

/** What earlier lives, or what happened earlier in this one, have left of the steps of a run. */
export interface StepsOnRecord {
  at(path: string): StepResult | undefined;
  /** The same for a step that has begun; undefined for any other. */
  begun(path: string): StepResult | undefined;
  /** The paths of the steps below this one that have begun. */
  begunBelow(path: string): string[];
  hasStepsBelow(path: string): boolean;
  /** Reads the record again: what has happened in this life belongs to it from here on. */
  renew(): void;
}

/** @param known - The steps as the life found them; undefined when the run is new. */
export function stepsOnRecord(engine: Pick<Engine, 'steps'>, known: StepTable | undefined): StepsOnRecord {
  let steps = known;
  return {
    at: (path) => steps?.get(path),
    begun(path) {
      const row = steps?.get(path);
      return row === undefined || isUntouched(row) ? undefined : row;
    },
    begunBelow: (path) =>
      [...(steps ?? [])].flatMap((step) =>
        step.stepId !== path && isBelow(step.stepId, path) && !isUntouched(step) ? [step.stepId] : [],
      ),
    hasStepsBelow(path) {
      for (const { stepId } of steps ?? []) if (stepId.startsWith(`${path}/`)) return true;
      return false;
    },
    renew() {
      steps = engine.steps();
    },
  };
}

/** `pages[3]/ocr` is below `pages`, `pages2` is not. */
function isBelow(path: string, above: string): boolean {
  return path.startsWith(above) && (path[above.length] === '/' || path[above.length] === '[');
}

function isUntouched({ status, attempts }: StepResult): boolean {
  return status === 'PENDING' && attempts === 0;
}
