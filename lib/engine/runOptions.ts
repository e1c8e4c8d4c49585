import type { SchedulerLike } from 'rxjs';

import type { Store } from '../store/store';
import type { RunEngine } from './engine';

/** Where and how a run is carried out. Everything may be left out. */
export interface RunOptions {
  /** Where the run rests. Without one it is kept in memory for as long as the Observable is. */
  readonly store?: Store;
  /** Where the run is carried out and rests, such as `restateEngine()`; in this process when left out. Not together with a store. */
  readonly engine?: RunEngine;
  /** Names the run: subscribing again with the same name goes on with it. A new ULID when left out. */
  readonly runId?: string;
  /** The clock: timestamps, durations, delays and timeouts. Give a `TestScheduler` for virtual time. */
  readonly scheduler?: SchedulerLike;
  /**
   * What happens when the store knows the run with another input or another definition: `refuse` it with an error, or let
   * the input and the code at hand win; then saved results that depend on the change are dropped, and a WARNING is logged.
   */
  readonly onMismatch?: 'refuse' | 'actual';
  /** How often the process may die inside a step before the step counts as failed; 3 when left out. */
  readonly maxCrashes?: number;
  /**
   * Aborting it cancels the run, tells `run.cancelled`, and completes the stream; unsubscribing cancels as well, but then
   * nobody is left to hear of it.
   */
  readonly signal?: AbortSignal;
  /** Makes the ids of runs; monotonic ULIDs when left out. */
  readonly newRunId?: () => string;
}
