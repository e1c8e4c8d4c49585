import type { Failure } from '../lib/model/failure';

/** What a step had done could not be undone. Resuming the run tries it again. */
export class CompensationError extends Error {
  override readonly name = 'CompensationError';
  /** Path of the step that is not undone. */
  readonly step: string;
  readonly failure: Failure;
  /** Why there was something to undo. */
  readonly reason: Failure;

  constructor(step: string, failure: Failure, reason: Failure) {
    super(
      `Cannot undo step "${step}": ${failure.message}; it was to be undone because of: ${reason.message}`,
    );
    this.step = step;
    this.failure = { ...failure, name: this.name, message: this.message, retryable: false };
    this.reason = reason;
  }
}
