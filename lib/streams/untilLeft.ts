import type { Observable, Subscriber } from 'rxjs';
import { Subject, takeUntil } from 'rxjs';

/**
 * The source, until the subscriber has ended or left. A source that gives values while it is still being subscribed to would not hear
 * of it otherwise: what the subscriber could unsubscribe from is returned only afterwards. It completes then, as far as it was heard.
 */
export function untilLeft<T>(source: Observable<T>, subscriber: Subscriber<never>): Observable<T> {
  const left$ = new Subject<void>();
  subscriber.add(() => {
    left$.next();
  });
  return source.pipe(takeUntil(left$));
}
