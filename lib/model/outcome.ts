import type { Either } from 'fp-ts/lib/Either';

import type { Failure } from './failure';
import type { RunState, RunStatus } from './state';

/** A run that gave its output. */
export interface RunSuccess<O> {
  readonly runId: string;
  readonly output: O;
  readonly state: RunState<O>;
}

/** A run that ended without an output. */
export interface RunFailure {
  readonly runId: string;
  readonly status: Exclude<RunStatus, 'IDLE' | 'RUNNING' | 'COMPLETED'>;
  /** Why; absent when the run was suspended or cancelled. */
  readonly failure?: Failure;
  readonly state: RunState;
}

/** How one run ended: `Right` with its output, or `Left` with what came instead. */
export type Outcome<O> = Either<RunFailure, RunSuccess<O>>;
