import type { SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import type { LimitPolicy } from '../../model/agentType';
import type { Stop } from '../../streams/pull';
import { startTimer } from './startTimer';

/** Lets so many in at once, and so many within a span of time; the others wait in the order in which they came. */
export interface Limiter {
  /**
   * `enter` is called when there is room: at once, from within this call, or later. What comes back leaves: it gives the
   * room to the next one, or gives up waiting.
   */
  admit(key: string, enter: () => void): Stop;
}

/**
 * The limiter of a limit: one for each clock, so that runs in virtual time never wait for real ones. One object is one
 * limit, whichever agents and runs share it.
 */
export function limiterOf(limit: LimitPolicy, scheduler: SchedulerLike): Limiter {
  let byClock = limiters.get(limit);
  if (byClock === undefined) limiters.set(limit, (byClock = new WeakMap()));
  let limiter = byClock.get(scheduler);
  if (limiter === undefined) byClock.set(scheduler, (limiter = limiterFor(limit, scheduler)));
  return limiter;
}

const limiters = new WeakMap<LimitPolicy, WeakMap<SchedulerLike, Limiter>>();

/** Those who share one key. */
interface Lane {
  inside: number;
  /** When the latest came in, oldest first: as many as the rate allows. */
  readonly entries: number[];
  readonly waiting: Set<() => void>;
  stopTimer: Stop | undefined;
  /** Somebody is being let in: whatever that sets off, the loop goes on with it. */
  isAdmitting: boolean;
}

const FEW_LANES = 64;

function limiterFor({ concurrency = Infinity, rate }: LimitPolicy, scheduler: SchedulerLike): Limiter {
  const clock = scheduler === asyncScheduler ? performance : scheduler;
  const lanes = new Map<string, Lane>();
  let sweepAt = FEW_LANES;

  /** Milliseconds until the rate lets one more in. */
  const pauseOf = ({ entries }: Lane): number => {
    const oldest = entries[0];
    if (rate === undefined || oldest === undefined || entries.length < rate.count) return 0;
    // A clock that was set back must not close the lane for longer than the span.
    return Math.min(rate.perMs, oldest + rate.perMs - clock.now());
  };
  const isUnused = ({ inside, waiting, entries }: Lane): boolean =>
    inside === 0 &&
    waiting.size === 0 &&
    (rate === undefined || (entries.at(-1) ?? -Infinity) + rate.perMs <= clock.now());

  /** Lets the first one in, if there is room. */
  const admitNext = (lane: Lane): boolean => {
    const next = lane.waiting.values().next();
    if (next.done === true || lane.inside >= concurrency) return false;
    const pauseMs = pauseOf(lane);
    if (pauseMs > 0) {
      lane.stopTimer = startTimer(scheduler, pauseMs, () => {
        admitWaiting(lane);
      });
      return false;
    }
    lane.waiting.delete(next.value);
    lane.inside += 1;
    if (rate !== undefined) {
      lane.entries.push(clock.now());
      if (lane.entries.length > rate.count) lane.entries.shift();
    }
    next.value();
    return true;
  };
  const admitWaiting = (lane: Lane): void => {
    if (lane.isAdmitting) return;
    lane.stopTimer?.();
    lane.stopTimer = undefined;
    lane.isAdmitting = true;
    try {
      while (admitNext(lane));
    } finally {
      lane.isAdmitting = false;
    }
  };
  const laneOf = (key: string): Lane => {
    let lane = lanes.get(key);
    if (lane !== undefined) return lane;
    if (lanes.size >= sweepAt) {
      for (const [other, known] of lanes) if (isUnused(known)) lanes.delete(other);
      sweepAt = Math.max(FEW_LANES, lanes.size * 2);
    }
    lane = { inside: 0, entries: [], waiting: new Set(), stopTimer: undefined, isAdmitting: false };
    lanes.set(key, lane);
    return lane;
  };

  return {
    admit(key, enter) {
      const lane = laneOf(key);
      let isIn = false;
      let hasLeft = false;
      const entry = (): void => {
        isIn = true;
        enter();
      };
      lane.waiting.add(entry);
      admitWaiting(lane);
      return () => {
        if (hasLeft) return;
        hasLeft = true;
        if (isIn) lane.inside -= 1;
        else lane.waiting.delete(entry);
        admitWaiting(lane);
        if (rate === undefined && isUnused(lane) && lanes.get(key) === lane) lanes.delete(key);
      };
    },
  };
}

/**
 * Asks a limit to let a call with this input in: `enter` is called at once, from within this call, or when there is room.
 * What comes back gives the room to the next one, or gives up waiting.
 *
 * @throws What the limit's `key` throws.
 */
export function admitTo(
  limit: LimitPolicy,
  input: unknown,
  scheduler: SchedulerLike,
  enter: () => void,
): Stop {
  return limiterOf(limit, scheduler).admit(limit.key?.(input as never) ?? '', enter);
}
