import { MillraceError } from '../../lib/model/failure';

const refusals = {
  NO_ROUTE: 404,
  NO_VALUE: 404,
  UNKNOWN_AGENT: 404,
  UNKNOWN_STORE: 404,
  BODY_MALFORMED: 400,
  QUERY_MALFORMED: 400,
  NOT_AUTHORIZED: 401,
  FORBIDDEN: 403,
  METHOD_NOT_ALLOWED: 405,
  READ_ONLY: 405,
  BODY_TOO_LARGE: 413,
  NOT_JSON: 415,
  NOT_ON_ENGINE: 501,
} as const;

/** Why a request is refused before anything is asked of a store. */
export type HttpRequestCode = keyof typeof refusals;

/** A request over HTTP that cannot be carried out as it is. */
export class HttpRequestError extends MillraceError {
  override readonly name = 'HttpRequestError';
  readonly code: HttpRequestCode;
  readonly retryable = false;
  /** The status of the answer. */
  readonly status: number;

  constructor(code: HttpRequestCode, problem: string, next: string) {
    super(problem, next);
    this.code = code;
    this.status = refusals[code];
  }
}

const statuses: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  INVALID_RUN_ID: 404,
  RUN_FILE_DAMAGED: 422,
  UNKNOWN_RUN: 404,
  UNKNOWN_STEP: 404,
  UNKNOWN_LOG: 404,
  UNKNOWN_SNAPSHOT: 404,
  AGENT_NOT_SERVED: 409,
  DEFINITION_MISMATCH: 409,
  EVENTS_NOT_KEPT: 409,
  INPUT_MISMATCH: 409,
  NOT_WAITING: 409,
  RUN_ACTIVE: 409,
  RUN_ENDED: 409,
  RUN_EXISTS: 409,
  STREAM_INPUT: 409,
  ANSWER_MISFIT: 422,
  UNSAVABLE_VALUE: 422,
  VALIDATION_FAILED: 422,
  BACKLOG_FULL: 429,
  INGRESS_REFUSED: 502,
  REQUEST_FAILED: 502,
  ENGINE_UNREACHABLE: 503,
  NOT_SERVED: 503,
  STORE_LOCKED: 503,
  STORE_NOT_SERVED: 503,
  WORKER_UNREACHABLE: 503,
  REQUEST_TIMEOUT: 504,
};

/** The status with which an error is told; 500 for what is no fault of who asks. */
export function statusOf(error: MillraceError): number {
  return error instanceof HttpRequestError ? error.status : (statuses[error.code] ?? 500);
}
