import type { MonoTypeOperatorFunction } from 'rxjs';

import type { TapOptions } from './tap';
import { sideEffect } from './tap';

/**
 * A tap of your own: shows every item to a function and passes it on, unchanged and in order.
 *
 * Unlike RxJS's `tap`, what the function throws, rejects or never answers changes nothing in the stream.
 *
 * @example
 * ```ts
 * run(report, 'book.txt').pipe(watch(({ event }) => socket.send(JSON.stringify(event))), outputs());
 * ```
 */
export function watch<T>(
  watcher: (item: T) => unknown,
  options: TapOptions = {},
): MonoTypeOperatorFunction<T> {
  return sideEffect('watch', () => ({ next: watcher }), options);
}
