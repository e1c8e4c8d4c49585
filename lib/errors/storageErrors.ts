import { types } from 'node:util';

import { MillraceError } from '../model/failure';

/**
 * The file system refused something a store needs, such as on a full disk.
 *
 * Nothing acknowledged is lost; the run can be resumed once the cause is gone.
 */
export class StorageError extends MillraceError {
  override readonly name = 'StorageError';
  readonly code = 'STORAGE_FAILED';
  // Calling the agent once more would not help; resuming the run later does.
  readonly retryable = false;
  /** Path of the file. */
  readonly file: string;
  /** The code of the system, such as ENOSPC or EACCES; absent when it gave none. */
  readonly systemCode?: string;

  constructor(
    action: string,
    file: string,
    cause: unknown,
    advice = 'resume the run once the cause is gone',
  ) {
    const code = systemCodeOf(cause);
    const why = isError(cause) ? cause.message : String(cause);
    super(`Cannot ${action} "${file}": ${why}`, advice, { cause });
    this.file = file;
    if (code !== undefined) this.systemCode = code;
  }
}

/**
 * A `StorageError` about this action on this file. What the system said stays its cause, however often it is told anew with a
 * better name of the file; a refusal of our own says more than the action that met it, and stays.
 */
export function storageErrorOf(thrown: unknown, action: string, file: string): StorageError {
  if (!(thrown instanceof StorageError)) return new StorageError(action, file, thrown);
  return isError(thrown.cause) ? new StorageError(action, file, thrown.cause, thrown.next) : thrown;
}

