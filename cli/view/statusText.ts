import type { RunStatus } from '../../lib/model/state';
import type { StepStatus } from '../../lib/model/stepResult';
import { marks } from '../../lib/report/runSummary';
import type { Output, Paint } from './output';
import { paint } from './output';

const runMarks: Readonly<Record<RunStatus, string>> = {
  IDLE: marks.PENDING,
  RUNNING: marks.RUNNING,
  SUSPENDED: marks.SUSPENDED,
  COMPLETED: marks.COMPLETED,
  FAILED: marks.FAILED,
  CANCELLED: '■',
};

const colors: Readonly<Record<RunStatus | StepStatus, Paint | undefined>> = {
  IDLE: 'dim',
  PENDING: 'dim',
  SKIPPED: 'dim',
  RUNNING: 'cyan',
  SUSPENDED: 'yellow',
  COMPLETED: 'green',
  FAILED: 'red',
  CANCELLED: 'dim',
};

/** A sign for how a run stands. */
export function runMark(status: RunStatus, output: Output): string {
  return paint(runMarks[status], colors[status], output);
}

/** A sign for how a step stands. */
export function stepMark(status: StepStatus, output: Output): string {
  return paint(marks[status], colors[status], output);
}

/** The status as a word, in its colour. */
export function statusText(status: RunStatus | StepStatus, output: Output): string {
  return paint(status, colors[status], output);
}
