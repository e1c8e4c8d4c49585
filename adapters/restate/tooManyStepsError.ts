/** A run on Restate has called more agents than its journal can hold well. Trying again cannot help. */
export class TooManyStepsError extends Error {
  override readonly name = 'TooManyStepsError';
  readonly retryable = false;

  constructor(runId: string, most: number) {
    super(
      `Run "${runId}" has more than ${most} steps, too many for one journal; let its steps start child runs: run() with the step's idempotencyKey as runId`,
    );
  }
}
