import type { PruneLimits, RunSummary } from './store';
import type { ListedRun } from './summary';
import { select } from './summary';

/**
 * The ids of the runs that `prune` forgets, oldest last.
 *
 * @throws RangeError when a limit is negative or NaN, so that a setting that is missing does not forget every run.
 */
export function prunable(runs: Iterable<ListedRun>, limits: PruneLimits, now: number): readonly string[] {
  const { keep = 0, olderThanMs = 0 } = limits;
  check('keep', keep);
  check('olderThanMs', olderThanMs);
  return select(runs, { isResting: true })
    .slice(keep)
    .filter((run) => ENDED.has(run.status) && now - (run.endedAt ?? now) >= olderThanMs)
    .map(({ runId }) => runId);
}

// A run that waits for an answer, or was left behind by a crash, has not ended.
const ENDED: ReadonlySet<RunSummary['status']> = new Set<RunSummary['status']>([
  'COMPLETED',
  'FAILED',
  'CANCELLED',
]);

function check(name: keyof PruneLimits, value: number): void {
  if (!(value >= 0)) throw new RangeError(`Cannot prune: ${name} is ${String(value)}; give 0 or more`);
}
