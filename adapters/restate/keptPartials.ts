import { jsonValue } from '../../lib/codec/json';
import { StateValueError } from '../../lib/codec/stateValueError';
import { jsonBytes } from './jsonBytes';
import { LARGEST_VALUE } from './limits';

/** The partial results of one call that are kept with its answer. */
export interface KeptPartials {
  readonly values: readonly unknown[];
  /**
   * Takes one more, and gives it in the form in which it is kept.
   *
   * @throws StateValueError when it cannot be kept, or all of them together are too large.
   */
  add(value: unknown): unknown;
}

/** @param path - Path of the step that gives them. */
export function keptPartials(path: string): KeptPartials {
  const values: unknown[] = [];
  let bytes = 0;
  return {
    values,
    add(value) {
      const kept = jsonValue(value, path, { bytes: LARGEST_VALUE });
      bytes += jsonBytes(kept);
      if (bytes > LARGEST_VALUE) {
        const why = `larger than ${LARGEST_VALUE} bytes together with the partial results before it, which another step reads`;
        throw new StateValueError(path, '', why);
      }
      values.push(kept);
      return kept;
    },
  };
}
