import type { MonoTypeOperatorFunction } from 'rxjs';

import { checkFunction } from '../../lib/definition/checks';
import { checkedKey, checkedTime, checkLimit } from './internal/checkedItems';
import type { RememberOptions } from './internal/remember';
import { remember } from './internal/remember';
import { Keys } from './scanned';

/** How long a key is remembered. */
export interface DedupedOptions<T> extends RememberOptions {
  /** Milliseconds for which an item keeps others with its key out; for ever when left out. */
  readonly withinMs?: number;
  /** The time of an item, epoch milliseconds; the clock's when left out. */
  readonly at?: (item: T) => number;
}

/**
 * Lets the first item of each key pass, also over restarts.
 *
 * @throws DefinitionError when `withinMs` is not a number from 0.
 * @throws InvalidArgumentError (in the stream) when the key of an item is not a string, or its time is not a number.
 */
export function deduped<T>(
  name: string,
  key: (item: T) => string,
  options: DedupedOptions<T> = {},
): MonoTypeOperatorFunction<T> {
  checkFunction(name, 'the key', key);
  const { withinMs = Infinity, at } = options;
  checkLimit(name, 'withinMs', withinMs);
  return remember<T, T>(name, options, (table, session) => {
    // The first item counts, not the latest: what is let pass again after a while must not depend on what was kept out.
    const keys = new Keys(table, { ttlMs: withinMs });
    return {
      next(item, emit) {
        const now = at === undefined ? session.now() : checkedTime(name, at(item));
        keys.evict(now);
        const own = checkedKey(name, key(item));
        if (table.has(own)) return;
        keys.touch(own, now, {});
        emit(item);
      },
    };
  });
}
