import type { RunFailed } from '../../lib/model/event';

const last = new WeakSet<RunFailed>();

/**
 * Marks the failure of a run that nobody will resume. Behind `run()` only the end of the stream tells that; within a stream
 * of runs there is no such end, and `outcomes()` must not wait for one.
 */
export function markLastFailure(event: RunFailed): void {
  last.add(event);
}

export function isLastFailure(event: RunFailed): boolean {
  return last.has(event);
}
