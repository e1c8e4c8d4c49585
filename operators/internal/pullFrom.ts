import type { Observable } from 'rxjs';
import { isObservable } from 'rxjs';

import type { Pull, PullReceiver } from '../../lib/graph/pull';
import { pullOf } from '../../lib/graph/pull';

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
