import type { Failure } from '../lib/model/failure';

/** A nested step failed: what a function that asked for it gets. Keeps the name, the message and the place of the failure. */
export class StepError extends Error {
  override readonly name: string;
  readonly failure: Failure;
  readonly retryable: boolean;

  constructor(failure: Failure, cause: unknown) {
    super(failure.message, { cause });
    this.name = failure.name;
    this.failure = failure;
    this.retryable = failure.retryable;
  }
}
