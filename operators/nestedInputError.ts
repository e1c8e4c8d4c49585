/** A nested step was asked for again with another input than the one it was first called with. */
export class NestedInputError extends Error {
  override readonly name = 'NestedInputError';
  readonly retryable = false;
  readonly path: string;

  constructor(path: string) {
    super(
      `Cannot reuse step "${path}": its input differs from the one it was first called with; put what varies into the id`,
    );
    this.path = path;
  }
}
