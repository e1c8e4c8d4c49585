import { asyncScheduler } from 'rxjs';

import type { Failure } from '../lib/model/failure';
import type { RunState } from '../lib/model/state';
import type { StepResult } from '../lib/model/stepResult';
import { pendingStep } from '../lib/model/stepResult';
import { StepTable } from '../lib/model/stepTable';
import type { Store } from '../lib/store/store';
import { UnknownRunError } from '../lib/store/unknownRunError';
import { newRunId } from './internal/newRunId';
import { stepsFrom } from './internal/stepsFrom';
import { UnknownStepError } from './unknownStepError';

/** Where a run is forked. */
export interface ForkOptions {
  /** Path of the first step that runs again, such as `write` or `pages[3]/ocr`. */
  readonly from: string;
  /** What the steps that run again see as the input of the run; the same input when left out. */
  readonly input?: unknown;
  /** The id of the new run; a new ULID when left out. */
  readonly runId?: string;
}

/**
 * Makes a new run that reuses everything that came before a step of another run, and gives its id; `resume()` carries it on.
 * The old run stays as it is, as evidence.
 *
 * @throws UnknownRunError, UnknownStepError
 * @throws RunExistsError when the new id is taken.
 */
export async function fork(
  store: Pick<Store, 'loadRun' | 'importRun'>,
  runId: string,
  { from, runId: forkId = newRunId(), ...rest }: ForkOptions,
): Promise<string> {
  const state = await store.loadRun(runId);
  if (state === undefined) throw new UnknownRunError(runId);
  if (state.steps.get(from) === undefined) throw new UnknownStepError(runId, from);
  const again = stepsFrom(state, from);
  const now = asyncScheduler.now();
  const { output: _output, error: _error, ...kept } = state;
  const forked: RunState = {
    ...kept,
    runId: forkId,
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
    forkedFrom: { runId, path: from },
  };
  await store.importRun(Object.freeze(forked));
  return forkId;
}

/** Whether the run failed because of this step: it is tried again, as in any run that is resumed. */
function isOnWayTo(error: Failure | undefined, { stepId, status }: StepResult): boolean {
  if (status !== 'FAILED' || error?.path === undefined) return false;
  return error.path === stepId || error.path.startsWith(`${stepId}/`) || error.path.startsWith(`${stepId}[`);
}
