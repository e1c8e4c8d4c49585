import type { SnapshotPolicy } from '../lib/store/snapshotPolicy';

/** Saves whatever any of these policies saves: one snapshot for each name that they give. */
export function anyOf(...policies: readonly SnapshotPolicy[]): SnapshotPolicy {
  return (transition) => [...new Set(policies.flatMap((policy) => policy(transition) ?? []))];
}
