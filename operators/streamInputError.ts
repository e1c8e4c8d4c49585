/** A run whose input holds a stream was to be resumed without it: streams are not saved and must be given again. */
export class StreamInputError extends Error {
  override readonly name = 'StreamInputError';
  readonly retryable = false;
  readonly runId: string;

  constructor(runId: string) {
    super(`Cannot resume run "${runId}": its input holds a stream, which is not saved; give the input again`);
    this.runId = runId;
  }
}
