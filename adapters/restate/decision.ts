import type { Decided } from '../../lib/graph/answer';
import type { Failure } from '../../lib/model/failure';
import { RecordedError } from './recordedError';
import { recordedFailure } from './recordedFailure';

/** A decision as the journal keeps it. */
export type Recorded =
  { readonly ok: true; readonly value?: unknown } | { readonly ok: false; readonly failure: Failure };

/** Decides, in the form that the journal keeps. */
export function decided(decision: () => unknown): Recorded {
  try {
    return { ok: true, value: decision() };
  } catch (error) {
    return { ok: false, failure: recordedFailure(error) };
  }
}

/** A decision from the journal. */
export function revived<T>(recorded: Recorded): Decided<T> {
  return recorded.ok
    ? { ok: true, value: recorded.value as T }
    : { ok: false, error: new RecordedError(recorded.failure) };
}
