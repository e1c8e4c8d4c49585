import type { Observable } from 'rxjs';

import type { Wire } from './wire';
import { wireOf } from './wire';

/**
 * The partial results of a step that is still under way, from its first one on. Only iterating (`for await`) slows the step
 * down to the pace of the reader; a subscriber gets everything as it comes.
 */
export interface Live<out P> extends Observable<P>, AsyncIterable<P> {
  // An interface of its own, which the compiler compares by `P` alone.
  readonly [Symbol.asyncIterator]: () => AsyncIterator<P>;
}

/**
 * Reads a step while it runs: the step that reads this starts when that one *starts*, and gets its partial results as a
 * stream. It ends when the step completes, fails when the step fails, and is empty when the step is skipped.
 *
 * The partial results are saved with the output, so a reader that is resumed gets all of them again. When the step that
 * gives them is called again, after a failure or a crash, its readers begin anew.
 *
 * The type of a partial result is inferred from the stream that the agent's function returns; say it where it calls
 * `ctx.emit`: `live<Token>(answer)`.
 *
 * @example
 * const text = step('write', write, topic);
 * step('speak', async (words) => { for await (const word of words) await say(word); }, live(text));
 */
export function live<T, P>(wire: Wire<T, P>): Wire<Live<NoInfer<P>>>;
export function live<P>(wire: Wire<unknown>): Wire<Live<P>>;
export function live<P>(wire: Wire<unknown>): Wire<Live<P>> {
  return wireOf({ kind: 'live', of: wire });
}
