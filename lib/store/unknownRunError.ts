/** There is no run with this id in the store. */
export class UnknownRunError extends Error {
  override readonly name = 'UnknownRunError';
  readonly retryable = false;
  readonly runId: string;

  constructor(runId: string) {
    super(`Cannot find run "${runId}" in the store; listRuns() names those that are there`);
    this.runId = runId;
  }
}
