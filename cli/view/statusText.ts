import type { StepStatus } from '../../lib/model/stepResult';
import { marks } from '../../lib/report/runSummary';
import type { ListedStatus, QueuedRow } from '../queuedRuns';
import { momentText } from './moments';
import type { Output, Paint } from './output';
import { paint } from './output';

const runMarks: Readonly<Record<ListedStatus, string>> = {
  QUEUED: marks.PENDING,
  IDLE: marks.PENDING,
  RUNNING: marks.RUNNING,
  SUSPENDED: marks.SUSPENDED,
  COMPLETED: marks.COMPLETED,
  FAILED: marks.FAILED,
  CANCELLED: '■',
};

const colors: Readonly<Record<ListedStatus | StepStatus, Paint | undefined>> = {
  QUEUED: 'dim',
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
export function runMark(status: ListedStatus, output: Output): string {
  return paint(runMarks[status], colors[status], output);
}

/** A sign for how a step stands. */
export function stepMark(status: StepStatus, output: Output): string {
  return paint(marks[status], colors[status], output);
}

/** The status as a word, in its colour. */
export function statusText(status: ListedStatus | StepStatus, output: Output): string {
  return paint(status, colors[status], output);
}

/** When a run of the queue begins, as far as that is known. */
export function beginsText({ dueAt = 0, priority }: QueuedRow, { words }: Output): string {
  return words.begins(dueAt > Date.now() ? momentText(dueAt) : undefined, priority);
}
