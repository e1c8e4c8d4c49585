/**
 * What every error of this package is: it names its kind by `code`, says what could not be done, and what to do next.
 *
 * `docs/errors.md` lists all codes.
 */
export abstract class MillraceError extends Error {
  /** Names the kind of error, such as `RUN_ACTIVE`; unique to a class. */
  abstract readonly code: string;
  /** What to do now. */
  readonly next: string;

  /**
   * @param problem - What could not be done, to what, and why.
   * @param options - `tellsNext: false` leaves `next` out of the message.
   */
  constructor(
    problem: string,
    next: string,
    { tellsNext = true, ...options }: ErrorOptions & { readonly tellsNext?: boolean } = {},
  ) {
    super(tellsNext ? `${problem}; ${next}` : problem, options);
    this.next = next;
  }

  /** The error as plain data, the same wherever it is shown. */
  toJSON(): ErrorRecord {
    const { code, name, message, next } = this;
    return { code, name, message, next };
  }
}

/** An error of this package in JSON. */
export interface ErrorRecord {
  readonly code: string;
  readonly name: string;
  readonly message: string;
  readonly next: string;
}

/** Something was called with what it cannot take. */
export class InvalidArgumentError extends MillraceError {
  override readonly name = 'InvalidArgumentError';
  readonly code = 'INVALID_ARGUMENT';
  // The same call fails the same way.
  readonly retryable = false;
}

/**
 * Throw it where trying again cannot help, such as for a malformed request: no `retry` policy repeats the step.
 *
 * Any other error counts the same when it has a field `retryable` that is false.
 */
export class NonRetryableError extends MillraceError {
  override readonly name: string = 'NonRetryableError';
  readonly code: string = 'NOT_RETRYABLE';
  readonly retryable = false;

  constructor(message?: string, options?: ErrorOptions) {
    super(message ?? '', 'mend the cause, then resume the run', { ...options, tellsNext: false });
  }
}

/** An error as it is stored and passed on as a value: plain data, the same live and after a resume. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  /** What kind of error it is, such as `ECONNRESET` or `STEP_TIMEOUT`; absent when it did not say. */
  readonly code?: string;
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
  const code = codeOf(thrown);
  return Object.freeze({
    name: nameOf(thrown),
    message: messageOf(thrown),
    ...(code === undefined ? {} : { code }),
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

/** An error that stands for a failure, under its name, keeps its code too. */
function codeOf(thrown: unknown): string | undefined {
  if (!isRecord(thrown)) return undefined;
  const failure = read(thrown, 'failure');
  const isStandIn = isRecord(failure) && read(failure, 'name') === nameOf(thrown);
  const code = read(isStandIn ? failure : thrown, 'code');
  return typeof code === 'string' && code !== '' ? code : undefined;
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
