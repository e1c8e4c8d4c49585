import type { RunState } from './state';

/** A named copy of how a run stood. */
export interface Snapshot {
  /** A ULID: sorts by the time it was made. */
  readonly snapshotId: string;
  readonly name: string;
  /** When it was made, ISO 8601. */
  readonly timestamp: string;
  readonly executionState: RunState;
  readonly metadata: SnapshotMetadata;
}

/** What is said about a snapshot besides its name: plain JSON. */
export type SnapshotMetadata = Readonly<Record<string, unknown>>;

/** A snapshot without its body. */
export type SnapshotSummary = Omit<Snapshot, 'executionState'> & { readonly runId: string };
