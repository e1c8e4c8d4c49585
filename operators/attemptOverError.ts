/** A function asked for a nested step after its call was over: it had been timed out, stopped, or had answered. */
export class AttemptOverError extends Error {
  override readonly name = 'AttemptOverError';
  readonly retryable = false;
  readonly path: string;

  constructor(path: string) {
    super(`Cannot run step "${path}": the call that asks for it is over, and nobody waits for its answer`);
    this.path = path;
  }
}
