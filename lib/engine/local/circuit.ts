import type { SchedulerLike } from 'rxjs';

import { yesOrNo } from '../../definition/checks';
import { CircuitOpenError } from '../../errors/stepErrors';
import type { CircuitPolicy } from '../../model/agentType';
import type { LogLevel } from '../../model/event';
import type { Failure } from '../../model/failure';
import { isFinalAnswer, toFailure } from '../../model/failure';
import type { Clock } from '../../store/ids';
import { perClock, steadyClock } from './clocks';

type CircuitState = 'closed' | 'open' | 'half-open';

/** How a circuit has moved, for the log of the run whose call moved it. */
export interface CircuitChange {
  readonly level: LogLevel;
  readonly message: string;
  readonly data: {
    readonly circuit: CircuitState;
    /** Failed calls in the window that opened it. */
    readonly failures?: number;
    /** Milliseconds until a call is let through again. */
    readonly openMs?: number;
  };
}

/** One call that a circuit has let through. Whatever comes first counts, once. */
export interface Passage {
  succeeded(): void;
  failed(error: unknown): void;
  /** Nobody wants its answer any more: it says nothing about the service. */
  left(): void;
}

/** The circuit of a policy for a key, on one clock. One object is one circuit for each key, whichever agents and runs share it. */
export function circuitOf(policy: CircuitPolicy, key: string, scheduler: SchedulerLike): Circuit {
  return circuits(policy, scheduler).of(key);
}

const circuits = perClock<CircuitPolicy, Circuits>((policy, scheduler) => new Circuits(policy, scheduler));

const FEW_CIRCUITS = 64;

/** The circuits of one policy, on one clock. Those that know nothing are forgotten when there are many. */
class Circuits {
  readonly #policy: CircuitPolicy;
  readonly #scheduler: SchedulerLike;
  readonly #byKey = new Map<string, Circuit>();
  #sweepAt = FEW_CIRCUITS;

  constructor(policy: CircuitPolicy, scheduler: SchedulerLike) {
    this.#policy = policy;
    this.#scheduler = scheduler;
  }

