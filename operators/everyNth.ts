import { isEnd } from '../lib/model/event';
import type { SnapshotPolicy } from '../lib/store/snapshotPolicy';

/**
 * Saves the state after each `n`th completed step of a run, as `checkpoint_<count>`. The count is that of the steps that have
 * completed in the state, so the names are the same when a run was resumed.
 *
 * @throws RangeError when `n` is no positive whole number.
 */
export function everyNth(n: number): SnapshotPolicy {
  if (!Number.isInteger(n) || n < 1)
    throw new RangeError(`Cannot save every ${n} steps: give a whole number from 1`);
  const counts = new Map<string, number>();
  return (transition) => {
    const { event } = transition;
    const { runId } = event;
    if (isEnd(event)) counts.delete(runId);
    if (event.type === 'run.resumed') counts.set(runId, completedIn(transition.state.steps));
    if (event.type !== 'step.completed') return undefined;
    const count = (counts.get(runId) ?? 0) + 1;
    counts.set(runId, count);
    return count % n === 0 ? `checkpoint_${count}` : undefined;
  };
}

function completedIn(steps: Iterable<{ readonly status: string }>): number {
  let count = 0;
  for (const { status } of steps) if (status === 'COMPLETED') count += 1;
  return count;
}
