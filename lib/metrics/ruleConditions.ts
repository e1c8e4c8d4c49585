import type { Observable, OperatorFunction } from 'rxjs';
import { defer, distinctUntilChanged, map, pipe, scan, tap } from 'rxjs';

import { InvalidArgumentError } from '../model/failure';
import type { StatsSample } from './alert';
import { percentOf } from './figures';
import { comparisonTold, memoryCell } from './ruleMemory';

/**
 * Whether a number is too high, with hysteresis: true from the first value above `limit` until one below `clear`. Values in
 * between change nothing, so a number that wavers around the limit does not raise an alert each time; nor does a restart,
 * where the monitor is saved. NaN, such as a share of nothing, changes nothing either.
 *
 * @param options - `clear`: where it ends; when left out, as soon as a value is not above `limit`.
 * @throws InvalidArgumentError when `limit` or `clear` is not a number, or `clear` is above `limit`.
 */
export function above(
  limit: number,
  options: { readonly clear?: number } = {},
): OperatorFunction<number, boolean> {
  const { clear } = options;
  if (!Number.isFinite(limit)) throw refused(`Cannot watch for values above ${limit}`, 'give a number');
  if (clear !== undefined && !(Number.isFinite(clear) && clear <= limit))
    throw refused(
      `Cannot watch for values above ${limit} until they are below ${clear}`,
      `give a number up to ${limit}`,
    );
  const isTooHigh = (isAbove: boolean, value: number): boolean =>
    value > limit || (isAbove && (Number.isNaN(value) || (clear !== undefined && value >= clear)));
  return pipe(
    (source: Observable<number>) =>
      defer(() => {
        const told = comparisonTold();
        return source.pipe(
          tap((value) => {
            told({ value, limit });
          }),
        );
      }),
    remembered(isTooHigh, false, (saved) => (typeof saved === 'boolean' ? saved : undefined)),
    distinctUntilChanged(),
  );
}

const PARTS = 60;

/**
 * The percentage of runs that failed within the last `windowMs` milliseconds, for a rule of `monitor.alert`.
 *
 * Time is that of the samples, so nothing happens between them; `monitor.checkAlerts()` gives one without a run. The window
 * moves in sixtieths of its length, so it holds at most 60 numbers however many runs there are. It is saved with the monitor. When
 * the clock is set back, what ended before counts as if it had ended just then.
 *
 * @param atLeast - With fewer runs than this in the window the rate is 0: one failure of one run is no trend.
 * @throws InvalidArgumentError when `windowMs` is not a number above 0, or `atLeast` not a whole number from 1.
 * @example
 * ```ts
 * monitor.alert('failing', (stats$) => stats$.pipe(failureRateOver(300_000, 5), above(30, { clear: 20 })));
 * ```
 */
export function failureRateOver(windowMs: number, atLeast = 1): OperatorFunction<StatsSample, number> {
  if (!(Number.isFinite(windowMs) && windowMs > 0))
    throw refused(`Cannot look at the last ${windowMs} ms`, 'give a number above 0');
  if (!Number.isInteger(atLeast) || atLeast < 1)
    throw refused(`Cannot wait for at least ${atLeast} runs`, 'give a whole number from 1');
  const partMs = windowMs / PARTS;
  const take = (parts: readonly Part[], { at, latest }: StatsSample): readonly Part[] => {
    const number = Math.floor(at / partMs);
    const current = upTo(number, parts).filter((part) => part.number > number - PARTS);
    if (latest === undefined) return current;
    const before = current.at(-1)?.number === number ? current.at(-1) : undefined;
    const part = {
      number,
      runs: (before?.runs ?? 0) + 1,
      failures: (before?.failures ?? 0) + (latest.success ? 0 : 1),
    };
    return [...(before === undefined ? current : current.slice(0, -1)), part];
  };
  return pipe(
    remembered(take, [], partsOf),
    map((parts) => {
      const { runs, failures } = sumOf(parts);
      return runs < atLeast ? 0 : percentOf(failures, runs);
    }),
  );
}

function refused(problem: string, next: string): InvalidArgumentError {
  return new InvalidArgumentError(problem, next);
}

/** `scan` whose accumulator rests in the memory of the rule. `read` gives it back, or undefined for what is not one. */
function remembered<T, A>(
  accumulate: (accumulated: A, item: T) => A,
  initial: A,
  read: (saved: unknown) => A | undefined,
): OperatorFunction<T, A> {
  return (source) =>
    defer(() => {
      const cell = memoryCell();
      return source.pipe(
        scan(accumulate, read(cell.saved) ?? initial),
        tap((accumulated: A) => {
          cell.keep(accumulated);
        }),
      );
    });
}

/** What ended within one sixtieth of the window. */
interface Part {
  readonly number: number;
  readonly runs: number;
  readonly failures: number;
}

/** The parts up to this one. Later ones are of a clock that was set back: left as they are, they would stay for as long as that. */
function upTo(number: number, parts: readonly Part[]): readonly Part[] {
  if ((parts.at(-1)?.number ?? number) <= number) return parts;
  const now = sumOf(parts.filter((part) => part.number >= number));
  return [...parts.filter((part) => part.number < number), { number, ...now }];
}

function sumOf(parts: readonly Part[]): Omit<Part, 'number'> {
  return {
    runs: parts.reduce((sum, part) => sum + part.runs, 0),
    failures: parts.reduce((sum, part) => sum + part.failures, 0),
  };
}

function partsOf(saved: unknown): readonly Part[] | undefined {
  return Array.isArray(saved) && saved.length <= PARTS + 1 && saved.every(isPart) ? saved : undefined;
}

function isPart(saved: unknown): saved is Part {
  if (typeof saved !== 'object' || saved === null) return false;
  const { number, runs, failures } = saved as Partial<Part>;
  return [number, runs, failures].every(Number.isFinite);
}
