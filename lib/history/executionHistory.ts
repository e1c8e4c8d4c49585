import { asyncScheduler } from 'rxjs';
import { monotonicFactory } from 'ulid';

import { InvalidArgumentError } from '../model/failure';
import { LogCompletedError, UnknownLogError } from '../errors/storageErrors';
import type { ExecutionLog, LogRest, LogSummary } from '../model/executionLog';
import { hideSecrets } from '../model/secretTexts';

/** Keeps logs of executions: by hand, or with `record(history)`. */
export interface ExecutionHistory {
  /**
   * Begins a log: `running`, without an end. A log id that is not given is made.
   *
   * @throws InvalidArgumentError when there is a log with this id.
   */
  createLog(workflowName: string, logId?: string): Promise<ExecutionLog>;
  /**
   * Adds one line. Lines stand in the order of the calls; nobody has to wait between them.
   *
   * @param duration - Seconds.
   * @throws UnknownLogError, LogCompletedError
   */
  addStepResult(logId: string, stepName: string, status: string, duration: number): Promise<ExecutionLog>;
  /** Ends a log. @throws UnknownLogError, LogCompletedError */
  completeLog(logId: string, status: string): Promise<ExecutionLog>;
  /** A log as it stands. @throws UnknownLogError */
  getLog(logId: string): Promise<ExecutionLog>;
  /** Newest first, without steps. */
  listLogs(query?: LogQuery): Promise<readonly LogSummary[]>;
}

/** Which logs to list. */
export interface LogQuery {
  readonly workflowName?: string;
  readonly status?: string;
  /** Only logs begun at this moment or later, ISO 8601. */
  readonly since?: string;
  /** At most so many. */
  readonly limit?: number;
}

/**
 * A history that rests in a store, such as `executionHistory(lowdbStore('./state').logs)`.
 *
 * While one change of a log is being written, those that come meanwhile share the next write. Names are kept without what
 * looks like a credential, as in a log.
 */
export function executionHistory(rest: LogRest, clock: { now(): number } = asyncScheduler): ExecutionHistory {
  const open = new Map<string, OpenLog>();
  const nextId = monotonicFactory();
  const now = (): string => new Date(clock.now()).toISOString();

  const change = async (logId: string, edit: (log: ExecutionLog) => ExecutionLog): Promise<ExecutionLog> => {
    const entry = open.get(logId) ?? { log: load(rest, logId), writing: undefined, next: undefined, uses: 0 };
    open.set(logId, entry);
    entry.uses += 1;
    try {
      // The chain of Promises keeps the order of the calls; one that is refused leaves the log as it was.
      const before = entry.log;
      const after = before.then(edit);
      entry.log = after.catch(() => before);
      entry.log.catch(() => undefined); // Whoever called hears of it; nobody else has to.
      const log = await after;
      await written(rest, entry);
      return log;
    } finally {
      entry.uses -= 1;
      if (entry.uses === 0) open.delete(logId);
    }
  };

  /** Ids of logs that are being begun. */
  const beginning = new Set<string>();
  /** A log is evidence: no other one takes its place. */
  const checkFree = async (logId: string): Promise<void> => {
    const isTaken = beginning.has(logId);
    beginning.add(logId);
    if (!isTaken && (await loadOrRelease(logId)) === undefined) return;
    if (!isTaken) beginning.delete(logId);
    throw new InvalidArgumentError(
      `Cannot begin execution log "${logId}": there is one with this id`,
      'give another id, or none',
    );
  };
  const loadOrRelease = async (logId: string): Promise<ExecutionLog | undefined> => {
    try {
      return await rest.load(logId);
    } catch (error) {
      beginning.delete(logId);
      throw error;
    }
  };

  return {
    async createLog(workflowName, id) {
      const logId = id ?? nextId(clock.now());
      if (id !== undefined) await checkFree(logId);
      const log: ExecutionLog = {
        logId,
        workflowName: hideSecrets(workflowName),
        startTime: now(),
        endTime: null,
        status: 'running',
        steps: [],
      };
      try {
        await rest.save(log);
      } finally {
        beginning.delete(logId);
      }
      return Object.freeze(log);
    },
    addStepResult(logId, stepName, status, duration) {
      const step = Object.freeze({ stepName: hideSecrets(stepName), status, duration, timestamp: now() });
      return change(logId, (log) => {
        if (log.endTime !== null) throw new LogCompletedError(logId, log.status);
        return Object.freeze({ ...log, steps: [...log.steps, step] });
      });
    },
    completeLog(logId, status) {
      const endTime = now();
      return change(logId, (log) => {
        if (log.endTime !== null) throw new LogCompletedError(logId, log.status);
        return Object.freeze({ ...log, endTime, status });
      });
    },
    /**
     * A log as it stands.
     *
     * @throws UnknownLogError
     */
    async getLog(logId) {
      return open.get(logId)?.log ?? load(rest, logId);
    },
    async listLogs({ workflowName, status, since, limit = Number.POSITIVE_INFINITY } = {}) {
      const logs = await rest.list();
      return logs
        .filter((log) => workflowName === undefined || log.workflowName === workflowName)
        .filter((log) => status === undefined || log.status === status)
        .filter((log) => since === undefined || log.startTime >= since)
        .slice(0, limit);
    },
  };
}

interface OpenLog {
  log: Promise<ExecutionLog>;
  writing: Promise<void> | undefined;
  next: Promise<void> | undefined;
  uses: number;
}

async function load(rest: LogRest, logId: string): Promise<ExecutionLog> {
  const log = await rest.load(logId);
  if (log === undefined) throw new UnknownLogError(logId);
  return log;
}

/** Resolves when a write that began after now is done. */
function written(rest: LogRest, entry: OpenLog): Promise<void> {
  const write = async (): Promise<void> => {
    entry.next = undefined;
    entry.writing = entry.log.then((log) => rest.save(log));
    await entry.writing;
  };
  if (entry.writing === undefined) return write();
  entry.next ??= entry.writing.catch(() => undefined).then(write);
  return entry.next;
}
