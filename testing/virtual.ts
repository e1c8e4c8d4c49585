import type { SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

let bound: SchedulerLike | undefined;

/** Does the work, and lets the fakes that are called within tell their time by this scheduler. */
export function withScheduler<T>(scheduler: SchedulerLike, work: () => T): T {
  const before = bound;
  bound = scheduler;
  try {
    return work();
  } finally {
    bound = before;
  }
}

/** Whose clock a fake follows: the one it is called under, or RxJS's own, which `TestScheduler.run` makes virtual. */
export function currentScheduler(): SchedulerLike {
  return bound ?? asyncScheduler;
}
