/** The process died again and again inside the same step, so the step is not tried any more. */
export class PoisonStepError extends Error {
  override readonly name = 'PoisonStepError';
  readonly retryable = false;
  readonly path: string;
  readonly crashes: number;

  constructor(path: string, crashes: number) {
    super(
      `Cannot run step "${path}" again: the process died ${String(crashes)} times inside it; resume once more to try it anew`,
    );
    this.path = path;
    this.crashes = crashes;
  }
}
