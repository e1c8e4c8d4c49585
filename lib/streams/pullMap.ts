import type { Observable, OperatorFunction } from 'rxjs';
import { mergeMap, Subscription } from 'rxjs';

import type { Pull, PULL, Pullable, PullReceiver } from './pull';
import { fromPull, pullOf } from './pull';

/**
 * `mergeMap` that carries demand: from a source that can be pulled it asks for an item only when there is room for it, and it
 * can be pulled itself. Any other source pushes as ever.
 */
export function pullMap<I, O>(
  project: (input: I, index: number) => Observable<O>,
  concurrency: number,
): OperatorFunction<I, O> {
  return (source) => {
    const pull = pullOf(source);
    return pull === undefined
      ? source.pipe(mergeMap(project, concurrency))
      : fromPull((receiver) => pullThrough(pull, project, concurrency, receiver));
  };
}

/** What is under way and what nobody has taken yet are together no more than `concurrency`. */
function pullThrough(
  pull: Pullable[typeof PULL],
  project: (input: never, index: number) => Observable<unknown>,
  concurrency: number,
  receiver: PullReceiver,
): Pull {
  const ready: unknown[] = [];
  const running = new Subscription();
  let active = 0;
  let index = 0;
  let wanted = 0;
  let isAsking = false;
  let isFilling = false;
  let hasEnded = false;
  let isOver = false;
  let finish: (() => void) | undefined;

  const flush = (): void => {
    while (wanted > 0 && ready.length > 0 && !isOver) {
      wanted -= 1;
      receiver.item(ready.shift());
    }
    if (wanted === 0 || finish === undefined || isOver) return;
    isOver = true;
    finish();
  };
  const fail = (error: unknown): void => {
    if (finish !== undefined) return;
    items.stop();
    running.unsubscribe();
    finish = () => {
      receiver.fail(error);
    };
    flush();
  };
  const fill = (): void => {
    if (isFilling) return;
    isFilling = true;
    while (finish === undefined && !hasEnded && !isAsking && !isOver && active + ready.length < concurrency) {
      isAsking = true;
      items.next();
    }
    isFilling = false;
  };
  const settle = (): void => {
    if (hasEnded && active === 0) {
      finish ??= () => {
        receiver.end();
      };
    }
    flush();
    fill();
  };
  const take = (item: unknown): void => {
    active += 1;
    const one = new Subscription();
    running.add(one);
    const leave = (): void => {
      active -= 1;
      running.remove(one);
    };
    let answers: Observable<unknown>;
    try {
      answers = project(item as never, index++);
    } catch (error) {
      fail(error);
      return;
    }
    one.add(
      answers.subscribe({
        next(value) {
          ready.push(value);
          flush();
        },
        error: fail,
        complete() {
          leave();
          settle();
        },
      }),
    );
  };

  const items = pull({
    item(item) {
      isAsking = false;
      take(item);
      settle();
    },
    end() {
      isAsking = false;
      hasEnded = true;
      settle();
    },
    fail,
  });
  return {
    next() {
      wanted += 1;
      settle();
    },
    stop() {
      isOver = true;
      items.stop();
      running.unsubscribe();
    },
  };
}
