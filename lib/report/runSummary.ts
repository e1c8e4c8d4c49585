import { formatSeconds } from '../metrics/figures';
import type { RunState } from '../model/state';
import { workedSeconds } from '../model/state';
import type { StepResult } from '../model/stepResult';
import { columns, printable } from './columns';

/**
 * A run and its steps as text to read: name, state, and for each step status, duration, attempts and error; no line feed at
 * the end. Works for a run that has not begun, too.
 *
 * @param state - A state that holds thousands of steps gives thousands of lines.
 */
export function runSummary(state: RunState): string {
  const rows = [...state.steps].map(rowOf);
  return [headOf(state), ...columns(rows).map((line) => `  ${line}`)].join('\n');
}

function headOf(state: RunState): string {
  const parts = [`${printable(state.name)}: ${state.status}`, `run ${printable(state.runId)}`];
  if (state.endedAt !== undefined) parts.push(timeText(state, (state.endedAt - state.startedAt) / 1_000));
  if (state.life > 1) parts.push(`life ${state.life}`);
  if (state.error !== undefined) {
    const where = state.error.path === undefined ? '' : ` at ${printable(state.error.path)}`;
    parts.push(`failed${where}: ${printable(state.error.message)}`);
  }
  return parts.join('  ');
}

/** The time at work, and also the time since the start when the run rested between its lives. */
function timeText(state: RunState, sinceStart: number): string {
  const worked = `${formatSeconds(workedSeconds(state))} s`;
  const whole = `${formatSeconds(sinceStart)} s`;
  return state.worked === undefined || worked === whole
    ? worked
    : `${worked} at work, ${whole} since the start`;
}

function rowOf(step: StepResult): readonly string[] {
  const hasRun = step.status === 'COMPLETED' || step.status === 'FAILED';
  return [
    marks[step.status],
    printable(step.stepId),
    step.status,
    hasRun ? `${formatSeconds(step.duration)} s` : '',
    [
      step.attempts > 1 ? `attempt ${step.attempts}` : '',
      step.status === 'FAILED' && step.error !== null ? printable(step.error.message) : '',
    ]
      .filter((note) => note !== '')
      .join(', '),
  ];
}

/** A sign for each status, one column wide. */
export const marks: Readonly<Record<StepResult['status'], string>> = {
  PENDING: '·',
  RUNNING: '◐',
  SUSPENDED: '‖',
  COMPLETED: '✔',
  FAILED: '✘',
  SKIPPED: '↷',
};
