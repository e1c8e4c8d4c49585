import type { SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import type { Clock } from '../../store/ids';

/** The clock by which spans are measured: the real scheduler's own may be set while one is. */
export function steadyClock(scheduler: SchedulerLike): Clock {
  return scheduler === asyncScheduler ? performance : scheduler;
}

/**
 * What runs share through an object, such as a policy or a cache: one for each object and clock, so that runs in virtual time never
 * wait for real ones. It goes with the object.
 */
export function perClock<K extends object, V>(
  make: (object: K, scheduler: SchedulerLike) => V,
): (object: K, scheduler: SchedulerLike) => V {
  const shared = new WeakMap<K, WeakMap<SchedulerLike, V>>();
  return (object, scheduler) => {
    let byClock = shared.get(object);
    if (byClock === undefined) shared.set(object, (byClock = new WeakMap()));
    let one = byClock.get(scheduler);
    if (one === undefined) byClock.set(scheduler, (one = make(object, scheduler)));
    return one;
  };
}
