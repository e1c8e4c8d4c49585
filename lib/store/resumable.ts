import type { RunSummary, Store } from './store';

/**
 * The runs that can be resumed and that nobody carries on, newest first: those a crash left behind are `RUNNING`, the others
 * `FAILED`, `CANCELLED` or `SUSPENDED`.
 */
export function resumable(store: Pick<Store, 'listRuns'>): Promise<readonly RunSummary[]> {
  return store.listRuns({ status: ['RUNNING', 'FAILED', 'CANCELLED', 'SUSPENDED'], isResting: true });
}
