/** A stream that was given again ended before an item that an earlier life of the run has handled. */
export class ItemMissingError extends Error {
  override readonly name = 'ItemMissingError';
  readonly retryable = false;
  readonly path: string;
  readonly index: number;

  constructor(path: string, index: number) {
    super(
      `Cannot go on with step "${path}": item ${String(index)} was handled before, but the stream given now ends without it`,
    );
    this.path = path;
    this.index = index;
  }
}
