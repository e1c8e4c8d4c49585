import type { SchedulerLike } from 'rxjs';

import type { Stop } from '../../lib/graph/answer';

// Node turns a longer delay into 1 ms.
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** Calls back after a delay of any length, in milliseconds. */
export function after(scheduler: SchedulerLike, delayMs: number, work: () => void): Stop {
  let remaining = delayMs;
  const first = Math.min(remaining, LONGEST_DELAY_MS);
  const subscription = scheduler.schedule(function () {
    remaining -= Math.min(remaining, LONGEST_DELAY_MS);
    if (remaining > 0) this.schedule(undefined, Math.min(remaining, LONGEST_DELAY_MS));
    else work();
  }, first);
  return () => {
    subscription.unsubscribe();
  };
}
