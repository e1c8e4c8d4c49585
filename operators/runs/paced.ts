import type { Observable } from 'rxjs';

import type { Pace } from '../../lib/streams/pace';
import { withPace } from '../../lib/streams/pace';
import type { Deferred, Pull, PullReceiver } from '../../lib/streams/pull';
import { deferred, iterate, pullFrom } from '../../lib/streams/pull';

/**
 * Iterates over a stream so that its runs go on only as fast as they are read: `for await` over `run(…)`, over `runEach(…)`, or over
 * either behind operators such as `partials()`. While nobody asks for the next item, a step begins no other step, and a function that
 * returns an iterable is asked for nothing more, so that no more waits than the steps under way have given.
 *
 * What pushes cannot be slowed down, and waits: `context.emit`, an Observable that an agent returns, a run on an engine, and runs that
 * an operator of RxJS begins later, such as `mergeMap`. Leaving the loop cancels what is under way. Each iteration is a subscription
 * of its own. The time limits of steps go on while nobody reads.
 *
 * @example
 * ```ts
 * for await (const { value } of paced(run(report, 'book.txt').pipe(partials<string>('write')))) await slowly(value);
 * ```
 */
export function paced<T>(source: Observable<T>): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]: () => iterate<T>((receiver) => new PacedPull(source, receiver)),
  };
}

class PacedPull<T> implements Pull, Pace {
  readonly #items: Pull;
  #wanted = 0;
  #isOver = false;
  #wait: Deferred<void> | undefined;

  constructor(source: Observable<T>, receiver: PullReceiver<T>) {
    const open = (): Pull =>
      pullFrom(source, {
        item: (value) => {
          this.#wanted -= 1;
          receiver.item(value as T);
        },
        end: () => {
          this.#end();
          receiver.end();
        },
        fail: (error) => {
          this.#end();
          receiver.fail(error);
        },
      });
    this.#items = withPace(this, open);
  }

  wait(): Promise<void> | undefined {
    if (this.#wanted > 0 || this.#isOver) return undefined;
    this.#wait ??= deferred();
    return this.#wait.promise;
  }

  next(): void {
    this.#wanted += 1;
    withPace(this, () => {
      this.#items.next();
    });
    // What had come too early may have been enough.
    if (this.#wanted > 0) this.#goOn();
  }

  stop(): void {
    try {
      this.#items.stop();
    } finally {
      this.#end();
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#goOn();
  }

  #goOn(): void {
    this.#wait?.resolve();
    this.#wait = undefined;
  }
}
