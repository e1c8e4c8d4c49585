import type { ExecutionLog } from '../model/executionLog';
import type { ExecutionHistory } from './executionHistory';
import { executionHistory } from './executionHistory';

/** A history that is forgotten with the process. */
export function memoryHistory(clock?: { now(): number }): ExecutionHistory {
  const logs = new Map<string, ExecutionLog>();
  return executionHistory(
    {
      save: (log) => {
        logs.set(log.logId, log);
        return Promise.resolve();
      },
      load: (logId) => Promise.resolve(logs.get(logId)),
      list: () =>
        Promise.resolve(
          [...logs.values()].reverse().map(({ steps, ...log }) => ({ ...log, stepCount: steps.length })),
        ),
    },
    clock,
  );
}
