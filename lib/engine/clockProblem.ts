import { Moment } from '../codec/plainCodecs';
import { InvalidArgumentError } from '../model/failure';

/**
 * Why the time that a scheduler gives cannot be written down; undefined for epoch milliseconds. What is written with `NaN`, or with
 * a time that no Date can hold, cannot be read again.
 */
export function clockProblem(at: number): InvalidArgumentError | undefined {
  if (Moment.is(at)) return undefined;
  return new InvalidArgumentError(
    `Cannot use a clock that says ${String(at)}`,
    'give a scheduler whose now() gives epoch milliseconds',
  );
}

/**
 * What a clock says.
 *
 * @throws InvalidArgumentError when that is not epoch milliseconds.
 */
export function checkedNow(clock: { now(): number }): number {
  const at = clock.now();
  const problem = clockProblem(at);
  if (problem !== undefined) throw problem;
  return at;
}
