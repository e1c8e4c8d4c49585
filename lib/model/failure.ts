import { asyncScheduler } from 'rxjs';

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
  /** What could not be done, to what, and why. */
  readonly message: string;
  /** What to do now. */
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

/** An error as it is stored and passed on as a value: plain data, the same live and after a resume, save for its stack. */
export interface Failure {
  readonly name: string;
  /** What could not be done, to what, and why; cut at 8,192 characters. */
  readonly message: string;
  /** What kind of error it is, such as `ECONNRESET` or `STEP_TIMEOUT`; absent when it did not say. */
  readonly code?: string;
  /** The HTTP status that the error carried. */
  readonly status?: number;
  /** How long to wait before trying again, in milliseconds, as the headers `retry-after` or `retry-after-ms` said. */
  readonly retryAfterMs?: number;
  /** Path of the step that failed first; absent when the run failed outside any step. */
  readonly path?: string;
  /** False when trying the same again cannot help. */
  readonly retryable: boolean;
  /** What led to it, as the error's `cause` says; at most three deep. */
  readonly cause?: Failure;
  /** The errors within an `AggregateError`, at most eight. */
  readonly errors?: readonly Failure[];
  /**
   * Where it was thrown, at most 4 kB, frames outside of packages first. In the kept events of a store, and for a while in the
   * process that saw the error, where JSON leaves it out; states do not keep it.
   */
  readonly stack?: string;
}

const LONGEST_MESSAGE = 8_192;
const LONGEST_NAME = 256;
const DEEPEST = 3;
const MOST_ERRORS = 8;

/**
 * Describes anything thrown as a `Failure`.
 *
 * An error that already tells where it began keeps that path, unless that is a step of another run: such a failure is the `cause`. An
 * error with `retryable: false` is not retried.
 */
export function toFailure(thrown: unknown, path?: string): Failure {
  return failureOf(thrown, originOf(thrown) ?? path, 0);
}

/** @param isRecorded - It is a `Failure` itself: paths in it were told before. */
function failureOf(thrown: unknown, path: string | undefined, depth: number, isRecorded = false): Failure {
  const code = codeOf(thrown);
  const inner = isRecord(thrown) ? innerOf(thrown, depth, isRecorded) : undefined;
  const failure: Failure = {
    name: nameOf(thrown),
    message: messageOf(thrown),
    ...(code === undefined ? {} : { code }),
    ...(path === undefined ? {} : { path }),
    retryable: !(isRecord(thrown) && isFinal(thrown)),
    ...inner,
  };
  if (thrown instanceof Error || (isRecord(thrown) && typeof read(thrown, 'stack') === 'string'))
    keepStack(failure, thrown);
  return Object.freeze(failure);
}

/** Whether an error says that trying again cannot help; SDKs say it in either of these words. */
function isFinal(thrown: object): boolean {
  return read(thrown, 'retryable') === false || read(thrown, 'isRetryable') === false;
}

/** What few errors have. */
function innerOf(
  thrown: object,
  depth: number,
  isRecorded: boolean,
): Pick<Failure, 'status' | 'retryAfterMs' | 'cause' | 'errors'> | undefined {
  const source = standsFor(thrown) ?? thrown;
  const status = statusOf(source);
  const retryAfterMs = retryAfterOf(source);
  const ofRun = failureOfRun(thrown);
  const isOfRecord = isRecorded || source !== thrown || ofRun !== undefined;
  const cause = depth < DEEPEST ? (ofRun ?? read(source, 'cause')) : undefined;
  const errors = depth < DEEPEST ? read(source, 'errors') : undefined;
  const hasErrors = Array.isArray(errors) && errors.length > 0;
  const hasCause = cause !== undefined && cause !== null;
  if (typeof status !== 'number' && retryAfterMs === undefined && !hasCause && !hasErrors) return undefined;
  return {
    ...(typeof status === 'number' && Number.isFinite(status) ? { status } : {}),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(cause === undefined || cause === null || cause === thrown
      ? {}
      : { cause: partOf(cause, depth, isOfRecord) }),
    ...(hasErrors ? { errors: Object.freeze(errorsOf(errors, depth, isOfRecord)) } : {}),
  };
}

