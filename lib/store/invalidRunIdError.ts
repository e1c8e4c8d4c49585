/** A run id that cannot be used: empty, longer than 200 characters, or not a string. */
export class InvalidRunIdError extends Error {
  override readonly name = 'InvalidRunIdError';
  readonly retryable = false;

  constructor(why: string) {
    super(`Cannot use this run id: ${why}; a run id is a string of 1 to 200 characters`);
  }
}

/**
 * Accepts every string of 1 to 200 characters; what it contains never reaches the file system.
 *
 * @throws InvalidRunIdError
 */
export function checkRunId(runId: unknown): asserts runId is string {
  if (typeof runId !== 'string') throw new InvalidRunIdError(`it is a value of type ${typeof runId}`);
  if (runId === '') throw new InvalidRunIdError('it is empty');
  if (runId.length > 200) throw new InvalidRunIdError(`it has ${String(runId.length)} characters`);
}
