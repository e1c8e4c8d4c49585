import type { OperatorFunction } from 'rxjs';

import { checkFunction, yesOrNo } from '../../lib/definition/checks';
import { checkedKey } from './internal/checkedItems';
import type { RememberOptions } from './internal/remember';
import { remember } from './internal/remember';

/**
 * Keeps the latest item of each key, also over restarts. Emits all of them after each item: one map, which changes with every item, by
 * key in the order of the latest items. An item of which `isGone` says so removes its key. Items are plain JSON.
 *
 * @throws InvalidArgumentError (in the stream) when the key of an item is not a string.
 */
export function latestBy<T>(
  name: string,
  key: (item: T) => string,
  options: RememberOptions & { readonly isGone?: (item: T) => boolean } = {},
): OperatorFunction<T, ReadonlyMap<string, T>> {
  checkFunction(name, 'the key', key);
  return remember<T, ReadonlyMap<string, T>>(name, options, (table) => ({
    next(item, emit) {
      const own = checkedKey(name, key(item));
      if (options.isGone !== undefined && yesOrNo(options.isGone(item), `isGone of "${name}"`))
        table.delete(own);
      else table.set(own, item);
      emit(table.rows as ReadonlyMap<string, T>);
    },
  }));
}
