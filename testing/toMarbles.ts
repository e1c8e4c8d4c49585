import { UnknownRunError } from '../lib/errors/storageErrors';
import type { RunState } from '../lib/model/state';
import type { StepResult } from '../lib/model/stepResult';
import type { Store } from '../lib/store/store';
import type { Point } from './lanes';
import { marblesOf } from './lanes';

/**
 * A recorded run as a timeline: one marble diagram a step, in milliseconds since the run began, in the form that
 * `expectRun(...).toBe` takes. So a run that went wrong somewhere becomes a test.
 *
 * It shows what the store keeps: of each step the last attempt of the last life. `w` marks a step that waits for an answer
 * and `x` one that was left unfinished.
 *
 * @throws UnknownRunError
 */
export async function toMarbles(store: Pick<Store, 'loadRun'>, runId: string): Promise<string> {
  const state = await store.loadRun(runId);
  if (state === undefined) throw new UnknownRunError(runId);
  const lines = [...state.steps].flatMap((step) => {
    const points = pointsOf(step, state.startedAt);
    return points.length === 0 ? [] : [`  ${nameOf(step.stepId)}: '${marblesOf(points)}',`];
  });
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
