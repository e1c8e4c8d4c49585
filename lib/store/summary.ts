import type { RunState } from '../model/state';
import type { RunQuery, RunSummary } from './store';

/** The one line about a run. */
export function summaryOf(state: RunState): RunSummary {
  return Object.freeze({
    runId: state.runId,
    name: state.name,
    status: state.status,
    startedAt: state.startedAt,
    ...(state.endedAt === undefined ? {} : { endedAt: state.endedAt }),
    life: state.life,
    ...(state.error?.path === undefined ? {} : { failedStep: state.error.path }),
  });
}

/** A line about a run, and whether nobody carries the run on now. */
export interface ListedRun {
  readonly run: RunSummary;
  readonly isResting: boolean;
}

/** Those lines that fit the query, newest first. */
export function select(runs: Iterable<ListedRun>, query: RunQuery = {}): readonly RunSummary[] {
  const statuses = typeof query.status === 'string' ? [query.status] : query.status;
  const fitting: RunSummary[] = [];
  for (const { run, isResting } of runs) {
    if (query.name !== undefined && run.name !== query.name) continue;
    if (statuses !== undefined && !statuses.includes(run.status)) continue;
    if (query.since !== undefined && run.startedAt < query.since) continue;
    if (query.failedStep !== undefined && run.failedStep !== query.failedStep) continue;
    if (query.isResting !== undefined && isResting !== query.isResting) continue;
    fitting.push(run);
  }
  fitting.sort((a, b) => b.startedAt - a.startedAt || (a.runId < b.runId ? 1 : -1));
  return query.limit === undefined ? fitting : fitting.slice(0, Math.max(0, query.limit));
}
