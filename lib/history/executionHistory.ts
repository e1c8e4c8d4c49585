import { asyncScheduler } from 'rxjs';

import { LogCompletedError, UnknownLogError } from '../errors/storageErrors';
import type { ExecutionLog, LogRest, LogSummary } from '../model/executionLog';
import { InvalidArgumentError } from '../model/failure';
import { orderedIds } from '../model/orderedIds';
import { hideSecrets } from '../model/secrets/secretTexts';

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
   * @throws InvalidArgumentError for a duration that is not a number, which could not be read again.
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
  return new LogHistory(rest, clock);
}

class LogHistory implements ExecutionHistory {
  readonly #rest: LogRest;
  readonly #clock: { now(): number };
  readonly #nextId = orderedIds();
  readonly #open = new Map<string, OpenLog>();
  /** Ids of logs that are being begun. */
  readonly #beginning = new Set<string>();

  constructor(rest: LogRest, clock: { now(): number }) {
    this.#rest = rest;
    this.#clock = clock;
  }

  async createLog(workflowName: string, id?: string): Promise<ExecutionLog> {
    const logId = id ?? this.#nextId(this.#clock.now());
    if (id !== undefined) await this.#reserve(logId);
    const log: ExecutionLog = {
      logId,
      workflowName: hideSecrets(workflowName),
      startTime: this.#now(),
      endTime: null,
      status: 'running',
      steps: [],
    };
    try {
      await this.#rest.save(log);
    } finally {
      this.#beginning.delete(logId);
    }
    return Object.freeze(log);
  }

  async addStepResult(
    logId: string,
    stepName: string,
    status: string,
    duration: number,
  ): Promise<ExecutionLog> {
    checkText(logId, 'the name of a step', stepName);
    checkText(logId, 'the status of a step', status);
    if (!Number.isFinite(duration)) throw unkept(logId, 'a duration', duration, 'give seconds');
    const step = Object.freeze({ stepName: hideSecrets(stepName), status, duration, timestamp: this.#now() });
    return this.#change(logId, (log) => Object.freeze({ ...log, steps: [...log.steps, step] }));
  }

  async completeLog(logId: string, status: string): Promise<ExecutionLog> {
    checkText(logId, 'its status', status);
    const endTime = this.#now();
    return this.#change(logId, (log) => Object.freeze({ ...log, endTime, status }));
  }

  async getLog(logId: string): Promise<ExecutionLog> {
    return this.#open.get(logId)?.log ?? load(this.#rest, logId);
  }

  async listLogs(query: LogQuery = {}): Promise<readonly LogSummary[]> {
    const { workflowName, status, since, limit = Number.POSITIVE_INFINITY } = query;
    const logs = await this.#rest.list();
    return logs
      .filter((log) => workflowName === undefined || log.workflowName === workflowName)
      .filter((log) => status === undefined || log.status === status)
      .filter((log) => since === undefined || log.startTime >= since)
      .slice(0, limit);
  }

  /** A log is evidence: no other one takes its place. */
  async #reserve(logId: string): Promise<void> {
    if (!this.#beginning.has(logId)) {
      this.#beginning.add(logId);
      let isFree = false;
      try {
        isFree = (await this.#rest.load(logId)) === undefined;
      } finally {
        if (!isFree) this.#beginning.delete(logId);
      }
      if (isFree) return;
    }
    throw new InvalidArgumentError(
      `Cannot begin execution log "${logId}": there is one with this id`,
      'give another id, or none',
    );
  }

  async #change(logId: string, edit: (log: ExecutionLog) => ExecutionLog): Promise<ExecutionLog> {
    const entry = this.#open.get(logId) ?? {
      log: load(this.#rest, logId),
      writing: undefined,
      next: undefined,
      uses: 0,
    };
    this.#open.set(logId, entry);
    entry.uses += 1;
    try {
      // The chain of Promises keeps the order of the calls; one that is refused leaves the log as it was.
      const before = entry.log;
      const after = before.then((log) => {
        if (log.endTime !== null) throw new LogCompletedError(logId, log.status);
        return edit(log);
      });
      entry.log = after.catch(() => before);
      entry.log.catch(() => undefined); // Whoever called hears of it; nobody else has to.
      const log = await after;
      await written(this.#rest, entry);
      return log;
    } finally {
      entry.uses -= 1;
      if (entry.uses === 0) this.#open.delete(logId);
    }
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

/** @throws InvalidArgumentError for what is no text: the log could not be read again. */
function checkText(logId: string, what: string, value: unknown): void {
  if (typeof value !== 'string') throw unkept(logId, what, value, 'give a text');
}

function unkept(logId: string, what: string, value: unknown, next: string): InvalidArgumentError {
  const given = typeof value === 'number' ? String(value) : `a value of type ${typeof value}`;
  return new InvalidArgumentError(`Cannot change execution log "${logId}": ${what} is ${given}`, next);
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
