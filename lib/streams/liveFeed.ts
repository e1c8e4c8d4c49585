import type { Subscriber } from 'rxjs';
import { Observable } from 'rxjs';

import type { Live, Pull, PullReceiver, Stop } from './pull';
import { PULL } from './pull';

/** The partial results of one attempt of a step, for those who read them live. */
export interface LiveFeed {
  /** One more. Where a Promise comes back, it settles when all who iterate have taken it. */
  push(value: unknown): void | Promise<void>;
  end(): void;
  fail(error: unknown): void;
  /** A stream of everything from the beginning, for one reader. `leave` ends it, and with it what it asked for. */
  open(): { readonly stream: Live<unknown>; readonly leave: Stop };
}

/** Keeps what was given, so that every reader, at any time, gets all of it. */
export function liveFeed(): LiveFeed {
  const items: unknown[] = [];
  const readers = new Set<Reader>();
  const subscribers = new Set<Subscriber<unknown>>();
  let finish: ((receiver: PullReceiver) => void) | undefined;
  let taken: Deferred<void> | undefined;

  const relieve = (): void => {
    if (taken === undefined || [...readers].some(({ position }) => position < items.length)) return;
    taken.resolve();
    taken = undefined;
  };

  const finishWith = (
    how: (receiver: PullReceiver) => void,
    tell: (to: Subscriber<unknown>) => void,
  ): void => {
    if (finish !== undefined) return;
    finish = how;
    for (const reader of [...readers]) reader.look();
    for (const subscriber of [...subscribers]) tell(subscriber);
    subscribers.clear();
  };

  const read = (receiver: PullReceiver): Pull => {
    let isWaiting = false;
    const reader: Reader = {
      position: 0,
      look() {
        if (!isWaiting) return;
        if (reader.position < items.length) {
          isWaiting = false;
          reader.position += 1;
          receiver.item(items[reader.position - 1]);
          relieve();
        } else if (finish !== undefined) {
          isWaiting = false;
          readers.delete(reader);
          finish(receiver);
        }
      },
    };
    readers.add(reader);
    return {
      next() {
        isWaiting = true;
        reader.look();
      },
      stop() {
        isWaiting = false;
        readers.delete(reader);
        relieve();
      },
    };
  };

  return {
    push(value) {
      items.push(value);
      for (const subscriber of [...subscribers]) subscriber.next(value);
      for (const reader of [...readers]) reader.look();
      if (![...readers].some(({ position }) => position < items.length)) return undefined;
      taken ??= deferred();
      return taken.promise;
    },
    end() {
      finishWith(
        (receiver) => {
          receiver.end();
        },
        (subscriber) => {
          subscriber.complete();
        },
      );
    },
    fail(error) {
      finishWith(
        (receiver) => {
          receiver.fail(error);
        },
        (subscriber) => {
          subscriber.error(error);
        },
      );
    },
    open() {
      const leaves = new Set<Stop>();
      const stream = new Observable<unknown>((subscriber) => {
        for (let at = 0; at < items.length && !subscriber.closed; at += 1) subscriber.next(items[at]);
        if (finish !== undefined) {
          finish({
            item: () => undefined,
            end: () => {
              subscriber.complete();
            },
            fail: (error) => {
              subscriber.error(error);
            },
          });
          return undefined;
        }
        subscribers.add(subscriber);
        const leave = (): void => {
          subscriber.complete();
        };
        leaves.add(leave);
        return () => {
          subscribers.delete(subscriber);
          leaves.delete(leave);
        };
      });
      const pull = (receiver: PullReceiver): Pull => {
        const inner = read(receiver);
        const leave = (): void => {
          stop();
          receiver.end();
        };
        const stop = (): void => {
          leaves.delete(leave);
          inner.stop();
        };
        leaves.add(leave);
        return {
          next() {
            inner.next();
          },
          stop,
        };
      };
      return {
        stream: Object.assign(stream, {
          [PULL]: pull,
          [Symbol.asyncIterator]: () => iteratorOf(pull),
        }),
        leave() {
          for (const leave of [...leaves]) leave();
        },
      };
    },
  };
}

interface Reader {
  /** How many items it has taken. */
  position: number;
  /** Gives it what it waits for, if that is there. */
  look(): void;
}

function iteratorOf(pull: (receiver: PullReceiver) => Pull): AsyncIterator<unknown> {
  type Waiting = Deferred<IteratorResult<unknown>>;
  const waiting: Waiting[] = [];
  let isOver = false;
  const end = (settle: (first: Waiting) => void): void => {
    isOver = true;
    const [first, ...others] = waiting.splice(0);
    if (first !== undefined) settle(first);
    for (const other of others) other.resolve({ done: true, value: undefined });
  };
  const items = pull({
    item(value) {
      waiting.shift()?.resolve({ done: false, value });
      if (waiting.length > 0) items.next();
    },
    end() {
      end((first) => {
        first.resolve({ done: true, value: undefined });
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
      if (isOver) return Promise.resolve({ done: true, value: undefined });
      const wanted: Waiting = deferred();
      waiting.push(wanted);
      if (waiting.length === 1) items.next();
      return wanted.promise;
    },
    async return() {
      items.stop();
      end((first) => {
        first.resolve({ done: true, value: undefined });
      });
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

// Promise.withResolvers() is not there in Node 20.
function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, 'resolve' | 'reject'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...(settle as unknown as Pick<Deferred<T>, 'resolve' | 'reject'>) };
}
