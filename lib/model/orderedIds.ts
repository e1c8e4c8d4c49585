import { monotonicFactory } from 'ulid';

/**
 * Makes ULIDs that sort by the time they were made, also within one millisecond.
 *
 * @param random - Gives numbers from 0 to 1; the system's generator when left out.
 * @returns Makes an id for a time in epoch milliseconds, which may be 0: tests begin there.
 */
export function orderedIds(random?: () => number): (now: number) => string {
  const next = monotonicFactory(random);
  // The factory takes 0 for a time it has seen before, and adds to an id that there is not.
  return (now) => next(Math.max(now, 1));
}
