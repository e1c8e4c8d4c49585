import type { Failure } from '../../../lib/model/failure';
import { toFailure } from '../../../lib/model/failure';
import { LONGEST_TEXT } from './wireLimits';

/** The text, or so much of its beginning, with a mark that says how long it was. */
export function cutText(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}… (cut, of ${text.length} characters)`;
}

/** Describes what was thrown in the form in which the journal keeps it: a message that no entry can carry is cut. */
export function recordedFailure(thrown: unknown, path?: string): Failure {
  return cutFailure(toFailure(thrown, path));
}

/** A failure with a message, and a name, that an entry of the journal can carry. */
export function cutFailure(failure: Failure): Failure {
  const { name, message } = failure;
  if (name.length <= LONGEST_TEXT && message.length <= LONGEST_TEXT) return failure;
  return { ...failure, name: cutText(name, LONGEST_TEXT), message: cutText(message, LONGEST_TEXT) };
}
