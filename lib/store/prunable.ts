import type { PruneLimits, RunSummary } from './store';
import type { ListedRun } from './summary';
import { select } from './summary';

/** The ids of the runs that `prune` forgets, oldest last. */
export function prunable(runs: Iterable<ListedRun>, limits: PruneLimits, now: number): readonly string[] {
  const { keep = 0, olderThanMs = 0 } = limits;
  return select(runs, { isResting: true })
    .slice(Math.max(0, keep))
    .filter((run) => ENDED.has(run.status) && now - (run.endedAt ?? now) >= olderThanMs)
    .map(({ runId }) => runId);
}

// A run that waits for an answer, or was left behind by a crash, has not ended.
const ENDED: ReadonlySet<RunSummary['status']> = new Set<RunSummary['status']>([
  'COMPLETED',
  'FAILED',
  'CANCELLED',
]);
