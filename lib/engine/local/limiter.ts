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
   * @param self - What is let in, where others may stand in it, or it in others: see `Entry`.
   * @param isBack - It has been let in before, and goes on: it needs room, before all who begin, and no rate.
   */
  admit(key: string, enter: () => void, call?: object, self?: Standing, isBack?: boolean): Stop;
}

/** Something that may stand within something else. */
interface Standing {
  readonly parent?: Standing | undefined;
}

/**
 * Somebody who waits, or is inside. A composite, or a function that asks for steps, may have been let in by the limit of its own parts. It
 * waits for them, so the first of them takes its place instead of a further one: otherwise both would wait for ever.
 */
interface Entry {
  readonly enter: () => void;
  readonly self: Standing | undefined;
  /** The nearest that it stands in, and that is inside. */
  readonly above: Entry | undefined;
  readonly isBack: boolean;
  /** How many that stand in it are inside. */
  below: number;
  isIn: boolean;
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
  /** Places that are taken. */
  inside: number;
  /** Those inside in whom others may stand. */
  readonly holders: Map<Standing, Entry>;
  /** When the latest began, oldest first: no more than the rate allows. */
  readonly begun: number[];
  /** How many were let in and have not begun. */
  beginning: number;
  readonly waiting: Set<Entry>;
  /** Those among them that only come back. */
  readonly back: Set<Entry>;
  /** Those who wait in somebody who is inside. */
  readonly within: Set<Entry>;
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

  admit(key: string, enter: () => void, call?: object, self?: Standing, isBack = false): Stop {
    const lane = this.#laneOf(key);
    let hasLeft = false;
    const entry: Entry = {
      enter: () => {
        if (!isBack) this.#countBeginning(lane, call);
        enter();
      },
      self,
      above: holderAbove(lane, self),
      isBack,
      below: 0,
      isIn: false,
    };
    lane.waiting.add(entry);
    if (isBack) lane.back.add(entry);
    if (entry.above !== undefined) lane.within.add(entry);
    this.#admitWaiting(lane);
    return () => {
      if (hasLeft) return;
      hasLeft = true;
      if (entry.isIn) leavePlace(lane, entry);
      else stopWaiting(lane, entry);
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
    const next = this.#nextOf(lane);
    if (next === undefined) return false;
    const pauseMs = next.isBack ? 0 : this.#pauseOf(lane);
    if (pauseMs === Infinity) return false;
    if (pauseMs > 0) {
      lane.stopTimer = startTimer(this.#scheduler, pauseMs, () => {
        this.#admitWaiting(lane);
      });
      return false;
    }
    stopWaiting(lane, next);
    takePlace(lane, next);
    next.enter();
    return true;
  }

  #nextOf({ inside, waiting, back, within }: Lane): Entry | undefined {
    if (inside < this.#concurrency) {
      const [first] = back.size > 0 ? back : waiting;
      return first;
    }
    for (const entry of within) if (entry.above?.isIn === true && entry.above.below === 0) return entry;
    return undefined;
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
      holders: new Map(),
      begun: [],
      beginning: 0,
      waiting: new Set(),
      back: new Set(),
      within: new Set(),
      stopTimer: undefined,
      isAdmitting: false,
    };
    this.#lanes.set(key, lane);
    return lane;
  }
}

function holderAbove({ holders }: Lane, self: Standing | undefined): Entry | undefined {
  if (holders.size === 0) return undefined;
  for (let above = self?.parent; above !== undefined; above = above.parent) {
    const holder = holders.get(above);
    if (holder !== undefined) return holder;
  }
  return undefined;
}

function stopWaiting({ waiting, back, within }: Lane, entry: Entry): void {
  waiting.delete(entry);
  back.delete(entry);
  within.delete(entry);
}

function takePlace(lane: Lane, entry: Entry): void {
  const { self, above } = entry;
  entry.isIn = true;
  if (self !== undefined) lane.holders.set(self, entry);
  const isInItsPlace = above?.isIn === true && above.below === 0;
  if (above?.isIn === true) above.below += 1;
  if (!isInItsPlace) lane.inside += 1;
}

function leavePlace(lane: Lane, entry: Entry): void {
  const { self, above } = entry;
  entry.isIn = false;
  if (self !== undefined && lane.holders.get(self) === entry) lane.holders.delete(self);
  // Whoever stands in it has its place.
  if (entry.below === 0) lane.inside -= 1;
  if (above?.isIn !== true) return;
  above.below -= 1;
  if (above.below === 0) lane.inside += 1;
}

/** Something that was let in has left before it began. */
function neverBegins(call: object): void {
  const begins = beginnings.get(call);
  beginnings.delete(call);
  begins?.();
}

/** What a limit counts: its input tells its key, unless that is known. */
export interface Limited extends Standing {
  readonly input: unknown;
  readonly limitKey?: string | undefined;
}

/**
 * Asks a limit to let a call with this input in: `enter` is called at once, from within this call, or when there is room.
 * What comes back gives the room to the next one, or gives up waiting.
 *
 * @param call - What is let in, where `beginCall` calls it; otherwise it begins when it is let in.
 * @param isBack - It has been let in before, and goes on.
 * @throws What the limit's `key` throws.
 */
export function admitTo(
  limit: LimitPolicy,
  limited: Limited,
  scheduler: SchedulerLike,
  enter: () => void,
  call?: object,
  isBack = false,
): Stop {
  const key = limited.limitKey ?? limitKeyOf(limit, limited.input) ?? '';
  return limiterOf(limit, scheduler).admit(key, enter, call, limited, isBack);
}
