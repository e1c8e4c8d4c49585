/**
 * The parts of fp-ts and io-ts that this library speaks, from the copy it uses itself.
 *
 * @packageDocumentation
 */
import * as E from 'fp-ts/lib/Either';
import * as O from 'fp-ts/lib/Option';
import * as TE from 'fp-ts/lib/TaskEither';
import * as t from 'io-ts';

export { flow, pipe } from 'fp-ts/lib/function';
export { E, O, t, TE };
