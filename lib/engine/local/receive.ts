import { isObservable } from 'rxjs';

import { EndlessAnswerError } from '../../errors/stepErrors';
import type { Pull, Stop } from '../../streams/pull';
import { pullFrom, pullOf, returnIterator } from '../../streams/pull';

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
 * @throws EndlessAnswerError (in the receiver) when thenables lead to one another without an end.
 *
 * An iterable is asked for its next value only when the one before has been taken. The function that comes back stops it
 * at once: it unsubscribes, or returns the iterator without waiting for a value under way. Nothing is received after that.
 */
export function receive(answer: unknown, receiver: Receiver): Stop | undefined {
  return receiveAt(0, answer, receiver);
}

/** How many thenables may lead to one another. A Promise never leads to another one: it has waited for that itself. */
const DEEPEST = 100;

/** @param depth - How many thenables have led here. */
function receiveAt(depth: number, answer: unknown, receiver: Receiver): Stop | undefined {
  if ((typeof answer !== 'object' && typeof answer !== 'function') || answer === null) {
    receiver.answer(answer);
    return undefined;
  }
  if (isPromise(answer)) {
    if (depth >= DEEPEST) throw new EndlessAnswerError(DEEPEST);
    return receivePromise(depth + 1, answer, receiver);
  }
  if (isObservable(answer) || Symbol.asyncIterator in answer) return receiveStream(answer, receiver);
  receiver.answer(answer);
  return undefined;
}

function isPromise(value: object): value is PromiseLike<unknown> {
  return typeof (value as { readonly then?: unknown }).then === 'function';
}

function receivePromise(depth: number, promise: PromiseLike<unknown>, receiver: Receiver): Stop {
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
        stopInner = receiveAt(depth, answer, receiver);
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

function receiveStream(stream: object, receiver: Receiver): Stop {
  // What pushes cannot be slowed down: what it gives is shown as it comes.
  const isPaced = pullOf(stream) !== undefined || !isObservable(stream);
  const items: Pull = pullFrom(stream, {
    item(value) {
      const demand = receiver.value(value);
      if (receiver.isOver) items.stop();
      else if (demand === undefined || !isPaced) items.next();
      else demand.then(ask, fail);
    },
    end() {
      receiver.end();
    },
    fail,
  });
  function ask(): void {
    items.next();
  }
  function fail(error: unknown): void {
    receiver.fail(error);
  }
  items.next();
  return () => {
    items.stop();
  };
}

/** An iterable that came too late was never begun; a stream behind it is told that nobody wants it. */
function abandon(answer: unknown): void {
  if (typeof answer !== 'object' || answer === null) return;
  try {
    if (Symbol.asyncIterator in answer)
      returnIterator((answer as AsyncIterable<unknown>)[Symbol.asyncIterator]());
  } catch {
    // Nobody is left who could be told.
  }
}
