/** A run has no step of this path. */
export class UnknownStepError extends Error {
  override readonly name = 'UnknownStepError';
  readonly retryable = false;
  readonly runId: string;
  readonly path: string;

  constructor(runId: string, path: string) {
    super(
      `Cannot find step "${path}" in run "${runId}"; its state, from loadRun(), has the paths in \`steps\``,
    );
    this.runId = runId;
    this.path = path;
  }
}
