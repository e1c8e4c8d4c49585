import type { SnapshotPolicy } from '../lib/store/snapshotPolicy';

/** Saves the state after each completed step, as `step_<id>_complete`. */
export function everyStep(): SnapshotPolicy {
  return ({ event }) => (event.type === 'step.completed' ? `step_${event.path}_complete` : undefined);
}
