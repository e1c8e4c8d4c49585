/** A step was to read a stream where streams cannot be read: a run is replayed there, and no item can be had twice. */
export class StreamSourceError extends Error {
  override readonly name = 'StreamSourceError';
  readonly retryable = false;
  readonly path: string;

  constructor(path: string) {
    super(`Cannot read a stream in step "${path}": this engine replays runs; give an array`);
    this.path = path;
  }
}
