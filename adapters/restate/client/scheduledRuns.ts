import { asyncScheduler } from 'rxjs';

import type { Agent } from '../../../lib/model/agentType';
import { InvalidArgumentError, toFailure } from '../../../lib/model/failure';
import type { Schedule } from '../../../operators/runs/schedule';
import type { RestateEngine } from './restateEngine';

/** The longest that Node waits without turning the delay into 1 ms. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;
/** How often a run is looked at whose end the next tick waits for. */
const LOOK_MS = 1_000;
/** How many ticks back a worker that begins looks for a run that is under way. */
const LOOKED_BACK = 20;

/** What schedules ask of an engine. */
export type TickEngine = Pick<RestateEngine, 'cancel' | 'loadRun' | 'submit'>;

/**
 * Begins a run at each tick of these schedules, until stopped. Every worker does; the server takes one run of each tick, by its id.
 *
 * @throws InvalidArgumentError for a schedule that makes up for missed ticks: the server forgets which have run.
 */
export function beginScheduledRuns(engine: TickEngine, schedules: readonly Schedule[]): () => void {
  for (const { name, catchUp } of schedules) {
    if (catchUp !== 'none')
      throw new InvalidArgumentError(
        `Cannot serve schedule "${name}" on Restate with catchUp "${catchUp}": the server forgets which ticks have run`,
        'leave out catchUp, or submit what was missed under the ids of its ticks',
      );
  }
  const clocks = schedules.map((schedule) => new TickClock(engine, schedule));
  for (const clock of clocks) clock.begin();
  return () => {
    for (const clock of clocks) clock.stop();
  };
}

/** One schedule, as this worker serves it. */
class TickClock {
  readonly #engine: TickEngine;
  readonly #schedule: Schedule;
  readonly #agent: Agent<never, unknown>;
  readonly #pending: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  /**
   * The runs of earlier ticks that may be under way: of the latest one that was, and of the one that was skipped last because of that.
   * Another worker may have looked a moment later, and begun it.
   */
  #earlier: readonly string[] = [];
  #isStopped = false;
  #isBusy = false;

  constructor(engine: TickEngine, schedule: Schedule) {
    this.#engine = engine;
    this.#schedule = schedule;
    this.#agent = schedule.agent;
  }

  begin(): void {
    const now = asyncScheduler.now();
    this.#await(this.#schedule.next(now));
    this.#lookBack(now).catch(this.#warn);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #await(at: number | undefined): void {
    if (at === undefined || this.#isStopped) return;
    const leftMs = at - asyncScheduler.now();
    this.#timer = setTimeout(
      () => {
        if (leftMs > LONGEST_WAIT_MS || asyncScheduler.now() < at) {
          this.#await(at);
          return;
        }
        this.#pending.push(at);
        this.#await(this.#schedule.next(at));
        if (!this.#isBusy) this.#beginPending().catch(this.#warn);
      },
      Math.max(0, Math.min(leftMs, LONGEST_WAIT_MS)),
    );
  }

  async #beginPending(): Promise<void> {
    this.#isBusy = true;
    try {
      for (let at = this.#pending.shift(); at !== undefined && !this.#isStopped; at = this.#pending.shift())
        await this.#tick(at);
    } finally {
      this.#isBusy = false;
    }
  }

  async #tick(at: number): Promise<void> {
    const { overlap, input } = this.#schedule;
    const runId = this.#runId(at);
    const current = await this.#underWay();
    if (current !== undefined) {
      if (overlap === 'skip') {
        this.#earlier = [current, runId];
        return;
      }
      if (overlap === 'cancel')
        await this.#engine.cancel(current, { agent: this.#agent, reason: 'the next tick has come' });
      while (overlap === 'queue' && !this.#isStopped && (await this.#isUnderWay(current)))
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
    if (this.#isStopped) return;
    this.#earlier = [runId];
    await this.#engine.submit?.(this.#agent as Agent<unknown, unknown>, input, { runId });
  }

  /** The run of an earlier tick that is under way: the latest, where there are several. */
  async #underWay(): Promise<string | undefined> {
    for (const runId of [...this.#earlier].reverse()) if (await this.#isUnderWay(runId)) return runId;
    return undefined;
  }

  /** A run of an earlier tick may be under way, begun by another worker. */
  async #lookBack(now: number): Promise<void> {
    let at = this.#schedule.latest(now);
    for (let i = 0; i < LOOKED_BACK && at !== undefined && this.#earlier.length === 0; i += 1) {
      const runId = this.#runId(at);
      if (await this.#isUnderWay(runId)) this.#earlier = [runId, ...this.#earlier];
      at = this.#schedule.latest(at - 1);
    }
  }

  /** Also one that the server has and nobody has begun. */
  async #isUnderWay(runId: string): Promise<boolean> {
    const status = (await this.#engine.loadRun(this.#agent, runId))?.status;
    return status === 'IDLE' || status === 'RUNNING' || status === 'SUSPENDED';
  }

  #runId(at: number): string {
    return `${this.#schedule.name}@${new Date(at).toISOString()}`;
  }

  readonly #warn = (error: unknown): void => {
    const { message } = toFailure(error);
    process.emitWarning(
      `Cannot begin a run of schedule "${this.#schedule.name}": ${message}`,
      'RestateWarning',
    );
  };
}
