/** A run was to be carried on, or deleted, while somebody else in this process is carrying it on. */
export class RunActiveError extends Error {
  override readonly name = 'RunActiveError';
  readonly retryable = false;
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot carry on or delete run "${runId}": it is under way in this process; wait for its end, unsubscribe there, or use another runId`,
    );
    this.runId = runId;
  }
}
