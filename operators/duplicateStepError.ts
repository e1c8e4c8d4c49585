/** A function asked twice for a nested step of the same id within one call. */
export class DuplicateStepError extends Error {
  override readonly name = 'DuplicateStepError';
  readonly retryable = false;
  readonly path: string;

  constructor(path: string) {
    super(
      `Cannot run step "${path}" twice in one call: its saved output belongs to the id; give each call an id of its own`,
    );
    this.path = path;
  }
}
