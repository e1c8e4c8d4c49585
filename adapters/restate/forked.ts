import type { Plan } from '../../lib/model/plan';
import type { RunState } from '../../lib/model/state';
import { pendingStep } from '../../lib/model/stepResult';
import { StepTable } from '../../lib/model/stepTable';
import { downstream } from '../../operators/engineKit';

/** A new run that stands where another one stood before a step: that step and all that depends on it are to be done again. */
export function forked<O>(state: RunState<O>, runId: string, from: string, plan: Plan): RunState {
  if (state.steps.get(from) === undefined) {
    throw new TypeError(`Cannot fork run "${state.runId}" from step "${from}": it has no such step`);
  }
  const dropped = new Set(
    downstream(plan, { added: [], removed: [], changed: [from], results: [] }, false, state.steps),
  );
  const steps = [...state.steps].map((row) =>
    dropped.has(row.stepId) ? pendingStep(row.stepId, row.agent) : row,
  );
  const { output: _output, error: _error, endedAt: _endedAt, ...rest } = state;
  return {
    ...rest,
    runId,
    status: 'CANCELLED',
    steps: StepTable.of(steps),
    life: 0,
    seq: 0,
    forkedFrom: { runId: state.runId, path: from },
  };
}
