import { isObservable, Observable, takeWhile } from 'rxjs';

import { InvalidArgumentError } from '../model/failure';
import { Fifo } from './fifo';
import { carried, deliver } from './streamItem';

/** Stops what is under way; calling it again does nothing. */
export type Stop = () => void;

/**
 * A source that makes an item only when it is asked for one. This library takes items from every source in this form.
 *
 * A receiver may ask for the next item from within `item()`; the item comes after that call has returned. So the source loops,
 * and many items never deepen the stack.
 */
export interface Pull {
  /** Asks for one more item. The first item may come within this call. */
  next(): void;
  /** Releases the source; nothing comes after this call. */
  stop(): void;
}

/** Who takes the items. `end` and `fail` answer a `next()` for which there is no item. */
export interface PullReceiver<T = unknown> {
  item(value: T): void;
  end(): void;
  fail(error: unknown): void;
}

/** Begins to take items. Nothing comes before the first `next()`. */
export type OpenPull<T = unknown> = (receiver: PullReceiver<T>) => Pull;

/** An Observable that can also be asked for items one by one. */
export interface Pullable {
  readonly [PULL]: OpenPull;
}

/** The key of a `Pullable`. Registered, so that two copies of this package agree. */
export const PULL: unique symbol = Symbol.for('millrace.pull') as never;

/** How to ask this source for items; undefined when it can only push them. */
export function pullOf(source: unknown): OpenPull | undefined {
  return typeof source === 'object' && source !== null ? (source as Partial<Pullable>)[PULL] : undefined;
}

/**
 * The partial results of a step that is still under way, from its first one on. Iterating
 * (`for await`) slows the step down to the pace of the reader; a subscriber gets everything as it comes.
 */
export interface Live<out P> extends Observable<P>, AsyncIterable<P> {
  // An interface of its own, which the compiler compares by `P` alone.
  /** The values as they come. */
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
 * Takes items from a stream one by one. An iterable makes an item only when it is asked for one, and its `return()` is called
 * on `stop()`. An Observable is subscribed to with the first `next()`. It pushes: values that come too early wait, and so does
 * its end.
 */
export function pullFrom(source: object, receiver: PullReceiver): Pull {
  const pull = pullOf(source);
  if (pull !== undefined) return pull(receiver);
  if (isObservable(source)) return new ObservablePull(source, receiver);
  return new IteratorPull(source as AnyIterable, receiver);
}

type AnyIterable = Iterable<unknown> | AsyncIterable<unknown>;

/** Takes from an iterable or async iterable. */
class IteratorPull implements Pull {
  readonly #source: AnyIterable;
  readonly #receiver: PullReceiver;
  readonly #isAsync: boolean;
  #iterator: Iterator<unknown> | AsyncIterator<unknown> | undefined;
  #wanted = 0;
  #isMaking = false;
  #isOver = false;

  constructor(source: AnyIterable, receiver: PullReceiver) {
    this.#source = source;
    this.#receiver = receiver;
    this.#isAsync = Symbol.asyncIterator in source;
  }

  next(): void {
    this.#wanted += 1;
    if (this.#isMaking) return;
    this.#isMaking = true;
    try {
      while (this.#wanted > 0 && !this.#isOver) {
        this.#wanted -= 1;
        this.#make();
      }
    } finally {
      this.#isMaking = false;
    }
  }

  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#iterator !== undefined) returnIterator(this.#iterator);
  }

  #make(): void {
    let result: unknown;
    try {
      this.#iterator ??= this.#open();
      result = this.#iterator.next();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#isAsync) Promise.resolve(result).then(this.#takeLater, this.#fail);
    else this.#take(result);
  }

