import { Observable } from 'rxjs';

import {
  AgentNotServedError,
  DefinitionMismatchError,
  InputMismatchError,
  RunEndedError,
  StateValueError,
  StreamInputError,
} from '../errors/runErrors';
import {
  InvalidRunIdError,
  RequestFailedError,
  RunActiveError,
  RunExistsError,
  StorageError,
  StoreCorruptError,
  StoreFormatError,
  StoreNotServedError,
  UnknownRunError,
} from '../errors/storageErrors';
import { InvalidArgumentError, MillraceError, toFailure } from '../model/failure';
import type { Attendant, RequestProgress, StoreRequest } from './store';

/** Why a request was refused, as plain data: what another process is told. */
export interface Refusal {
  readonly name: string;
  readonly message: string;
  /** What the error says besides, such as the id of the run. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What was to be done, for messages. */
export function actionOf(request: StoreRequest): string {
  switch (request.kind) {
    case 'resume':
    case 'delete':
      return `${request.kind} run "${request.runId}"`;
    case 'import':
      return `put in run "${request.state.runId}"`;
    case 'prune':
      return 'prune runs';
  }
}

/** What a request that was carried out has come to. */
export type Done = Extract<RequestProgress, { stage: 'done' }>;

/**
 * Tells what becomes of a request.
 *
 * @param carryOut - Does it, and calls `accepted` at the latest before it resolves, where it takes a while; its signal is aborted
 * when nobody listens any more.
 */
export function progressOf(
  carryOut: (accepted: () => void, signal: AbortSignal) => Promise<Done>,
): Observable<RequestProgress> {
  return new Observable((subscriber) => {
    const left = new AbortController();
    let isAccepted = false;
    const accepted = (): void => {
      if (!isAccepted) subscriber.next({ stage: 'accepted' });
      isAccepted = true;
    };
    carryOut(accepted, left.signal).then(
      (done) => {
        accepted();
        subscriber.next(done);
        subscriber.complete();
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
    return () => {
      left.abort();
    };
  });
}

/** Asks the first of those who serve that has the agent of the run. */
export async function resumeBy(
  attendants: Iterable<Attendant>,
  runId: string,
  accepted: () => void,
  nobody: () => Error,
): Promise<Done> {
  let refused = nobody();
  for (const attendant of attendants) {
    try {
      return { stage: 'done', run: await attendant.resume(runId, accepted) };
    } catch (error) {
      if (!(error instanceof AgentNotServedError)) throw error;
      refused = error;
    }
  }
  throw refused;
}

/** An error as it is told to another process. */
export function refusalOf(thrown: unknown): Refusal {
  const { name, message } = toFailure(thrown);
  const fields = thrown instanceof MillraceError ? Object.fromEntries(Object.entries(thrown)) : {};
  return { name, message, fields: JSON.parse(JSON.stringify(fields)) as Refusal['fields'] };
}

/** The error that another process tells of: of the same class, where it is one of this package that a request can meet. */
export function refusedError({ name, message, fields }: Refusal, request: StoreRequest): Error {
  const known = KNOWN.find((one) => one.name === name);
  if (known === undefined) return new RequestFailedError(actionOf(request), message);
  const error = new Error(message);
  Object.setPrototypeOf(error, known.prototype as object);
  return Object.assign(error, fields, { name });
}

const KNOWN: readonly { readonly name: string; readonly prototype: unknown }[] = [
  AgentNotServedError,
  DefinitionMismatchError,
  InputMismatchError,
  InvalidArgumentError,
  InvalidRunIdError,
  RunActiveError,
  RunEndedError,
  RunExistsError,
  StateValueError,
  StorageError,
  StoreCorruptError,
  StoreFormatError,
  StoreNotServedError,
  StreamInputError,
  UnknownRunError,
];