/** What led to a failure, or one of several that it consists of. */
function partOf(part: unknown, depth: number, isRecorded: boolean): Failure {
  const path = isRecorded && isRecord(part) ? pathIn(part) : originOf(part);
  return failureOf(part, path, depth + 1, isRecorded);
}

function statusOf(source: object): unknown {
  return read(source, 'status') ?? read(source, 'statusCode') ?? inResponse(source, 'status');
}

function inResponse(source: object, key: string): unknown {
  const response = read(source, 'response');
  return isRecord(response) ? read(response, key) : undefined;
}

/** How long the server asked to wait: in milliseconds, in seconds, or until a moment. */
function retryAfterOf(source: object): number | undefined {
  const told = read(source, 'retryAfterMs');
  if (typeof told === 'number' && told >= 0 && Number.isFinite(told)) return told;
  // fetch and most SDKs; the AI SDK; axios.
  const headers = read(source, 'headers') ?? read(source, 'responseHeaders') ?? inResponse(source, 'headers');
  if (!isRecord(headers)) return undefined;
  const exact = Number(headerOf(headers, 'retry-after-ms') ?? NaN);
  if (exact >= 0 && Number.isFinite(exact)) return exact;
  const text = headerOf(headers, 'retry-after');
  if (text === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1_000;
  const until = Date.parse(text);
  const now = Date.parse(headerOf(headers, 'date') ?? '');
  // The clock of the server that names the moment counts, where it says it.
  return Number.isNaN(until)
    ? undefined
    : Math.max(0, until - (Number.isNaN(now) ? asyncScheduler.now() : now));
}

/** A header of fetch's `Headers`, or of a record whose names are written in any case. */
function headerOf(headers: object, name: string): string | undefined {
  const get = read(headers, 'get');
  let value: unknown;
  try {
    value = typeof get === 'function' ? (get as (name: string) => unknown).call(headers, name) : undefined;
    if (value === undefined || value === null) {
      const key = Object.keys(headers).find((each) => each.toLowerCase() === name);
      value = key === undefined ? undefined : read(headers, key);
    }
  } catch {
    return undefined; // A stranger's object.
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : undefined;
}

/** The failure as a state has it: where it was thrown is for those who read the events. */
export function withoutStacks(failure: Failure): Failure {
  const { cause, errors } = failure;
  const bareCause = cause && withoutStacks(cause);
  const bareErrors = errors?.map(withoutStacks);
  const isBare =
    !Object.prototype.propertyIsEnumerable.call(failure, 'stack') &&
    bareCause === cause &&
    (bareErrors?.every((error, index) => error === errors?.[index]) ?? true);
  if (isBare) return failure;
  const { stack: _, ...rest } = failure;
  return Object.freeze({
    ...rest,
    ...(bareCause !== undefined && { cause: bareCause }),
    ...(bareErrors !== undefined && { errors: Object.freeze(bareErrors) }),
  });
}

function errorsOf(errors: readonly unknown[], depth: number, isRecorded: boolean): Failure[] {
  // An aggregate of aggregates tells fewer of each.
  const most = Math.max(1, MOST_ERRORS >> (2 * depth));
  // Not map() alone: it would leave holes as they are.
  return Array.from(errors.slice(0, most), (error) => partOf(error, depth, isRecorded));
}

// Formatting a stack costs far more than the rest, and most are never looked at: errors are kept weakly until somebody asks,
// the latest ones for certain.
const latest: unknown[] = [];
const LATEST = 64;
let turn = 0;

function keepStack(failure: Failure, error: object): void {
  latest[(turn = (turn + 1) % LATEST)] = error;
  const kept = new WeakRef(error);
  Object.defineProperty(failure, 'stack', {
    get: () => {
      const stack = read(kept.deref() ?? {}, 'stack');
      return typeof stack === 'string' ? framesOf(stack) : undefined;
    },
  });
}

const LONGEST_STACK = 4_096;

/** The frames without the message above them; those of packages and of Node behind the others. */
function framesOf(stack: string): string | undefined {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  const isOwn = (frame: string): boolean => !/node_modules|\(node:|at node:/.test(frame);
  const inOrder = [...frames.filter(isOwn), ...frames.filter((frame) => !isOwn(frame))];
  return inOrder.length === 0 ? undefined : inOrder.join('\n').slice(0, LONGEST_STACK);
}

/** Where it began, if that is a step of the run at hand: the error of a step that somebody has asked for says so. */
function originOf(thrown: unknown): string | undefined {
  if (!isRecord(thrown) || hasLeft.has(thrown) || failureOfRun(thrown) !== undefined) return undefined;
  const failure = read(thrown, 'failure');
  return isRecord(failure) ? pathIn(failure) : undefined;
}

function pathIn(failure: object): string | undefined {
  const path = read(failure, 'path');
  return typeof path === 'string' ? path : undefined;
}

const hasLeft = new WeakSet<object>();

/** An error leaves the run in which it was thrown: whoever gets it has no step of the path that it tells. */
export function leavesRun(error: unknown): void {
  if (isRecord(error)) hasLeft.add(error);
}

/** What has failed in another run, as its `RunError` says; undefined for any other error. */
function failureOfRun(thrown: object): object | undefined {
  // By its fields, because there may be two copies of this package.
  if (read(thrown, 'code') !== 'RUN_FAILED' || typeof read(thrown, 'runId') !== 'string') return undefined;
  const failure = read(thrown, 'failure');
  return isRecord(failure) ? failure : undefined;
}

/** The failure that an error stands for, under its name: it knows more than the error. */
function standsFor(thrown: object): object | undefined {
  if (failureOfRun(thrown) !== undefined) return undefined;
  const failure = read(thrown, 'failure');
  return isRecord(failure) && read(failure, 'name') === nameOf(thrown) ? failure : undefined;
}

function codeOf(thrown: unknown): string | undefined {
  if (!isRecord(thrown)) return undefined;
  const code = read(standsFor(thrown) ?? thrown, 'code');
  return typeof code === 'string' && code !== '' ? code.slice(0, LONGEST_NAME) : undefined;
}

function nameOf(thrown: unknown): string {
  const name = isRecord(thrown) ? read(thrown, 'name') : undefined;
  return typeof name === 'string' && name !== '' ? name.slice(0, LONGEST_NAME) : 'Error';
}

function messageOf(thrown: unknown): string {
  return cutMessage(wholeMessageOf(thrown));
}

/** The message, or so much of its beginning that it has 8,192 characters, with a mark that says how long it was. */
function cutMessage(whole: string): string {
  if (whole.length <= LONGEST_MESSAGE) return whole;
  const note = `… [${whole.length} characters]`;
  return `${whole.slice(0, LONGEST_MESSAGE - note.length)}${note}`;
}

function wholeMessageOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown;
  const message = isRecord(thrown) ? read(thrown, 'message') : undefined;
  if (typeof message === 'string') return message;
  try {
    const text = String(thrown);
    // Of a plain object its fields say more than `[object Object]`.
    return text === '[object Object]' ? (fieldsText(thrown) ?? text) : text;
  } catch {
    return 'an error that cannot be printed';
  }
}

function fieldsText(thrown: unknown): string | undefined {
  try {
    return JSON.stringify(thrown);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** Reads a property of a stranger's object: a getter that throws counts as absent. */
export function read(from: object, key: string): unknown {
  try {
    return (from as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

/** Whether a server has answered that will answer the same to the same. */
export function isFinalAnswer({ status = 0 }: Pick<Failure, 'status'>): boolean {
  return FINAL_STATUSES.has(status);
}

const FINAL_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 410, 413, 422]);
