import type { Failure } from '../../lib/model/failure';

/** A failure from the journal, as an error again: name, message and place are those of the error that was thrown. */
export class RecordedError extends Error {
  override readonly name: string;
  readonly failure: Failure;
  readonly retryable: boolean;

  constructor(failure: Failure) {
    super(failure.message);
    this.name = failure.name;
    this.failure = failure;
    this.retryable = failure.retryable;
  }
}
