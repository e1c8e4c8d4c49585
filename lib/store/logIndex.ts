import type { ExecutionLog, LogSummary } from '../model/executionLog';
import { newestFirst, summaryOfLog } from './logFiles';

/** What is said about the execution logs of a folder, for the one process that writes them. */
export interface LogIndex {
  /** Newest first. The first time everything is read, later nothing. */
  list(): Promise<readonly LogSummary[]>;
  /** Writes a log, and remembers what is said about it. */
  save(log: ExecutionLog, write: () => Promise<void>): Promise<void>;
}

/** Begins with nothing known; `read` gives what stands in the folder. */
export function logIndex(read: () => Promise<readonly LogSummary[]>): LogIndex {
  let known: Promise<Map<string, LogSummary>> | undefined;
  return {
    async list() {
      known ??= read().then((summaries) => new Map(summaries.map((summary) => [summary.logId, summary])));
      const mine = known;
      try {
        return [...(await mine).values()].sort(newestFirst);
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
