import type { Failure } from './failure';
import { InvalidArgumentError } from './failure';

/** The longest delay that every scheduler can take, in milliseconds: Node turns a longer one into 1 ms. */
export const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** How the waits between attempts grow. */
export interface BackoffOptions {
  /** Milliseconds before the second attempt. */
  readonly initialMs: number;
  /** By how much each wait is longer than the one before; 2 when left out. */
  readonly factor?: number;
  /** Longest wait, in milliseconds; a minute when left out. No wait is longer than 2 ** 31 - 1 ms, which is 24.8 days. */
  readonly maxMs?: number;
  /** Which part of a wait is left to chance, from 0 to 1, so that many runs do not come back at once; 1 when left out. */
  readonly jitter?: number;
  /** Where the chance comes from: a number from 0 up to 1. `Math.random` when left out. */
  readonly random?: () => number;
}

/**
 * Waits that grow from attempt to attempt, for `retry.delayMs`.
 *
 * Each wait lies between `(1 - jitter) * d` and `d`, where `d = min(maxMs, initialMs * factor ** (attempt - 1))`: with a
 * jitter of 1 the "full jitter" of Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). What
 * was drawn stands in `step.retrying`.
 *
 * @example
 * ```ts
 * agent('fetch', get, { retry: { count: 5, delayMs: backoff({ initialMs: 200, maxMs: 10_000 }) } });
 * ```
 *
 * @throws RangeError when a number is not within its bounds.
 */
export function backoff(options: BackoffOptions): (failure: Failure, attempt: number) => number {
  const { initialMs, factor = 2, maxMs = 60_000, jitter = 1, random = Math.random } = options;
  check('initialMs', initialMs, 0, Infinity);
  check('factor', factor, 1, Infinity);
  check('maxMs', maxMs, 0, Infinity);
  check('jitter', jitter, 0, 1);
  return (_failure, attempt) => {
    // Far attempts overflow to Infinity, of which no part can be taken; 0 * Infinity would be NaN.
    const grown = initialMs === 0 ? 0 : initialMs * factor ** (attempt - 1);
    const longest = Math.min(grown, maxMs, LONGEST_DELAY_MS);
    return longest - longest * jitter * random();
  };
}

function check(name: string, value: number, least: number, most: number): void {
  if (value >= least && value <= most) return;
  const bounds = most === Infinity ? `at least ${String(least)}` : `from ${String(least)} to ${String(most)}`;
  throw new InvalidArgumentError(
    `Cannot make a backoff: ${name} is ${String(value)}`,
    `give a number ${bounds}`,
  );
}
