/** A step needs a run, such as one that waits for an answer, and was used in a plain `pipe` where there is none. */
export class NoRunError extends Error {
  override readonly name = 'NoRunError';
  readonly retryable = false;
  readonly path: string;

  constructor(path: string) {
    super(
      `Cannot wait for an answer at step "${path}" in a plain pipe: nobody could address it; use run() or runEach() with a store`,
    );
    this.path = path;
  }
}
