import type { RunStatus } from '../lib/model/state';

/** What the command line ends with; for commands about one run, how the run stands. */
export const exitCodes = {
  /** The run has completed, or what was asked is done. */
  done: 0,
  /** The run failed. */
  failed: 1,
  /** There is no such thing, or the name fits several. */
  notFound: 2,
  /** The run was cancelled. */
  cancelled: 3,
  /** The run waits for an answer. */
  suspended: 4,
  /** The run is still under way, or waits in the queue. */
  running: 5,
  /** Nothing came in the time that was given. */
  timedOut: 6,
  /** The command cannot be carried out as it was typed. */
  usage: 64,
  /** The store is damaged, or of a newer format. */
  damaged: 65,
  /** The agents are needed, and there are none. */
  noAgents: 69,
  /** A fault of this program, or an agent waits for what can never come. */
  bug: 70,
  /** Somebody else has the store and does not serve it, or a run was drained: try again. */
  busy: 75,
  /** Ctrl-C. */
  interrupted: 130,
} as const;

/** What a command about one run ends with when the run stands so. */
export function exitOfRun(run: { readonly status: RunStatus; readonly reason?: string }): number {
  switch (run.status) {
    case 'COMPLETED':
      return exitCodes.done;
    case 'FAILED':
      return exitCodes.failed;
    case 'CANCELLED':
      return exitCodes.cancelled;
    case 'SUSPENDED':
      return run.reason === 'drain' ? exitCodes.busy : exitCodes.suspended;
    case 'IDLE':
    case 'RUNNING':
      return exitCodes.running;
  }
}

const byCode: Readonly<Record<string, number>> = {
  UNKNOWN_RUN: exitCodes.notFound,
  UNKNOWN_STEP: exitCodes.notFound,
  UNKNOWN_SNAPSHOT: exitCodes.notFound,
  EVENTS_NOT_KEPT: exitCodes.notFound,
  STORE_CORRUPT: exitCodes.damaged,
  STORE_FORMAT: exitCodes.damaged,
  RUN_FILE_DAMAGED: exitCodes.damaged,
  AGENT_NOT_SERVED: exitCodes.noAgents,
  STORE_LOCKED: exitCodes.busy,
  STORE_NOT_SERVED: exitCodes.busy,
  STORAGE_FAILED: exitCodes.busy,
  RUN_ACTIVE: exitCodes.busy,
  BACKLOG_FULL: exitCodes.busy,
  REQUEST_FAILED: exitCodes.busy,
  RUN_FAILED: exitCodes.failed,
};

/** What a command ends with that met an error of this package. Those not named say that the command cannot be meant so. */
export function exitOfCode(code: string): number {
  return byCode[code] ?? exitCodes.usage;
}
