/** A loop has gone through all the rounds it may take, and the output is still not good enough. */
export class LoopLimitError extends Error {
  override readonly name = 'LoopLimitError';
  readonly retryable = false;
  readonly path: string;
  readonly max: number;

  constructor(path: string, max: number) {
    super(`Cannot end step "${path}": until() said no to all ${String(max)} rounds`);
    this.path = path;
    this.max = max;
  }
}