  of(key: string): Circuit {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    if (this.#byKey.size >= this.#sweepAt) {
      for (const [other, circuit] of this.#byKey) if (circuit.isAsNew) this.#byKey.delete(other);
      this.#sweepAt = Math.max(FEW_CIRCUITS, this.#byKey.size * 2);
    }
    const circuit = new Circuit(this.#policy, this.#scheduler);
    this.#byKey.set(key, circuit);
    return circuit;
  }
}

const OPEN_MS = 30_000;
const WINDOW_MS = 60_000;

/**
 * Keeps calls from a service that fails: closed, it lets all through and counts; open, none; half-open, one probe, whose end
 * closes or opens it. The pattern is that of M. Nygard, Release It! (2007), chapter 5.
 */
class Circuit {
  readonly #policy: CircuitPolicy;
  readonly #clock: Clock;
  readonly #openMs: number;
  readonly #windowMs: number;
  /** Ends of calls, oldest first: those in the window, or all since the last success where failures in a row are counted. */
  #ends: { readonly at: number; readonly hasFailed: boolean }[] = [];
  #state: CircuitState = 'closed';
  #openUntil = 0;
  /** Passages of an earlier state say nothing about this one. */
  #generation = 0;
  #isProbing = false;
  /** Calls that it has let through and that have not ended. */
  #underWay = 0;

  constructor(policy: CircuitPolicy, scheduler: SchedulerLike) {
    const { openMs = OPEN_MS, withinMs = policy.rate === undefined ? Infinity : WINDOW_MS } = policy;
    this.#policy = policy;
    this.#clock = steadyClock(scheduler);
    this.#openMs = openMs;
    this.#windowMs = withinMs;
  }

  /** Whether another one in its place would let the same calls through. */
  get isAsNew(): boolean {
    if (this.#state !== 'closed' || this.#underWay > 0) return false;
    const latest = this.#ends.at(-1);
    return latest === undefined || latest.at <= this.#clock.now() - this.#windowMs;
  }

  /**
   * Lets a call through.
   *
   * @param path - Of the step, for the error.
   * @throws CircuitOpenError
   */
  enter(path: string, tell: (change: CircuitChange) => void): Passage {
    const leftMs = this.#openUntil - this.#clock.now();
    if (this.#state === 'open' && leftMs > 0) throw new CircuitOpenError(path, leftMs);
    if (this.#isProbing) throw new CircuitOpenError(path, this.#openMs);
    const isProbe = this.#state !== 'closed';
    if (isProbe) {
      this.#isProbing = true;
      if (this.#state === 'open') {
        this.#state = 'half-open';
        tell({
          level: 'INFO',
          message: 'Circuit half-open: one call is tried',
          data: { circuit: 'half-open' },
        });
      }
    }
    const generation = this.#generation;
    let isOver = false;
    this.#underWay += 1;
    const end = (react: () => void): void => {
      if (isOver) return;
      isOver = true;
      this.#underWay -= 1;
      if (generation === this.#generation) react();
    };
    return {
      succeeded: () => {
        end(() => {
          if (isProbe) this.#close(tell);
          else this.#count(false, tell);
        });
      },
      failed: (error) => {
        end(() => {
          if (isProbe) this.#isProbing = false;
          if (!this.#counts(toFailure(error), error, tell)) {
            // The service has answered, if not as one would like.
            if (isProbe) this.#close(tell);
          } else if (isProbe) this.#open(1, tell);
          else this.#count(true, tell);
        });
      },
      left: () => {
        end(() => {
          if (isProbe) this.#isProbing = false;
        });
      },
    };
  }

  #counts(failure: Failure, error: unknown, tell: (change: CircuitChange) => void): boolean {
    const { countIf } = this.#policy;
    const speaksAgainst = failure.retryable && !isFinalAnswer(failure);
    try {
      return countIf === undefined ? speaksAgainst : yesOrNo(countIf(failure, error), 'circuit.countIf');
    } catch (thrown) {
      // The step has failed with what the service said, not with this.
      const { message } = toFailure(thrown);
      tell({
        level: 'WARNING',
        message: `Cannot ask circuit.countIf: ${message}`,
        data: { circuit: this.#state },
      });
      return speaksAgainst;
    }
  }

  #count(hasFailed: boolean, tell: (change: CircuitChange) => void): void {
    const { failures: most = Infinity, rate } = this.#policy;
    const now = this.#clock.now();
    if (!hasFailed && this.#windowMs === Infinity) this.#ends = [];
    else this.#ends.push({ at: now, hasFailed });
    const since = now - this.#windowMs;
    while ((this.#ends[0]?.at ?? Infinity) <= since) this.#ends.shift();
    if (!hasFailed) return;
    const failures = this.#ends.filter((end) => end.hasFailed).length;
    const isOften =
      rate !== undefined &&
      this.#ends.length >= rate.minCalls &&
      failures * 100 >= rate.percent * this.#ends.length;
    if (failures >= most || isOften) this.#open(failures, tell);
  }

  #open(failures: number, tell: (change: CircuitChange) => void): void {
    this.#state = 'open';
    this.#openUntil = this.#clock.now() + this.#openMs;
    this.#reset();
    const openMs = this.#openMs;
    const message = `Circuit open after ${String(failures)} failed ${failures === 1 ? 'call' : 'calls'}: none is made for ${String(openMs)} ms`;
    tell({ level: 'WARNING', message, data: { circuit: 'open', failures, openMs } });
  }

  #close(tell: (change: CircuitChange) => void): void {
    this.#state = 'closed';
    this.#reset();
    tell({ level: 'INFO', message: 'Circuit closed: calls are made again', data: { circuit: 'closed' } });
  }

  #reset(): void {
    this.#ends = [];
    this.#isProbing = false;
    this.#generation += 1;
  }
}
