import { Observable } from 'rxjs';

import type { Pull, PullReceiver } from '../../lib/graph/pull';
import { PULL } from '../../lib/graph/pull';

/** An Observable of what can be pulled: it can be asked for items one by one, and gives all at once to who only subscribes. */
export function fromPull<T>(pull: (receiver: PullReceiver) => Pull): Observable<T> {
  const all = new Observable<T>((subscriber) => {
    let isWanted = false;
    let isAsking = false;
    // A loop, because an item may come within the call that asks for it.
    const ask = (): void => {
      isWanted = true;
      if (isAsking) return;
      isAsking = true;
      while (wants()) {
        isWanted = false;
        items.next();
      }
      isAsking = false;
    };
    const wants = (): boolean => isWanted && !subscriber.closed;
    const items = pull({
      item(value) {
        subscriber.next(value as T);
        ask();
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
    ask();
  });
  return Object.assign(all, { [PULL]: pull });
}
