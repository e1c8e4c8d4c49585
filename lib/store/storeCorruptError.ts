/** A file of a store is not as the store wrote it. Nothing was changed. */
export class StoreCorruptError extends Error {
  override readonly name = 'StoreCorruptError';
  readonly retryable = false;
  readonly file: string;
  /** Byte at which the damage was noticed. */
  readonly offset: number;
  readonly why: string;

  constructor(file: string, offset: number, why: string) {
    super(
      `Cannot trust "${file}" at byte ${String(offset)}: ${why}; restore it from a backup, or copy what is intact with salvage()`,
    );
    this.file = file;
    this.offset = offset;
    this.why = why;
  }
}
