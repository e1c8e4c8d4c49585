import type { Transition } from './event';
import type { RunState } from './state';

/** A named copy of how a run stood, or of a plain object of the user's. */
export interface Snapshot {
  /** A ULID: sorts by the time it was made. */
  readonly snapshotId: string;
  readonly name: string;
  /** When it was made, ISO 8601. */
  readonly timestamp: string;
  /** How the run stood. Of a plain object it is that object: whoever has saved it knows its type. */
  readonly executionState: RunState;
  /** What was saved with it. */
  readonly metadata: SnapshotMetadata;
}

/** What is said about a snapshot besides its name: plain JSON. */
export type SnapshotMetadata = Readonly<Record<string, unknown>>;

/** A snapshot without its body; of a plain object `runId` is empty. */
export type SnapshotSummary = Omit<Snapshot, 'executionState'> & { readonly runId: string };

/**
 * Says under which names the state after a transition is saved; nothing when it is not. Asked for every transition, in
 * order. Any function will do: `({ event }) => event.type === 'step.completed' && event.path === 'pay' ? 'paid' : undefined`.
 */
export type SnapshotPolicy = (transition: Transition) => string | readonly string[] | undefined;
