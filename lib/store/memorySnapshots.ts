import type { Clock } from './ids';
import { ids } from './ids';
import type { SnapshotText } from './snapshotText';
import { captureSnapshot, snapshotOf } from './snapshotText';
import type { SnapshotStore } from './store';
import { UnknownSnapshotError } from './unknownSnapshotError';

/** Snapshots that are forgotten with the process. */
export function memorySnapshots(clock: Clock): SnapshotStore {
  const snapshots = new Map<string, SnapshotText>();
  const nextId = ids(clock);
  return {
    async save(name, state, metadata = {}) {
      const text = captureSnapshot(nextId(), clock.now(), name, state, metadata);
      const snapshot = snapshotOf(text);
      snapshots.set(text.summary.snapshotId, text);
      return Promise.resolve(snapshot);
    },
    async load(snapshotId) {
      const text = snapshots.get(snapshotId);
      return text === undefined
        ? Promise.reject(new UnknownSnapshotError(snapshotId))
        : Promise.resolve(snapshotOf(text));
    },
    delete: async (snapshotId) => Promise.resolve(snapshots.delete(snapshotId)),
    list: async () => Promise.resolve([...snapshots.values()].map(({ summary }) => summary).reverse()),
  };
}
