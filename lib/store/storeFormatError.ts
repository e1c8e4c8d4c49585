/** A store was written by a newer release of this library. Nothing was changed. */
export class StoreFormatError extends Error {
  override readonly name = 'StoreFormatError';
  readonly retryable = false;
  readonly file: string;
  readonly format: number;

  constructor(file: string, format: number, known: number) {
    super(
      `Cannot open "${file}": it has format ${String(format)}, this release reads up to ${String(known)}; update millrace`,
    );
    this.file = file;
    this.format = format;
  }
}
