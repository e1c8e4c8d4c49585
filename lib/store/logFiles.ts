import { isLeft } from 'fp-ts/lib/Either';

import { ExecutionLog } from '../codec/executionLog';
import { explain } from '../codec/explain';
import type { ExecutionLog as Log, LogSummary } from '../model/executionLog';
import { readChecked, within, writeChecked } from './checkedFile';
import { fileName } from './fileName';
import type { Files } from './files';
import { lowDatabase } from './lowDatabase';
import type { Pause } from './pause';
import { storing } from './storageError';
import { StoreCorruptError } from './storeCorruptError';

/** Writes an execution log, through lowdb. */
export async function writeLog(files: Files, folder: string, log: Log, pause: Pause): Promise<void> {
  storing('make', folder, () => {
    files.makeFolder(folder);
  });
  const write = (data: Log) => {
    const fields = Object.entries(data).map(([name, value]) => [name, JSON.stringify(value)] as const);
    return writeChecked(files, pathOf(folder, data.logId), 'log', fields, pause);
  };
  await lowDatabase<Log>({ write }, log).write();
}

/** Reads an execution log, through lowdb; undefined when there is none. */
export async function readLog(files: Files, folder: string, logId: string): Promise<Log | undefined> {
  const log = await readFile(files, pathOf(folder, logId));
  if (log !== undefined && log.logId !== logId) {
    throw new StoreCorruptError(pathOf(folder, logId), 0, 'it holds another log');
  }
  return log;
}

/** What is said about the logs, newest first. */
export async function listLogs(files: Files, folder: string, pause: Pause): Promise<readonly LogSummary[]> {
  const summaries: LogSummary[] = [];
  for (const name of storing('list', folder, () => files.list(folder))) {
    if (!name.endsWith('.json')) continue;
    const log = await readFile(files, within(folder, name));
    if (log !== undefined) summaries.push(summaryOfLog(log));
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  return summaries.sort(newestFirst);
}

/** A log without its steps. */
export function summaryOfLog({ steps, ...log }: Log): LogSummary {
  return Object.freeze({ ...log, stepCount: steps.length });
}

/** Orders logs by their start, the latest first. */
export function newestFirst(a: LogSummary, b: LogSummary): number {
  return a.startTime < b.startTime || (a.startTime === b.startTime && a.logId < b.logId) ? 1 : -1;
}

async function readFile(files: Files, path: string): Promise<Log | undefined> {
  const read = async (): Promise<Log | null> => {
    const fields = await readChecked(files, path, 'log');
    if (fields === undefined) return null;
    const log = ExecutionLog.decode(fields);
    if (isLeft(log)) throw new StoreCorruptError(path, 0, explain(log.left)[0] ?? 'it holds no log');
    const { logId, workflowName, startTime, endTime, status, steps } = log.right;
    return { logId, workflowName, startTime, endTime, status, steps };
  };
  const database = lowDatabase<Log | null>({ read }, null);
  await database.read();
  return database.data ?? undefined;
}

function pathOf(folder: string, logId: string): string {
  return within(folder, `${fileName(logId)}.json`);
}
