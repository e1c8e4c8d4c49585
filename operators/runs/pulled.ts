import type { Observable } from 'rxjs';

import { fromPull, pullFrom } from '../../lib/streams/pull';

/**
 * An Observable of an iterable, such as a generator, a Node stream or a web stream, from which an item is only taken when there
 * is room for it. RxJS's own `from()` takes them all at once.
 *
 * Room is asked for by what stands directly behind it: `runEach`, an agent, or `each` when it is the input. Any other operator
 * gets everything as it comes. What can be read once, such as a generator or a Node stream, is: a second subscriber gets what the first
 * has left.
 *
 * @example
 * ```ts
 * pulled(createReadStream('big.csv').pipe(parse())).pipe(runEach(importRow, { concurrency: 4 })).subscribe();
 * ```
 */
export function pulled<T>(source: Iterable<T> | AsyncIterable<T>): Observable<T> {
  return fromPull((receiver) => pullFrom(source, receiver));
}
