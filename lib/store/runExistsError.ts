/** A run was to be put into a store that has one with this id already. */
export class RunExistsError extends Error {
  override readonly name = 'RunExistsError';
  readonly retryable = false;
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot put in run "${runId}": the store has a run with this id; use another one, or delete the old run`,
    );
    this.runId = runId;
  }
}
