import type { OperatorFunction } from 'rxjs';
import { distinctUntilChanged, map, pipe, scan } from 'rxjs';

import type { StatsSample } from './alert';
import { percentOf } from './figures';

/**
 * Whether a number is too high, with hysteresis: true from the first value above `limit` until one below `clear`. Values in
 * between change nothing, so a number that wavers around the limit does not raise an alert each time.
 *
 * @param options - `clear`: where it ends; when left out, as soon as a value is not above `limit`.
 */
export function above(
  limit: number,
  options: { readonly clear?: number } = {},
): OperatorFunction<number, boolean> {
  const { clear } = options;
  return pipe(
    scan(
      (isAbove: boolean, value: number) =>
        value > limit || (isAbove && clear !== undefined && value >= clear),
      false,
    ),
    distinctUntilChanged(),
  );
}

const PARTS = 60;

/**
 * The percentage of runs that failed within the last `windowMs` milliseconds, for a rule of `monitor.alert`.
 *
 * Time is that of the samples, so nothing happens between them; `monitor.checkAlerts()` gives one without a run. The window
 * moves in sixtieths of its length, so it holds at most 61 numbers however many runs there are.
 *
 * @param atLeast - With fewer runs than this in the window the rate is 0: one failure of one run is no trend.
 * @example
 * ```ts
 * monitor.alert('failing', (stats$) => stats$.pipe(failureRateOver(300_000, 5), above(30, { clear: 20 })));
 * ```
 */
export function failureRateOver(windowMs: number, atLeast = 1): OperatorFunction<StatsSample, number> {
  const partMs = windowMs / PARTS;
  return pipe(
    scan((parts: readonly Part[], { at, latest }: StatsSample): readonly Part[] => {
      const number = Math.floor(at / partMs);
      const current = parts.filter((part) => part.number > number - PARTS);
      if (latest === undefined) return current;
      const before = current.at(-1)?.number === number ? current.at(-1) : undefined;
      const part = {
        number,
        runs: (before?.runs ?? 0) + 1,
        failures: (before?.failures ?? 0) + (latest.success ? 0 : 1),
      };
      return [...(before === undefined ? current : current.slice(0, -1)), part];
    }, []),
    map((parts) => {
      const runs = parts.reduce((sum, part) => sum + part.runs, 0);
      const failures = parts.reduce((sum, part) => sum + part.failures, 0);
      return runs < atLeast ? 0 : percentOf(failures, runs);
    }),
  );
}

/** What ended within one sixtieth of the window. */
interface Part {
  readonly number: number;
  readonly runs: number;
  readonly failures: number;
}