  #open(): Iterator<unknown> | AsyncIterator<unknown> {
    return this.#isAsync
      ? (this.#source as AsyncIterable<unknown>)[Symbol.asyncIterator]()
      : (this.#source as Iterable<unknown>)[Symbol.iterator]();
  }

  /** Nobody stands above a Promise that could hear what the receiver throws. */
  readonly #takeLater = (result: unknown): void => {
    try {
      this.#take(result);
    } catch (error) {
      if (this.#iterator !== undefined && !this.#isOver) returnIterator(this.#iterator);
      this.#fail(error);
    }
  };

  #take(result: unknown): void {
    if (this.#isOver) return;
    let item: { readonly value: unknown } | undefined;
    try {
      item = itemIn(result);
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (item !== undefined) this.#receiver.item(item.value);
    else {
      this.#isOver = true;
      this.#receiver.end();
    }
  }

  readonly #fail = (error: unknown): void => {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#receiver.fail(error);
  };
}

/** The next item of an iterator; undefined at its end. Written by hand, an iterator may give anything. */
function itemIn(result: unknown): { readonly value: unknown } | undefined {
  if (typeof result !== 'object' || result === null) {
    throw new InvalidArgumentError(
      `Cannot take the next item of an iterator: its next() gave ${result === null ? 'null' : typeof result}`,
      'let next() give { done, value }',
    );
  }
  const { done, value } = result as { readonly done?: unknown; readonly value?: unknown };
  return done === true ? undefined : { value };
}

/** Calls `return()` of an iterator, without waiting for a value under way. */
export function returnIterator(iterator: Iterator<unknown> | AsyncIterator<unknown>): void {
  try {
    Promise.resolve(iterator.return?.()).catch(() => undefined);
  } catch {
    // Nobody is left who could be told.
  }
}

/** Takes from an Observable. */
class ObservablePull implements Pull {
  readonly #source: Observable<unknown>;
  readonly #receiver: PullReceiver;
  readonly #early = new Fifo<unknown>();
  #subscription: { unsubscribe(): void } | undefined;
  #wanted = 0;
  #isGiving = false;
  #isOver = false;
  #finish: (() => void) | undefined;

  constructor(source: Observable<unknown>, receiver: PullReceiver) {
    this.#source = source;
    this.#receiver = receiver;
  }

  next(): void {
    this.#wanted += 1;
    if (this.#subscription === undefined) this.#subscribe();
    else this.#give();
  }

  stop(): void {
    this.#isOver = true;
    this.#early.clear();
    this.#subscription?.unsubscribe();
  }

  #subscribe(): void {
    // The values that come while this subscribes may be enough.
    this.#subscription = { unsubscribe: () => undefined };
    // Checked after each item: the receiver may stop while an endless source is still subscribing.
    const wanted = this.#source.pipe(
      takeWhile((value) => {
        this.#early.push(carried(value));
        this.#give();
        return !this.#isOver;
      }),
    );
    this.#subscription = wanted.subscribe({
      error: (error: unknown) => {
        this.#end(() => {
          this.#receiver.fail(error);
        });
      },
      complete: () => {
        this.#end(() => {
          this.#receiver.end();
        });
      },
    });
    if (this.#isOver) this.#subscription.unsubscribe();
  }

  readonly #item = (value: unknown): void => {
    this.#receiver.item(value);
  };

  #end(finish: () => void): void {
    this.#finish = finish;
    this.#give();
  }

  #give(): void {
    if (this.#isGiving) return;
    this.#isGiving = true;
    try {
      while (this.#wanted > 0 && this.#early.length > 0) {
        this.#wanted -= 1;
        deliver(this.#early.shift(), this.#item);
      }
      if (this.#wanted === 0 || this.#finish === undefined || this.#isOver) return;
      this.#isOver = true;
      this.#finish();
    } finally {
      this.#isGiving = false;
    }
  }
}

/** An Observable that pulls everything as fast as it comes. */
export function pushAll<T>(open: OpenPull<T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    const items = open({
      item(value) {
        subscriber.next(value);
        if (!subscriber.closed) items.next();
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
    items.next();
  });
}

/** An Observable over a pull source. It can still be pulled item by item; a plain subscriber gets everything at once. */
export function fromPull<T>(open: OpenPull<T>): Observable<T> {
  return Object.assign(pushAll(open), { [PULL]: open });
}

/** Iterates over a pull source: asks for an item when `next()` is called, and not before. */
export function iterate<T>(open: OpenPull<T>): AsyncIterator<T> {
  const waiting = new Fifo<Deferred<IteratorResult<T>>>();
  const over = { done: true, value: undefined } as const;
  let isOver = false;
  const end = (settle: (first: Deferred<IteratorResult<T>>) => void): void => {
    isOver = true;
    if (waiting.length > 0) settle(waiting.shift());
    while (waiting.length > 0) waiting.shift().resolve(over);
  };
  const items = open({
    item(value) {
      waiting.shift().resolve({ done: false, value });
      if (waiting.length > 0) items.next();
    },
    end() {
      end((first) => {
        first.resolve(over);
      });
    },
    fail(error) {
      end((first) => {
        first.reject(error);
      });
    },
  });
  return {
    async next() {
      if (isOver) return Promise.resolve(over);
      const wanted = deferred<IteratorResult<T>>();
      waiting.push(wanted);
      if (waiting.length === 1) items.next();
      return wanted.promise;
    },
    async return() {
      try {
        items.stop();
      } finally {
        end((first) => {
          first.resolve(over);
        });
      }
      return Promise.resolve(over);
    },
  };
}

/** A Promise and how to settle it. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** `Promise.withResolvers()`, which is not there in Node 20. */
export function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...(settle as unknown as Pick<Deferred<T>, 'resolve' | 'reject'>) };
}
