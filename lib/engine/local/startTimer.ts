import type { SchedulerLike } from 'rxjs';

import { LONGEST_DELAY_MS } from '../../model/backoff';
import { toFailure } from '../../model/failure';
import type { Clock } from '../../store/ids';
import type { Stop } from '../../streams/pull';
import { steadyClock } from './clocks';

/** Calls back after a delay of any length, in milliseconds. */
export function startTimer(scheduler: SchedulerLike, delayMs: number, work: () => void): Stop {
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

/** A time limit that can be held: what passes meanwhile does not count. */
export class TimeLimit {
  readonly #scheduler: SchedulerLike;
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #passed: () => void;
  #leftMs: number;
  #since = 0;
  #stop: Stop | undefined;

  /** @param passed - Called once the limit has passed. */
  constructor(scheduler: SchedulerLike, limitMs: number, passed: () => void) {
    this.#scheduler = scheduler;
    this.#clock = steadyClock(scheduler);
    this.#limitMs = limitMs;
    this.#leftMs = limitMs;
    this.#passed = passed;
  }

  /** Counts from the beginning. */
  restart(): void {
    this.#leftMs = this.#limitMs;
    this.resume();
  }

  /** Counts what is left. */
  resume(): void {
    this.#stop?.();
    this.#since = this.#clock.now();
    this.#stop = startTimer(this.#scheduler, this.#leftMs, this.#passed);
  }

  /** Stops counting. */
  hold(): void {
    if (this.#stop === undefined) return;
    this.#stop();
    this.#stop = undefined;
    this.#leftMs = Math.max(0, this.#leftMs - Math.max(0, this.#clock.now() - this.#since));
  }
}

/** Runs `then` now, or after the Promise settles. A rejection is only reported: the store has already surfaced it. */
export function whenSettled(done: void | Promise<void>, then: () => void | Promise<void>): void {
  if (done === undefined) void then();
  else
    void done
      .then(then, (error: unknown) => {
        reportUnheard(error);
        return then();
      })
      .catch(reportUnheard);
}

/** For a failure that no subscriber is left to hear of. */
export function reportUnheard(error: unknown): void {
  const { message } = toFailure(error);
  process.emitWarning(error instanceof Error && error.message === message ? error : new Error(message));
}