/** The code of the system behind an error, such as EEXIST. */
export function systemCodeOf(thrown: unknown): string | undefined {
  if (thrown instanceof StorageError) return thrown.systemCode;
  const code = (thrown as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/** What an access to the file system threw, as a `StorageError`; errors of ours stay as they are. */
export function asStorageError(thrown: unknown, action: string, file: string): unknown {
  const isOfSystem = isError(thrown) && thrown.name === 'Error' && 'code' in thrown;
  return isOfSystem ? new StorageError(action, file, thrown) : thrown;
}

/** Also one of another realm: under Jest, those of Node itself are. */
function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** A file of a store is not as the store wrote it. Nothing was changed. */
export class StoreCorruptError extends MillraceError {
  override readonly name = 'StoreCorruptError';
  readonly code = 'STORE_CORRUPT';
  readonly retryable = false;
  /** Path of the file. */
  readonly file: string;
  /** Byte at which the damage was noticed. */
  readonly offset: number;
  /** What is wrong with it. */
  readonly why: string;

  constructor(file: string, offset: number, why: string) {
    super(
      `Cannot trust "${file}" at byte ${String(offset)}: ${why}`,
      'restore it from a backup, or copy what is intact with salvage()',
    );
    this.file = file;
    this.offset = offset;
    this.why = why;
  }
}

/** A store was written by a newer release of this library. Nothing was changed. */
export class StoreFormatError extends MillraceError {
  override readonly name = 'StoreFormatError';
  readonly code = 'STORE_FORMAT';
  readonly retryable = false;
  /** Path of the file. */
  readonly file: string;
  /** The format of the file. */
  readonly format: number;

  constructor(file: string, format: number, known: number) {
    super(
      `Cannot open "${file}": it has format ${String(format)}, this release reads up to ${String(known)}`,
      'update millrace',
    );
    this.file = file;
    this.format = format;
  }
}

/** Another process, or another store object of this one, writes to the same folder. */
export class StoreLockedError extends MillraceError {
  override readonly name = 'StoreLockedError';
  readonly code = 'STORE_LOCKED';
  readonly retryable = false;
  /** The folder of the store. */
  readonly folder: string;
  /** Process id of the owner. */
  readonly pid: number;
  /** Name of the machine of the owner. */
  readonly host: string;

  /** @param action - What needs the store, where that is more than to write to it. */
  constructor(folder: string, pid: number, host: string, advice: string, action?: string) {
    const what = action === undefined ? `write to store "${folder}"` : `${action} in store "${folder}"`;
    super(`Cannot ${what}: process ${String(pid)} on ${host} is writing to it`, advice);
    this.folder = folder;
    this.pid = pid;
    this.host = host;
  }
}

/** Something was asked of whoever serves the runs of a store, and nobody does. */
export class StoreNotServedError extends MillraceError {
  override readonly name = 'StoreNotServedError';
  readonly code = 'STORE_NOT_SERVED';
  readonly retryable = true;
  /** The folder of the store; `memory` for one without. */
  readonly folder: string;
  /** Process id of who writes to it; absent when nobody does. */
  readonly pid?: number;
  /** Name of the machine of that process. */
  readonly host?: string;

  /** @param isServing - Whether the owner says that it serves, and does not answer all the same. */
  constructor(
    action: string,
    folder: string,
    owner?: { readonly pid: number; readonly host: string },
    isServing = false,
  ) {
    const who = owner && `process ${String(owner.pid)} on ${owner.host}`;
    super(
      isServing
        ? `Cannot ${action}: ${who ?? 'whoever serves'} serves the runs of "${folder}", but does not answer`
        : `Cannot ${action}: nobody serves the runs of "${folder}"${who === undefined ? '' : `, and ${who} has it locked`}`,
      isServing ? 'see what keeps it busy, and try again' : 'call serve() there, or close() its store',
    );
    this.folder = folder;
    if (owner !== undefined) [this.pid, this.host] = [owner.pid, owner.host];
  }
}

/** Too many runs wait to be begun. */
export class BacklogFullError extends MillraceError {
  override readonly name = 'BacklogFullError';
  readonly code = 'BACKLOG_FULL';
  readonly retryable = true;
  /** The id of the run that was refused. */
  readonly runId: string;
  /** How many may wait. */
  readonly maxBacklog: number;

  constructor(runId: string, maxBacklog: number) {
    super(
      `Cannot submit run "${runId}": ${String(maxBacklog)} runs wait to be begun`,
      'submit it again later, serve with more concurrency, or allow a larger maxBacklog',
    );
    this.runId = runId;
    this.maxBacklog = maxBacklog;
  }
}

/** Whoever serves the runs of a store could not do what it was asked, for a reason that has no class here. */
export class RequestFailedError extends MillraceError {
  override readonly name = 'RequestFailedError';
  readonly code = 'REQUEST_FAILED';

  constructor(action: string, why: string) {
    super(`Cannot ${action}: ${why}`, 'look into the log of the process that serves');
  }
}

/** There is no run with this id in the store, or on the engine, for this definition. */
export class UnknownRunError extends MillraceError {
  override readonly name = 'UnknownRunError';
  readonly code = 'UNKNOWN_RUN';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string) {
    super(`Cannot find run "${runId}"`, 'listRuns() names those that are there');
    this.runId = runId;
  }
}

/** No events are kept of a run: an earlier version wrote it, or its store keeps none. */
export class EventsNotKeptError extends MillraceError {
  override readonly name = 'EventsNotKeptError';
  readonly code = 'EVENTS_NOT_KEPT';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot read the events of run "${runId}": none are kept of it`,
      "an earlier version wrote it, or its store has events: 'none'; loadRun() tells how it stands",
    );
    this.runId = runId;
  }
}

/** There is no snapshot with this id in the store. */
export class UnknownSnapshotError extends MillraceError {
  override readonly name = 'UnknownSnapshotError';
  readonly code = 'UNKNOWN_SNAPSHOT';
  readonly retryable = false;
  /** The id of the snapshot. */
  readonly snapshotId: string;

  constructor(snapshotId: string) {
    super(`Cannot find snapshot "${snapshotId}" in the store`, 'snapshots.list() names those that are there');
    this.snapshotId = snapshotId;
  }
}

/** A run was to be carried on, or deleted, while somebody else in this process is carrying it on. */
export class RunActiveError extends MillraceError {
  override readonly name = 'RunActiveError';
  readonly code = 'RUN_ACTIVE';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot carry on or delete run "${runId}": it is under way in process ${String(process.pid)}`,
      'wait for its end, unsubscribe there, or use another runId',
    );
    this.runId = runId;
  }
}

