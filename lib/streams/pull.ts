import { isObservable, Observable } from 'rxjs';

/** Stops what is under way; calling it again does nothing. */
export type Stop = () => void;

/** Taking items from a source one by one: nothing is made before somebody asks for it. */
export interface Pull {
  /** Asks for one more item. It may come within this call. */
  next(): void;
  /** Nobody wants more: gives the source back, and nothing comes any more. */
  stop(): void;
}

/** Who takes the items. */
export interface PullReceiver {
  item(value: unknown): void;
  end(): void;
  fail(error: unknown): void;
}

/** A source that knows how to be asked for items, though it looks like any Observable. */
export interface Pullable {
  readonly [PULL]: (receiver: PullReceiver) => Pull;
}

/** The key of a `Pullable`. Registered, so that two copies of this package agree. */
export const PULL: unique symbol = Symbol.for('millrace.pull') as never;

/** How to ask this source for items; undefined when it can only push them. */
export function pullOf(source: unknown): Pullable[typeof PULL] | undefined {
  return typeof source === 'object' && source !== null ? (source as Partial<Pullable>)[PULL] : undefined;
}

/**
 * The partial results of a step that is still under way, from its first one on. Only iterating (`for await`) slows the step
 * down to the pace of the reader; a subscriber gets everything as it comes.
 */
export interface Live<out P> extends Observable<P>, AsyncIterable<P> {
  // An interface of its own, which the compiler compares by `P` alone.
  readonly [Symbol.asyncIterator]: () => AsyncIterator<P>;
}

/** What items can be taken from. */
export type Stream = Observable<unknown> | AsyncIterable<unknown> | Iterable<unknown>;

/** Whether a value gives its items over time, so that it can neither be saved nor be read twice. Arrays are data. */
export function isStream(value: unknown): value is Stream & object {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    (isObservable(value) || Symbol.asyncIterator in value || isIterator(value))
  );
}

/** Sets and maps are iterable too, but hold their items: those are values like any other. */
function isIterator(value: object): boolean {
  return Symbol.iterator in value && typeof (value as { readonly next?: unknown }).next === 'function';
}

/**
 * Takes items from a stream one by one. An iterable makes an item only when it is asked for one, and is returned when
 * nobody wants more. An Observable pushes: what comes too early waits.
 */
export function pullFrom(source: object, receiver: PullReceiver): Pull {
  const pull = pullOf(source);
  if (pull !== undefined) return pull(receiver);
  if (isObservable(source)) return pullObservable(source, receiver);
  if (Symbol.asyncIterator in source) return pullAsync(source as AsyncIterable<unknown>, receiver);
  return pullSync(source as Iterable<unknown>, receiver);
}

function pullSync(source: Iterable<unknown>, receiver: PullReceiver): Pull {
  let iterator: Iterator<unknown> | undefined;
  let isOver = false;
  return {
    next() {
      if (isOver) return;
      let result: IteratorResult<unknown>;
      try {
        iterator ??= source[Symbol.iterator]();
        result = iterator.next();
      } catch (error) {
        isOver = true;
        receiver.fail(error);
        return;
      }
      if (result.done !== true) receiver.item(result.value);
      else {
        isOver = true;
        receiver.end();
      }
    },
    stop() {
      if (isOver) return;
      isOver = true;
      try {
        iterator?.return?.();
      } catch {
        // Nobody is left who could be told.
      }
    },
  };
}

function pullAsync(source: AsyncIterable<unknown>, receiver: PullReceiver): Pull {
  let iterator: AsyncIterator<unknown> | undefined;
  let isOver = false;
  const fail = (error: unknown): void => {
    if (isOver) return;
    isOver = true;
    receiver.fail(error);
  };
  const take = (result: IteratorResult<unknown>): void => {
    if (isOver) return;
    if (result.done !== true) receiver.item(result.value);
    else {
      isOver = true;
      receiver.end();
    }
  };
  return {
    next() {
      if (isOver) return;
      try {
        iterator ??= source[Symbol.asyncIterator]();
        iterator.next().then(take, fail);
      } catch (error) {
        fail(error);
      }
    },
    stop() {
      if (isOver) return;
      isOver = true;
      try {
        iterator?.return?.().catch(() => undefined);
      } catch {
        // Nobody is left who could be told.
      }
    },
  };
}

function pullObservable(source: Observable<unknown>, receiver: PullReceiver): Pull {
  const early: unknown[] = [];
  let first = 0;
  let wanted = 0;
  let finish: (() => void) | undefined;
  let isOver = false;
  const end = (how: () => void): void => {
    finish = () => {
      isOver = true;
      how();
    };
    if (wanted > 0 && !isOver) finish();
  };
  const subscription = source.subscribe({
    next(value) {
      if (isOver) return;
      if (wanted === 0) early.push(value);
      else {
        wanted -= 1;
        receiver.item(value);
      }
    },
    error(error: unknown) {
      end(() => {
        receiver.fail(error);
      });
    },
    complete() {
      end(() => {
        receiver.end();
      });
    },
  });
  return {
    next() {
      if (isOver) return;
      if (first < early.length) {
        const value = early[first];
        early[first] = undefined;
        first += 1;
        if (first === early.length) early.length = first = 0;
        receiver.item(value);
      } else if (finish === undefined) wanted += 1;
      else finish();
    },
    stop() {
      isOver = true;
      early.length = 0;
      subscription.unsubscribe();
    },
  };
}

/** An Observable of what can be pulled: it can be asked for items one by one, and gives all at once to who only subscribes. */
export function fromPull<T>(pull: (receiver: PullReceiver) => Pull): Observable<T> {
  const all = new Observable<T>((subscriber) => {
    let isWanted = false;
    let isAsking = false;
    // A loop, because an item may come within the call that asks for it.
    const ask = (): void => {
      isWanted = true;
      if (isAsking) return;
      isAsking = true;
      while (wants()) {
        isWanted = false;
        items.next();
      }
      isAsking = false;
    };
    const wants = (): boolean => isWanted && !subscriber.closed;
    const items = pull({
      item(value) {
        subscriber.next(value as T);
        ask();
      },
      end() {
        subscriber.complete();
      },
      fail(error) {
        subscriber.error(error);
      },
    });
    subscriber.add(() => {
      items.stop();
    });
    ask();
  });
  return Object.assign(all, { [PULL]: pull });
}
