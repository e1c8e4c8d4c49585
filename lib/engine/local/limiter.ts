import type { SchedulerLike } from 'rxjs';

import type { LimitPolicy } from '../../model/agentType';
import type { Clock } from '../../store/ids';
import type { Stop } from '../../streams/pull';
import { limitKeyOf } from '../task';
import { perClock, steadyClock } from './clocks';
import { startTimer } from './startTimer';

/** Lets so many in at once, and so many within a span of time; the others wait in the order in which they came. */
export interface Limiter {
  /**
   * `enter` is called when there is room: at once, from within this call, or later. What comes back leaves: it gives the
   * room to the next one, or gives up waiting.
   *
   * @param call - What is let in, where `beginCall` calls it; otherwise it begins when it is let in.
   */
  admit(key: string, enter: () => void, call?: object): Stop;
}

/** What to do when a call that was let in begins. */
const beginnings = new WeakMap<object, (at?: number) => void>();

/**
 * Calls the function of something that a limit has let in. The rate counts from here: whatever came between, such as a tap
 * that takes its time, would let the calls behind it follow too closely.
 */
export function beginCall<T>(call: object, scheduler: SchedulerLike, begin: () => T): T {
  const begins = beginnings.get(call);
  if (begins === undefined) return begin();
  beginnings.delete(call);
  const clock = steadyClock(scheduler);
  const before = clock.now();
  try {
    return begin();
  } finally {
    // What the machine needs before the first line of a function that it has never called counts too.
    begins(Math.min(clock.now(), before + 1));
  }
}

/** The limiter of a limit, on one clock. One object is one limit, whichever agents and runs share it. */
export function limiterOf(limit: LimitPolicy, scheduler: SchedulerLike): Limiter {
  return limiters(limit, scheduler);
}

const limiters = perClock<LimitPolicy, Limiter>((limit, scheduler) => new LaneLimiter(limit, scheduler));

/** Those who share one key. */
interface Lane {
  inside: number;
  /** When the latest began, oldest first: no more than the rate allows. */
  readonly begun: number[];
  /** How many were let in and have not begun. */
  beginning: number;
  readonly waiting: Set<() => void>;
  stopTimer: Stop | undefined;
  /** Somebody is being let in: whatever that sets off, the loop goes on with it. */
  isAdmitting: boolean;
}

const FEW_LANES = 64;

/** Admits to one limit, on one clock. */
class LaneLimiter implements Limiter {
  readonly #concurrency: number;
  readonly #rate: LimitPolicy['rate'];
  readonly #scheduler: SchedulerLike;
  readonly #clock: Clock;
  readonly #lanes = new Map<string, Lane>();
  #sweepAt = FEW_LANES;

  constructor({ concurrency = Infinity, rate }: LimitPolicy, scheduler: SchedulerLike) {
    this.#concurrency = concurrency;
    this.#rate = rate;
    this.#scheduler = scheduler;
    this.#clock = steadyClock(scheduler);
  }

  admit(key: string, enter: () => void, call?: object): Stop {
    const lane = this.#laneOf(key);
    let isIn = false;
    let hasLeft = false;
    const entry = (): void => {
      isIn = true;
      this.#countBeginning(lane, call);
      enter();
    };
    lane.waiting.add(entry);
    this.#admitWaiting(lane);
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      if (isIn) lane.inside -= 1;
      else lane.waiting.delete(entry);
      if (call !== undefined) neverBegins(call);
      this.#admitWaiting(lane);
      if (this.#rate === undefined && this.#isUnused(lane) && this.#lanes.get(key) === lane)
        this.#lanes.delete(key);
    };
  }

  /** The rate counts what is let in: now, or when the call begins. */
  #countBeginning(lane: Lane, call: object | undefined): void {
    if (this.#rate === undefined) return;
    if (call === undefined) {
      this.#note(lane, this.#clock.now());
      return;
    }
    lane.beginning += 1;
    beginnings.set(call, (at) => {
      lane.beginning -= 1;
      if (at !== undefined) this.#note(lane, at);
      this.#admitWaiting(lane);
    });
  }

  #admitWaiting(lane: Lane): void {
    if (lane.isAdmitting) return;
    lane.stopTimer?.();
    lane.stopTimer = undefined;
    lane.isAdmitting = true;
    try {
      while (this.#admitNext(lane));
    } finally {
      lane.isAdmitting = false;
    }
  }

  /** Lets the first one in, if there is room. */
  #admitNext(lane: Lane): boolean {
    const next = lane.waiting.values().next();
    if (next.done === true || lane.inside >= this.#concurrency) return false;
    const pauseMs = this.#pauseOf(lane);
    if (pauseMs === Infinity) return false;
    if (pauseMs > 0) {
      lane.stopTimer = startTimer(this.#scheduler, pauseMs, () => {
        this.#admitWaiting(lane);
      });
      return false;
    }
    lane.waiting.delete(next.value);
    lane.inside += 1;
    next.value();
    return true;
  }

  /** Milliseconds until the rate lets one more in; unknown while those that count have not begun. */
  #pauseOf({ begun, beginning }: Lane): number {
    const rate = this.#rate;
    if (rate === undefined || begun.length + beginning < rate.count) return 0;
    const oldest = begun[begun.length + beginning - rate.count];
    // A clock that was set back must not close the lane for longer than the span.
    return oldest === undefined ? Infinity : Math.min(rate.perMs, oldest + rate.perMs - this.#clock.now());
  }

  #note({ begun }: Lane, at: number): void {
    if (this.#rate === undefined) return;
    begun.push(at);
    if (begun.length > this.#rate.count) begun.shift();
  }

  #isUnused({ inside, waiting, begun, beginning }: Lane): boolean {
    if (inside > 0 || waiting.size > 0 || beginning > 0) return false;
    return this.#rate === undefined || (begun.at(-1) ?? -Infinity) + this.#rate.perMs <= this.#clock.now();
  }

  #laneOf(key: string): Lane {
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    if (this.#lanes.size >= this.#sweepAt) {
      for (const [other, lane] of this.#lanes) if (this.#isUnused(lane)) this.#lanes.delete(other);
      this.#sweepAt = Math.max(FEW_LANES, this.#lanes.size * 2);
    }
    const lane: Lane = {
      inside: 0,
      begun: [],
      beginning: 0,
      waiting: new Set(),
      stopTimer: undefined,
      isAdmitting: false,
    };
    this.#lanes.set(key, lane);
    return lane;
  }
}

/** Something that was let in has left before it began. */
function neverBegins(call: object): void {
  const begins = beginnings.get(call);
  beginnings.delete(call);
  begins?.();
}

/** What a limit counts: its input tells its key, unless that is known. */
export interface Limited {
  readonly input: unknown;
  readonly limitKey?: string | undefined;
}

/**
 * Asks a limit to let a call with this input in: `enter` is called at once, from within this call, or when there is room.
 * What comes back gives the room to the next one, or gives up waiting.
 *
 * @param call - What is let in, where `beginCall` calls it; otherwise it begins when it is let in.
 * @throws What the limit's `key` throws.
 */
export function admitTo(
  limit: LimitPolicy,
  { input, limitKey }: Limited,
  scheduler: SchedulerLike,
  enter: () => void,
  call?: object,
): Stop {
  const key = limitKey ?? limitKeyOf(limit, input) ?? '';
  return limiterOf(limit, scheduler).admit(key, enter, call);
}
