/** A saved run was to be resumed with an input that differs from the saved one. */
export class InputMismatchError extends Error {
  override readonly name = 'InputMismatchError';
  readonly retryable = false;
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot resume run "${runId}": its saved input differs from the one given; leave the input undefined to take the saved ` +
        `one, use another runId for a new run, or say onMismatch: 'actual' to start over with the new input`,
    );
    this.runId = runId;
  }
}
