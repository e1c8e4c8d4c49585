import { Cron } from 'croner';
import ms from 'ms';

import { notAnAgent } from '../../lib/definition/checks';
import { definitionOf } from '../../lib/definition/definition';
import type { Agent } from '../../lib/model/agentType';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { RunArguments } from './run';

/** How a schedule treats ticks that cannot begin on time. */
export interface ScheduleOptions {
  /** Names the schedule: its runs are called `name@time`. The name of the agent when left out. */
  readonly name?: string;
  /** IANA name of the time zone in which a cron pattern is read, such as `Asia/Seoul`; `UTC` when left out. */
  readonly timeZone?: string;
  /**
   * What happens to a tick while the run of an earlier one has not ended, one that waits for an answer and one that has failed and is
   * resumed by the `retry` of `serve` included: it is dropped (`skip`, when left out), begins after it (`queue`), or cancels it
   * (`cancel`).
   */
  readonly overlap?: 'skip' | 'queue' | 'cancel';
  /** Which ticks are made up for that passed while nobody served: none (when left out), the last, or all, one after another. */
  readonly catchUp?: 'none' | 'last' | 'all';
}

/** When an agent is run by `serve()`. */
export interface Schedule {
  /** Different for each schedule of a server. */
  readonly name: string;
  /** What is run. */
  readonly agent: Agent<never, unknown>;
  /** What each run is given. */
  readonly input: unknown;
  /** See `ScheduleOptions`. */
  readonly overlap: 'skip' | 'queue' | 'cancel';
  /** See `ScheduleOptions`. */
  readonly catchUp: 'none' | 'last' | 'all';
  /** The first tick after a moment; both epoch milliseconds. Undefined when there is none. */
  next(after: number): number | undefined;
  /** The latest tick at or before a moment. */
  latest(until: number): number | undefined;
}

/**
 * Runs an agent again and again, for `serve(agents, { schedules })`.
 *
 * Each tick has a run id made from its time, so that no restart and no second process runs it twice. Where the newest run of a schedule
 * has been deleted, nobody knows which ticks were missed. When the system's clock is set back, ticks come again: one whose run is
 * kept does not run twice, and none cancels the run of a later tick.
 *
 * @param when - A duration such as `5 minutes`, counted from the epoch in UTC, or a cron pattern such as `0 9 * * 1-5`.
 * @throws InvalidArgumentError when it is neither, the duration is below a second, or the time zone is unknown.
 *
 * @example
 * ```ts
 * serve([report], { store, schedules: [schedule('0 9 * * 1-5', report, 'daily', { timeZone: 'Asia/Seoul' })] });
 * ```
 */
export function schedule<I>(
  when: string,
  agent: Agent<I, unknown>,
  ...[input, options = {}]: RunArguments<I, ScheduleOptions>
): Schedule {
  if (definitionOf(agent) === undefined) throw notAnAgent('schedule', agent);
  const { name = agent.name, timeZone = 'UTC', overlap = 'skip', catchUp = 'none' } = options;
  if (!['skip', 'queue', 'cancel'].includes(overlap))
    throw new InvalidArgumentError(`overlap is ${overlap}`, 'give skip, queue or cancel');
  if (!['none', 'last', 'all'].includes(catchUp))
    throw new InvalidArgumentError(`catchUp is ${catchUp}`, 'give none, last or all');
  return {
    name,
    agent,
    input,
    overlap,
    catchUp,
    ...(everyMs(when) ?? cronTimes(when, timeZone)),
  };
}

type Times = Pick<Schedule, 'next' | 'latest'>;

function everyMs(when: string): Times | undefined {
  const stepMs = Number.isNaN(Number(when))
    ? (ms(when as ms.StringValue) as number | undefined)
    : Number(when);
  if (stepMs === undefined) return undefined;
  if (!(stepMs >= 1_000))
    throw new InvalidArgumentError(
      `Cannot schedule every "${when}": it is shorter than a second`,
      "give a duration such as '5 minutes'",
    );
  return {
    next: (after) => (Math.floor(after / stepMs) + 1) * stepMs,
    latest: (until) => Math.floor(until / stepMs) * stepMs,
  };
}

function cronTimes(when: string, timezone: string): Times {
  try {
    const cron = new Cron(when, { timezone });
    cron.nextRun();
    return {
      next: (after) => cron.nextRun(new Date(after))?.getTime(),
      latest: (until) => cron.previousRuns(1, new Date(until + 1))[0]?.getTime(),
    };
  } catch (error) {
    throw new InvalidArgumentError(
      `Cannot schedule "${when}" in time zone "${timezone}": ${(error as Error).message}`,
      "give a duration such as '5 minutes' or a cron pattern, and an IANA time zone",
      { cause: error },
    );
  }
}