/** A run was to be put into a store that has one with this id already. */
export class RunExistsError extends MillraceError {
  override readonly name = 'RunExistsError';
  readonly code = 'RUN_EXISTS';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot put in run "${runId}": the store has a run with this id`,
      'use another one, or delete the old run',
    );
    this.runId = runId;
  }
}

/** A file that should hold a run does not, is damaged, or was written by a newer release. */
export class RunArchiveError extends MillraceError {
  override readonly name = 'RunArchiveError';
  readonly code = 'RUN_FILE_DAMAGED';
  readonly retryable = false;

  constructor(why: string, advice = 'export the run again where it is') {
    super(`Cannot read the file of a run: ${why}`, advice);
  }
}

/** How many characters the id of a run has at most. */
export const LONGEST_RUN_ID = 200;

/** A run id that cannot be used: empty, longer than 200 characters, or not a string. */
export class InvalidRunIdError extends MillraceError {
  override readonly name = 'InvalidRunIdError';
  readonly code = 'INVALID_RUN_ID';
  readonly retryable = false;

  constructor(why: string) {
    super(`Cannot use this run id: ${why}`, 'a run id is a string of 1 to 200 characters');
  }
}

/**
 * Accepts every string of 1 to 200 characters; what it contains never reaches the file system.
 *
 * @throws InvalidRunIdError
 */
export function checkRunId(runId: unknown): asserts runId is string {
  if (typeof runId !== 'string') throw new InvalidRunIdError(`it is a value of type ${typeof runId}`);
  if (runId === '') throw new InvalidRunIdError('it is empty');
  if (runId.length > LONGEST_RUN_ID) throw new InvalidRunIdError(`it has ${String(runId.length)} characters`);
}

/** An execution log has its end, and takes no more. */
export class LogCompletedError extends MillraceError {
  override readonly name = 'LogCompletedError';
  readonly code = 'LOG_COMPLETED';
  readonly retryable = false;
  /** The id of the log. */
  readonly logId: string;

  constructor(logId: string, status: string) {
    super(
      `Cannot change execution log "${logId}": it has ended as "${status}"`,
      'begin a new one with createLog()',
    );
    this.logId = logId;
  }
}

/** There is no execution log with this id. */
export class UnknownLogError extends MillraceError {
  override readonly name = 'UnknownLogError';
  readonly code = 'UNKNOWN_LOG';
  readonly retryable = false;
  /** The id of the log. */
  readonly logId: string;

  constructor(logId: string) {
    super(`Cannot find execution log "${logId}"`, 'listLogs() names those that are there');
    this.logId = logId;
  }
}

/** Lines of a log or of a history are lost: whoever takes them is too slow, or has stopped. */
export class LinesLostError extends MillraceError {
  override readonly name = 'LinesLostError';
  readonly code = 'LINES_LOST';

  constructor(problem: string) {
    super(problem, 'take them faster, or tell less', { tellsNext: false });
  }
}

/** A stream was to be claimed, or forgotten, while somebody else in this process has it. */
export class StreamActiveError extends MillraceError {
  override readonly name = 'StreamActiveError';
  readonly code = 'STREAM_ACTIVE';
  readonly retryable = false;
  /** Under which it is claimed. */
  readonly streamName: string;

  constructor(streamName: string) {
    super(
      `Cannot go on with stream "${streamName}": it is under way in this process`,
      'unsubscribe there, or use another name',
    );
    this.streamName = streamName;
  }
}

/** A name of a stream, or of what an operator remembers in it, that cannot be used. */
export class StreamNameError extends MillraceError {
  override readonly name = 'StreamNameError';
  readonly code = 'STREAM_NAME_INVALID';
  readonly retryable = false;

  constructor(why: string) {
    super(
      `Cannot use this name for a stream: ${why}`,
      'give a string of 1 to 200 characters that nothing else in the stream has',
    );
  }
}

/**
 * Accepts every string of 1 to 200 characters; what it contains never reaches the file system.
 *
 * @throws StreamNameError
 */
export function checkStreamName(name: unknown): asserts name is string {
  if (typeof name !== 'string') throw new StreamNameError(`it is a value of type ${typeof name}`);
  if (name === '') throw new StreamNameError('it is empty');
  if (name.length > 200) throw new StreamNameError(`it has ${String(name.length)} characters`);
}
