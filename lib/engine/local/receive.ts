import { isObservable, takeWhile } from 'rxjs';

import type { Stop } from '../../streams/pull';

/** Who takes what an agent's function gives. */
export interface Receiver {
  /** True when nothing more is taken. */
  readonly isOver: boolean;
  /** One value of a stream. Where a Promise comes back, the next value of an iterable is only asked for afterwards. */
  value(value: unknown): void | Promise<void>;
  /** The stream has ended. */
  end(): void;
  /** A plain value: the one answer. */
  answer(value: unknown): void;
  fail(error: unknown): void;
}

/**
 * Takes in whatever an agent's function returned: a value, a Promise, an Observable, an AsyncIterable, or a Promise of
 * those. Arrays and strings are values.
 *
 * An iterable is asked for its next value only when the one before has been taken. The function that comes back stops it
 * at once: it unsubscribes, or returns the iterator without waiting for a value under way. Nothing is received after that.
 */
export function receive(answer: unknown, receiver: Receiver): Stop | undefined {
  if ((typeof answer !== 'object' && typeof answer !== 'function') || answer === null) {
    receiver.answer(answer);
    return undefined;
  }
  if (isPromise(answer)) return receivePromise(answer, receiver);
  if (isObservable(answer)) {
    // Looked at after each value: whoever has enough may say so while an endless stream is still subscribing.
    const wanted = answer.pipe(
      takeWhile((value) => {
        void receiver.value(value);
        return !receiver.isOver;
      }),
    );
    const subscription = wanted.subscribe({
      error: (error: unknown) => {
        receiver.fail(error);
      },
      complete: () => {
        if (!receiver.isOver) receiver.end();
      },
    });
    return () => {
      subscription.unsubscribe();
    };
  }
  if (Symbol.asyncIterator in answer) return receiveIterable(answer as AsyncIterable<unknown>, receiver);
  receiver.answer(answer);
  return undefined;
}

function isPromise(value: object): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown }).then === 'function';
}

function receivePromise(promise: PromiseLike<unknown>, receiver: Receiver): Stop {
  let isStopped = false;
  let stopInner: Stop | undefined;
  promise.then(
    (answer) => {
      if (isStopped) {
        abandon(answer);
        receiver.answer(undefined);
        return;
      }
      try {
        stopInner = receive(answer, receiver);
      } catch (error) {
        receiver.fail(error);
      }
    },
    (error: unknown) => {
      receiver.fail(error);
    },
  );
  return () => {
    isStopped = true;
    stopInner?.();
  };
}

function receiveIterable(iterable: AsyncIterable<unknown>, receiver: Receiver): Stop {
  const iterator = iterable[Symbol.asyncIterator]();
  let isStopped = false;
  const pull = async (): Promise<void> => {
    for (;;) {
      const next = await iterator.next();
      if (isStopped) return;
      if (next.done === true) {
        isStopped = true;
        receiver.end();
        return;
      }
      const demand = receiver.value(next.value);
      if (demand !== undefined) await demand;
      // The receiver may have stopped the iteration meanwhile, which this function cannot see.
      if (isStopped as boolean) return;
    }
  };
  pull().catch((error: unknown) => {
    if (isStopped) return;
    isStopped = true;
    receiver.fail(error);
  });
  return () => {
    if (isStopped) return;
    isStopped = true;
    returnIterator(iterator);
  };
}

/** An iterable that came too late was never begun; a stream behind it is told that nobody wants it. */
function abandon(answer: unknown): void {
  if (typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer) {
    try {
      returnIterator((answer as AsyncIterable<unknown>)[Symbol.asyncIterator]());
    } catch {
      // Nobody is left who could be told.
    }
  }
}

function returnIterator(iterator: AsyncIterator<unknown>): void {
  try {
    iterator.return?.().catch(() => undefined);
  } catch {
    // Nobody is left who could be told.
  }
}
