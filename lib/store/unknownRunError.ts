/** There is no run with this id in the store, or on the engine, for this definition. */
export class UnknownRunError extends Error {
  override readonly name = 'UnknownRunError';
  readonly retryable = false;
  readonly runId: string;

  constructor(runId: string) {
    super(`Cannot find run "${runId}"; listRuns() names those that are there`);
    this.runId = runId;
  }
}
