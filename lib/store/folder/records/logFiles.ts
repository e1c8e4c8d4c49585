import { isLeft } from 'fp-ts/lib/Either';

import { ExecutionLog as LogCodec } from '../../../codec/executionLogCodec';
import { explain } from '../../../codec/validate';
import { StoreCorruptError } from '../../../errors/storageErrors';
import type { ExecutionLog, LogSummary } from '../../../model/executionLog';
import type { Pause } from '../../../streams/yieldOften';
import {
  makeSideFolder,
  readChecked,
  readEach,
  removeOurs,
  within,
  writeChecked,
} from '../files/checkedFile';
import type { Files } from '../files/files';
import { lowDatabase } from '../files/lowdbFile';
import { fileName } from '../layout';

/** Writes an execution log, through lowdb. */
export async function writeLog(files: Files, folder: string, log: ExecutionLog, pause: Pause): Promise<void> {
  await makeSideFolder(files, folder);
  const write = (data: ExecutionLog) => {
    const fields = Object.entries(data).map(([name, value]) => [name, JSON.stringify(value)] as const);
    return writeChecked(files, pathOf(folder, data.logId), 'log', fields, pause);
  };
  await lowDatabase<ExecutionLog>({ write }, log).write();
}

/** Reads an execution log, through lowdb; undefined when there is none. */
export async function readLog(
  files: Files,
  folder: string,
  logId: string,
): Promise<ExecutionLog | undefined> {
  const log = await readFile(files, pathOf(folder, logId));
  if (log !== undefined && log.logId !== logId) {
    throw new StoreCorruptError(pathOf(folder, logId), 0, 'it holds another log');
  }
  return log;
}

/** What is said about the logs, newest first. `leftOut` hears of one that could not be read. */
export async function listLogs(
  files: Files,
  folder: string,
  pause: Pause,
  leftOut?: () => void,
): Promise<readonly LogSummary[]> {
  const summary = async (path: string): Promise<LogSummary | undefined> => {
    const log = await readFile(files, path);
    return log && summaryOfLog(log);
  };
  const summaries = await readEach(files, folder, pause, summary, leftOut);
  return [...summaries].sort(newestFirst);
}

/** Removes an execution log; false when there was none. */
export function deleteLog(files: Files, folder: string, logId: string): Promise<boolean> {
  return removeOurs(files, pathOf(folder, logId), 'log');
}

/** The run whose life `record` writes into a log of this id. */
export function runOfLog(logId: string): string {
  return logId.replace(/#\d+$/, '');
}

/** A log without its steps. */
export function summaryOfLog({ steps, ...log }: ExecutionLog): LogSummary {
  return Object.freeze({ ...log, stepCount: steps.length });
}

/** Orders logs by their start, the latest first. */
export function newestFirst(a: LogSummary, b: LogSummary): number {
  return a.startTime < b.startTime || (a.startTime === b.startTime && a.logId < b.logId) ? 1 : -1;
}

async function readFile(files: Files, path: string): Promise<ExecutionLog | undefined> {
  const read = async (): Promise<ExecutionLog | null> => {
    const fields = await readChecked(files, path, 'log');
    if (fields === undefined) return null;
    const log = LogCodec.decode(fields);
    if (isLeft(log)) throw new StoreCorruptError(path, 0, explain(log.left)[0] ?? 'it holds no log');
    const { logId, workflowName, startTime, endTime, status, steps } = log.right;
    return { logId, workflowName, startTime, endTime, status, steps };
  };
  const database = lowDatabase<ExecutionLog | null>({ read }, null);
  await database.read();
  return database.data ?? undefined;
}

function pathOf(folder: string, logId: string): string {
  return within(folder, `${fileName(logId)}.json`);
}

/** What is said about the execution logs of a folder, for the one process that writes them. */
export interface LogIndex {
  /** Newest first. The first time everything is read, later nothing. */
  list(): Promise<readonly LogSummary[]>;
  /** Writes a log, and remembers what is said about it. */
  save(log: ExecutionLog, write: () => Promise<void>): Promise<void>;
}

/** Begins with nothing known; `read` gives what stands in the folder, and says where that is not all. */
export function logIndex(read: (leftOut: () => void) => Promise<readonly LogSummary[]>): LogIndex {
  let known: Promise<Map<string, LogSummary>> | undefined;
  return {
    async list() {
      const missing: true[] = [];
      known ??= read(() => missing.push(true)).then(
        (summaries) => new Map(summaries.map((summary) => [summary.logId, summary])),
      );
      const mine = known;
      try {
        const summaries = [...(await mine).values()].sort(newestFirst);
        // What could not be read may be mended.
        if (missing.length > 0 && known === mine) known = undefined;
        return summaries;
      } catch (error) {
        if (known === mine) known = undefined;
        throw error;
      }
    },
    async save(log, write) {
      try {
        await write();
      } catch (error) {
        // The old file may stand there, or the new one.
        known = undefined;
        throw error;
      }
      // Behind a reading that is under way, which may have seen the file before.
      await known?.then(
        (summaries) => summaries.set(log.logId, summaryOfLog(log)),
        () => undefined,
      );
    },
  };
}
