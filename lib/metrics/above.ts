import { distinctUntilChanged, pipe, scan } from 'rxjs';
import type { OperatorFunction } from 'rxjs';

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
