import type { Either } from 'fp-ts/lib/Either';

import type { Source, Wire } from './wire';
import { wireOf } from './wire';

/** A failure that became a value: the same live and after a resume. */
export interface SettledFailure {
  readonly name: string;
  readonly message: string;
  /** Path of the step that failed. */
  readonly path: string;
}

/** What comes out of `settled`: an `Either` for each wire, in the shape of the sources. */
export type Settled<S> =
  S extends Wire<infer T> ? Either<SettledFailure, T> : { -readonly [K in keyof S]: Settled<S[K]> };

/**
 * Waits until every one of these sources has ended and gives successes and failures as `Either`: a failure here does not
 * stop the run, when every way from the failed step to the result crosses `settled`.
 */
export function settled<const S extends Source>(sources: S): Wire<Settled<S>> {
  return wireOf({ kind: 'settled', of: sources });
}
