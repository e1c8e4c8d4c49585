import type { MonoTypeOperatorFunction } from 'rxjs';
import { Observable } from 'rxjs';

import { toFailure } from '../../lib/model/failure';
import { hideSecrets } from '../../lib/model/secrets/secretTexts';
import { untilLeft } from '../../lib/streams/untilLeft';

/** What every tap accepts. */
export interface TapOptions {
  /**
   * Told every failure of the tap and how many there have been. When left out, the first one becomes a process warning and
   * the others are only counted.
   */
  readonly onTapError?: (error: unknown, failures: number) => void;
}

/** What a tap does with what passes it. May throw, reject or never answer: nobody notices but the report. */
export interface Watcher<T> {
  readonly next: (item: T) => unknown;
  /** Called once, before the end is passed on. */
  readonly end?: (how: WatchEnd) => unknown;
}

/** How what was watched came to its end. */
export type WatchEnd = 'complete' | 'error' | 'unsubscribe';

/** Runs what may fail; a failure is counted and reported, also one that comes later through a Promise. */
export type Attempt = (work: () => unknown) => unknown;

/**
 * Passes everything on, unchanged and in order, after showing it to a watcher that belongs to this subscription.
 *
 * Not RxJS's `tap`: there an error of the watcher becomes an error of the stream, and an item that arrives while the watcher
 * is at work overtakes the one it works on.
 */
export function sideEffect<T>(
  name: string,
  start: (attempt: Attempt) => Watcher<T>,
  options: TapOptions = {},
): MonoTypeOperatorFunction<T> {
  return (source) =>
    new Observable<T>((subscriber) => {
      const attempt = guard(name, options);
      const watcher = attempt(() => start(attempt)) as Watcher<T> | undefined;
      const waiting: T[] = [];
      let isBusy = false;
      let hasEnded = false;
      let finish: (() => void) | undefined;

      const end = (how: WatchEnd): void => {
        if (hasEnded) return;
        hasEnded = true;
        attempt(() => watcher?.end?.(how));
      };
      const pass = (item: T): void => {
        attempt(() => watcher?.next(item));
        subscriber.next(item);
      };
      const take = (item: T): void => {
        if (isBusy) {
          waiting.push(item);
          return;
        }
        isBusy = true;
        try {
          pass(item);
          while (waiting.length > 0 && !subscriber.closed) pass(waiting.shift() as T);
        } finally {
          isBusy = false;
          finish?.();
        }
      };
      const afterAll = (work: () => void): void => {
        finish = work;
        if (!isBusy) work();
      };

      const heard$ = untilLeft(source, subscriber);
      subscriber.add(() => {
        end('unsubscribe');
      });
      heard$.subscribe({
        next: take,
        error: (error: unknown) => {
          afterAll(() => {
            end('error');
            subscriber.error(error);
          });
        },
        complete: () => {
          afterAll(() => {
            if (!subscriber.closed) end('complete');
            subscriber.complete();
          });
        },
      });
    });
}

function guard(name: string, { onTapError }: TapOptions): Attempt {
  let failures = 0;
  const failed = (error: unknown): void => {
    failures += 1;
    try {
      if (onTapError !== undefined) onTapError(error, failures);
      else if (failures === 1) warn(name, error);
    } catch {
      // Whoever is told about the failure of a tap must not become the next one.
    }
  };
  return (work) => {
    try {
      const answer = work();
      if (isThenable(answer)) Promise.resolve(answer).then(undefined, failed);
      return answer;
    } catch (error) {
      failed(error);
      return undefined;
    }
  };
}

function warn(name: string, error: unknown): void {
  const message = `Tap "${name}" failed: ${hideSecrets(toFailure(error).message)}; what it watches goes on, further failures are only counted`;
  process.emitWarning(message, 'MillraceWarning');
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
