import type { OperatorFunction } from 'rxjs';

import { checkFunction } from '../../lib/definition/checks';
import type { RememberOptions } from './internal/remember';
import { remember } from './internal/remember';

/**
 * Keeps the latest item of each key, also over restarts. Emits all of them after each item: one map, which changes with every item, by
 * key in the order of the latest items. An item of which `isGone` says so removes its key. Items are plain JSON.
 */
export function latestBy<T>(
  name: string,
  key: (item: T) => string,
  options: RememberOptions & { readonly isGone?: (item: T) => boolean } = {},
): OperatorFunction<T, ReadonlyMap<string, T>> {
  checkFunction(name, 'the key', key);
  return remember<T, ReadonlyMap<string, T>>(name, options, (table) => ({
    next(item, emit) {
      if (options.isGone?.(item) === true) table.delete(key(item));
      else table.set(key(item), item);
      emit(table.rows as ReadonlyMap<string, T>);
    },
  }));
}
