import { asyncScheduler, merge, Observable, Subject, takeUntil } from 'rxjs';

import type { FromOffsetOptions } from './fromOffset';
import { checkStreamStore, openStream, sharing } from './internal/openStream';

/**
 * Several sources as one stream: the offsets of all of them and what the operators behind remember become durable together. The
 * sources are `fromOffset(…)`, with operators behind them or not, each under a name of its own.
 *
 * @throws StreamActiveError (in the stream) while another subscriber has this name.
 */
export function together<T>(
  options: Omit<FromOffsetOptions, 'inFlight'>,
  ...sources: readonly Observable<T>[]
): Observable<T> {
  const { name, store, onFailed = 'stop', scheduler = asyncScheduler } = options;
  checkStreamStore(name, store);
  return new Observable<T>((subscriber) => {
    let hasEnded = false;
    const left$ = new Subject<void>();
    subscriber.add(() => {
      left$.next();
    });
    const release = openStream({ name, store, onFailed, scheduler }, subscriber, (session) => {
      sharing(session, () =>
        merge(...sources)
          .pipe(takeUntil(left$))
          .subscribe({
            next: (value) => {
              subscriber.next(value);
            },
            error: (error: unknown) => {
              subscriber.error(error);
            },
            complete: () => {
              if (subscriber.closed) return;
              hasEnded = true;
              subscriber.complete();
            },
          }),
      );
    });
    return () => {
      release(!hasEnded);
    };
  });
}
