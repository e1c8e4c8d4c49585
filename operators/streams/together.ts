import { asyncScheduler, merge, Observable } from 'rxjs';

import { untilLeft } from '../../lib/streams/untilLeft';
import type { FromOffsetOptions } from './fromOffset';
import {
  attachAll,
  checkStreamStore,
  openStream,
  operatorsBehind,
  sharing,
  tellingEnd,
} from './internal/openStream';

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
  const { name, store, onFailed = 'stop', scheduler = asyncScheduler, monitor } = options;
  checkStreamStore(name, store);
  return new Observable<T>((subscriber) => {
    const all = { hasEnded: false };
    const behind = operatorsBehind();
    const heard$ = untilLeft(merge(...sources), subscriber);
    // The first one may give all it has before the next one is subscribed to.
    const whole = { name, store, onFailed, scheduler, monitor, sources: sources.length };
    const release = openStream(whole, subscriber, (session) => {
      // Told here, because a store that answers at once lets items come before there is anything to release.
      subscriber.add(() => {
        if (!all.hasEnded) session.abandon();
      });
      attachAll(behind, session, all);
      sharing(session, () =>
        heard$.subscribe({
          next: (value) => {
            subscriber.next(value);
          },
          error: (error: unknown) => {
            subscriber.error(error);
          },
          complete: () => {
            if (subscriber.closed) return;
            all.hasEnded = true;
            // Not within the end of its last source, where all of them end at once.
            tellingEnd(session, () => {
              subscriber.complete();
            });
          },
        }),
      );
    });
    return () => {
      release(!all.hasEnded);
    };
  });
}
