import { isEnd } from '../lib/model/event';
import type { SnapshotPolicy } from '../lib/store/snapshotPolicy';

/** Saves the state after each completed step whose policy says `critical`, as `critical_<id>`. */
export function critical(): SnapshotPolicy {
  const running = new Map<string, Set<string>>();
  return ({ event }) => {
    const { runId } = event;
    if (isEnd(event)) running.delete(runId);
    if (event.type === 'step.started' && event.critical === true) {
      const paths = running.get(runId) ?? new Set();
      running.set(runId, paths.add(event.path));
    }
    if (event.type !== 'step.completed' || running.get(runId)?.delete(event.path) !== true) return undefined;
    return `critical_${event.path}`;
  };
}
