import type { RunSummary } from '../../../lib/store/store';
import type { Schedule } from '../schedule';

/** The ticks of one schedule while it is served: which begins when, and which not at all. */
export class ScheduleClock {
  readonly schedule: Schedule;
  /** The run of a tick that has not ended, as far as is known. */
  current: string | undefined;
  /** The tick for which a reminder is set; earlier reminders may still come. */
  awaitedAt: number | undefined;
  readonly #pending: number[] = [];
  /** The latest tick that was looked at. */
  #last = 0;
  /** Up to here ticks may come again, because the clock was set back. */
  #repeatedUntil = -Infinity;
  /** Ticks after `#missedAt`, up to `#missedUntil`, are made up for. */
  #missedAt = 0;
  #missedUntil = 0;

  constructor(schedule: Schedule) {
    this.schedule = schedule;
  }

  runId(tick: number): string {
    return `${this.schedule.name}@${new Date(tick).toISOString()}`;
  }

  /** The tick of a run; NaN where it is a run of something else. */
  #tickOf(runId: string): number {
    const prefix = `${this.schedule.name}@`;
    const at = runId.startsWith(prefix) ? Date.parse(runId.slice(prefix.length)) : NaN;
    return !Number.isNaN(at) && this.runId(at) === runId ? at : NaN;
  }

  /**
   * Looks at the runs of earlier ticks, and decides which have been missed.
   *
   * @param retriesFailed - Whether a failed run may be resumed: the ticks behind it wait until that is decided.
   */
  begin(runs: readonly RunSummary[], now: number, retriesFailed: boolean): void {
    const { overlap, catchUp } = this.schedule;
    this.#last = now;
    let newest: RunSummary | undefined;
    let newestAt = -Infinity;
    for (const run of runs) {
      const at = this.#tickOf(run.runId);
      if (at > newestAt) [newest, newestAt] = [run, at];
    }
    if (newest === undefined) return;
    const isUnderWay = newest.status === 'RUNNING' || newest.status === 'SUSPENDED';
    if (isUnderWay || (newest.status === 'FAILED' && retriesFailed)) this.current = newest.runId;
    if (catchUp === 'none' || (overlap === 'skip' && isUnderWay)) return;
    // Ticks that passed while that run was under way have been skipped.
    const handled = overlap === 'skip' ? Math.max(newestAt, newest.endedAt ?? newestAt) : newestAt;
    if (catchUp === 'all') [this.#missedAt, this.#missedUntil] = [handled, now];
    else {
      const last = this.schedule.latest(now);
      if (last !== undefined && last > handled) this.#pending.push(last);
    }
  }

  /** When to look next; undefined when there is no further tick. */
  nextAt(): number | undefined {
    return this.schedule.next(this.#last);
  }

  /** The system's clock was set back behind the latest tick: those that come again then are looked at again. False where it was not. */
  setBack(now: number): boolean {
    if (now >= this.#last) return false;
    this.#repeatedUntil = Math.max(this.#repeatedUntil, this.#last);
    this.#last = now;
    return true;
  }

  /** The clock says so late. Whether the tick of now wants the current run to be cancelled. */
  tick(now: number): 'cancel' | undefined {
    const { overlap, catchUp } = this.schedule;
    const isFree = this.current === undefined;
    const currentAt = this.current === undefined ? NaN : this.#tickOf(this.current);
    let isDue = false;
    for (
      let at = this.schedule.next(this.#last);
      at !== undefined && at <= now;
      at = this.schedule.next(at)
    ) {
      const following = this.schedule.next(at);
      const isLate = following !== undefined && following <= now;
      this.#last = at;
      // The process stood still for longer than from tick to tick.
      if (isLate && catchUp !== 'all') continue;
      // It has begun or is pending already, or would cancel the run of a later tick.
      if (at === currentAt || (overlap === 'cancel' && at < currentAt)) continue;
      if (at <= this.#repeatedUntil && this.#pending.includes(at)) continue;
      isDue = true;
      if (isFree || overlap === 'queue') this.#pending.push(at);
      else if (overlap === 'cancel') this.#pending.splice(0, Infinity, at);
    }
    return isDue && !isFree && overlap === 'cancel' ? 'cancel' : undefined;
  }

  /** The tick that begins now, if one does. */
  take(): number | undefined {
    if (this.current !== undefined) return undefined;
    if (this.#missedAt < this.#missedUntil) {
      const missed = this.schedule.next(this.#missedAt);
      this.#missedAt = missed !== undefined && missed <= this.#missedUntil ? missed : this.#missedUntil;
      if (missed !== undefined && missed <= this.#missedUntil) return missed;
    }
    return this.#pending.shift();
  }
}
