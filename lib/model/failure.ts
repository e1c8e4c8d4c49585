/**
 * Throw it where trying again cannot help, such as for a malformed request: no `retry` policy repeats the step.
 *
 * Any other error counts the same when it has a field `retryable` that is false.
 */
export class NonRetryableError extends Error {
  override readonly name: string = 'NonRetryableError';
  readonly retryable = false;
}

/** An error as it is stored and passed on as a value: plain data, the same live and after a resume. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  /** Path of the step that failed first; absent when the run failed outside any step. */
  readonly path?: string;
  /** False when trying the same again cannot help. */
  readonly retryable: boolean;
}

/**
 * Describes anything thrown as a `Failure`.
 *
 * An error that already tells where it began keeps that path. An error with `retryable: false` is not retried.
 */
export function toFailure(thrown: unknown, path?: string): Failure {
  const origin = originOf(thrown) ?? path;
  return Object.freeze({
    name: nameOf(thrown),
    message: messageOf(thrown),
    ...(origin === undefined ? {} : { path: origin }),
    retryable: !(isRecord(thrown) && read(thrown, 'retryable') === false),
  });
}

function originOf(thrown: unknown): string | undefined {
  if (!isRecord(thrown)) return undefined;
  const failure = read(thrown, 'failure');
  const origin = isRecord(failure) ? read(failure, 'path') : undefined;
  return typeof origin === 'string' ? origin : undefined;
}

function nameOf(thrown: unknown): string {
  const name = isRecord(thrown) ? read(thrown, 'name') : undefined;
  return typeof name === 'string' && name !== '' ? name : 'Error';
}

function messageOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  const message = isRecord(thrown) ? read(thrown, 'message') : undefined;
  if (typeof message === 'string') return message;
  try {
    return String(thrown);
  } catch {
    return 'an error that cannot be printed';
  }
}

function isRecord(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** Reads a property of a stranger's object: a getter that throws counts as absent. */
function read(from: object, key: string): unknown {
  try {
    return (from as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}
