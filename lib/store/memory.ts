import { checkRunId } from './invalidRunIdError';
import { RunActiveError } from './runActiveError';
import type { RunFold } from './runFold';
import { runFold } from './runFold';
import type { Store } from './store';
import { select, summaryOf } from './summary';

/**
 * A store that forgets everything with the process; for tests, and for runs that need no more than `retry()`.
 *
 * Everything happens at once, so runs of synchronous agents stay synchronous. Values are checked and kept as JSON, exactly
 * as `lowdbStore` does.
 */
export function memoryStore(): Store {
  const runs = new Map<string, RunFold>();
  const claimed = new Set<string>();
  return {
    claim(runId) {
      checkRunId(runId);
      if (claimed.has(runId)) throw new RunActiveError(runId);
      claimed.add(runId);
      let fold = runs.get(runId);
      const write = (text: string) => {
        if (fold === undefined) runs.set(runId, (fold = runFold(runId, undefined)));
        fold.add(text);
      };
      return {
        state: fold?.state(),
        checksValues: true,
        append: (event) => {
          write(JSON.stringify(event));
        },
        note: (event) => {
          write(JSON.stringify(event));
        },
        release: () => {
          claimed.delete(runId);
        },
      };
    },
    loadRun: async (runId) => Promise.resolve(runs.get(runId)?.state()),
    listRuns: async (query) =>
      Promise.resolve(select([...runs.values()].flatMap((run) => run.state() ?? []).map(summaryOf), query)),
    deleteRun: async (runId) => {
      if (claimed.has(runId)) return Promise.reject(new RunActiveError(runId));
      return Promise.resolve(runs.delete(runId));
    },
    close: async () => Promise.resolve(),
  };
}
