/**
 * Throw it where trying again cannot help, such as for a malformed request: no `retry` policy repeats the step.
 *
 * Any other error counts the same when it has a field `retryable` that is false.
 */
export class NonRetryableError extends Error {
  override readonly name: string = 'NonRetryableError';
  readonly retryable = false;
}
