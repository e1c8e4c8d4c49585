import type { SnapshotPolicy } from '../lib/store/snapshotPolicy';

/** Saves the state when a run has failed, as `failed_<id>` after the step that failed first, or `failed_run`. */
export function onFailure(): SnapshotPolicy {
  return ({ event }) => (event.type === 'run.failed' ? `failed_${event.error.path ?? 'run'}` : undefined);
}
