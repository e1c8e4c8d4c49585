import type { Failure } from './failure';
import type { RunState } from './state';

/**
 * A run ended as failed. Carries the failure as plain data, the state of the run, and the original error as `cause`.
 *
 * Subscribing to the same run again goes on from where it stood.
 */
export class RunError extends Error {
  override readonly name = 'RunError';
  readonly runId: string;
  readonly failure: Failure;
  readonly state: RunState;

  constructor(state: RunState, failure: Failure, cause: unknown) {
    const where = failure.path === undefined ? '' : ` at step "${failure.path}"`;
    super(`Run "${state.runId}" of "${state.name}" failed${where}: ${failure.message}`, { cause });
    this.runId = state.runId;
    this.failure = failure;
    this.state = state;
  }
}
