/**
 * A value cannot be saved, because JSON would change or lose it: a Map, a Date, NaN, a function, a cycle, a class instance.
 *
 * `path` is the step whose value it is (empty for the run itself), `at` the place inside the value, such as `.items[3].when`.
 */
export class StateValueError extends Error {
  override readonly name = 'StateValueError';
  readonly retryable = false;
  readonly path: string;
  readonly at: string;
  readonly why: string;

  constructor(path: string, at: string, why: string) {
    const owner = path === '' ? 'the run' : `step "${path}"`;
    const where = at === '' ? 'it' : at;
    super(
      `Cannot save a value of ${owner}: ${where} is ${why}; give plain JSON data, or an output codec that encodes it`,
    );
    this.path = path;
    this.at = at;
    this.why = why;
  }
}
