import { UnknownRunError } from '../lib/errors/storageErrors';
import type { RunState } from '../lib/model/state';
import type { StepResult } from '../lib/model/stepResult';
import type { Store } from '../lib/store/store';
import type { Point } from './lanes';
import { lanesOf, marblesOf } from './lanes';
import type { RecordingStore } from './recordingStore';

/** Where a recorded run is looked up: a `recordingStore` knows all of it, any other store only how it ended. */
export type MarblesSource = Pick<Store, 'loadRun'> & Partial<Pick<RecordingStore, 'recorded'>>;

/**
 * A recorded run as a timeline: one marble diagram a step, in milliseconds since the run began, in the form that
 * `expectRun(...).toBe` takes. So a run that went wrong somewhere becomes a test.
 *
 * Of a `recordingStore` it shows everything that was written down: every attempt of every life. Of any other store it shows what
 * stores keep: of each step the last attempt of the last life. `r` marks an attempt that failed, `w` a step that waits for an
 * answer, `a` one that was answered, and `x` one that was left unfinished.
 *
 * @throws UnknownRunError
 */
export async function toMarbles(store: MarblesSource, runId: string): Promise<string> {
  const state = await store.loadRun(runId);
  if (state === undefined) throw new UnknownRunError(runId);
  const recorded = store.recorded?.(runId);
  // What was there before the recording began is only known as it ended.
  const lanes =
    recorded?.before === undefined && recorded !== undefined ? lanesOf(recorded.events) : undefined;
  const points =
    lanes ?? new Map([...state.steps].map((step) => [step.stepId, pointsOf(step, state.startedAt)]));
  const lines = [...points].flatMap(([path, marks]) =>
    marks.length === 0 ? [] : [`  ${nameOf(path)}: '${marblesOf(marks)}',`],
  );
  return [`// ${headline(state)}`, '{', ...lines, '}'].join('\n');
}

function headline({ runId, name, status, startedAt, endedAt, life, error }: RunState): string {
  const length = endedAt === undefined ? '' : ` after ${String(Math.round(endedAt - startedAt))} ms`;
  const lives = life > 1 ? `, ${String(life)} lives` : '';
  const why = error === undefined ? '' : `: ${error.message.replace(/\s+/g, ' ')}`;
  return `run "${runId}" of "${name}": ${status}${length}${lives}${why}`;
}

function pointsOf({ status, timestamp, duration }: StepResult, startedAt: number): readonly Point[] {
  if (timestamp === null) return [];
  const end = Math.max(0, Math.round(Date.parse(timestamp) - startedAt));
  const start = { at: Math.max(0, Math.round(end - duration * 1000)), mark: 's' };
  switch (status) {
    case 'COMPLETED':
      return [start, { at: end, mark: '|' }];
    case 'FAILED':
      return [start, { at: end, mark: '#' }];
    case 'SKIPPED':
      return [{ at: end, mark: 'k' }];
    case 'SUSPENDED':
      return [{ at: end, mark: 'w' }];
    case 'RUNNING':
      return [{ at: end, mark: 's' }];
    case 'PENDING':
      return [{ at: end, mark: 'x' }];
  }
}

function nameOf(path: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(path) ? path : `'${path.replace(/[\\']/g, '\\$&')}'`;
}
