import { Observable } from 'rxjs';

/** Tells once when the signal is aborted. */
export function abortOf(signal: AbortSignal): Observable<void> {
  return new Observable((subscriber) => {
    const stop = (): void => {
      subscriber.next();
      subscriber.complete();
    };
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    return () => {
      signal.removeEventListener('abort', stop);
    };
  });
}
