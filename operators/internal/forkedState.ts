import { asyncScheduler } from 'rxjs';

import type { Failure } from '../../lib/model/failure';
import type { RunState } from '../../lib/model/state';
import type { StepResult } from '../../lib/model/stepResult';
import { pendingStep } from '../../lib/model/stepResult';
import { StepTable } from '../../lib/model/stepTable';
import { UnknownStepError } from '../unknownStepError';
import { stepsFrom } from './stepsFrom';

/** What is new about a forked run. */
export interface ForkedFrom {
  readonly runId: string;
  /** Path of the first step that runs again. */
  readonly from: string;
  /** The input of the run from now on; the same when left out. */
  readonly input?: unknown;
}

/**
 * A run that stands where another one stood before a step, for the next life to go on from: that step, what is above and below
 * it, and what was made from it are PENDING.
 *
 * @throws UnknownStepError
 */
export function forkedState(state: RunState, { runId, from, ...rest }: ForkedFrom): RunState {
  if (state.steps.get(from) === undefined) throw new UnknownStepError(state.runId, from);
  const again = stepsFrom(state, from);
  const now = asyncScheduler.now();
  const { output: _output, error: _error, ...kept } = state;
  return Object.freeze({
    ...kept,
    runId,
    status: 'CANCELLED',
    input: 'input' in rest ? rest.input : state.input,
    steps: StepTable.of(
      [...state.steps].map((step) =>
        again.has(step.stepId) || step.status === 'RUNNING' || isOnWayTo(state.error, step)
          ? pendingStep(step.stepId, step.agent)
          : step,
      ),
    ),
    startedAt: now,
    endedAt: now,
    life: 1,
    forkedFrom: { runId: state.runId, path: from },
  });
}

/** Whether the run failed because of this step: it is tried again, as in any run that is resumed. */
function isOnWayTo(error: Failure | undefined, { stepId, status }: StepResult): boolean {
  if (status !== 'FAILED' || error?.path === undefined) return false;
  return error.path === stepId || error.path.startsWith(`${stepId}/`) || error.path.startsWith(`${stepId}[`);
}
