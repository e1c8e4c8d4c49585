import { isLeft } from 'fp-ts/lib/Either';
import { asyncScheduler } from 'rxjs';

import { RunState } from '../codec/state';
import type { ExecutionLog } from '../model/executionLog';
import type { RunState as RunStateRecord } from '../model/state';
import { memoryCache } from './answerCache';
import { checkValues } from './checkValues';
import type { Clock } from './ids';
import { checkRunId } from './invalidRunIdError';
import { newestFirst, summaryOfLog } from './logFiles';
import { memoryInbox } from './memoryInbox';
import { memorySnapshots } from './memorySnapshots';
import { prunable } from './prunable';
import { RunActiveError } from './runActiveError';
import { RunExistsError } from './runExistsError';
import type { RunFold } from './runFold';
import { runFold } from './runFold';
import { stateCopy } from './stateCopy';
import type { Store } from './store';
import { select, summaryOf } from './summary';

/** How a store in memory works. */
export interface MemoryStoreOptions {
  /** Tells the time for snapshots and `prune`; the async scheduler when left out. */
  readonly clock?: Clock;
}

/**
 * A store that forgets everything with the process; for tests, and for runs that need no more than `retry()`.
 *
 * Everything happens at once, so runs of synchronous agents stay synchronous. Values are checked and kept as JSON, exactly
 * as `lowdbStore` does.
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const { clock = asyncScheduler } = options;
  const runs = new Map<string, RunFold>();
  const claimed = new Set<string>();
  const logs = new Map<string, ExecutionLog>();
  const inbox = memoryInbox();
  const cache = memoryCache();
  const summaries = () =>
    [...runs].flatMap(([runId, run]) => {
      const state = run.state();
      return state === undefined ? [] : [{ run: summaryOf(state), isResting: !claimed.has(runId) }];
    });

  return {
    claim(runId) {
      checkRunId(runId);
      if (claimed.has(runId)) throw new RunActiveError(runId);
      claimed.add(runId);
      let fold = runs.get(runId);
      const state = fold?.state();
      const write = (text: string) => {
        if (fold === undefined) runs.set(runId, (fold = runFold(runId, undefined)));
        fold.add(text);
      };
      return {
        state: state && stateCopy(state),
        checksValues: true,
        cache,
        append: (event) => {
          write(JSON.stringify(event));
        },
        note: (event) => {
          write(JSON.stringify(event));
        },
        inbox: (listener) => inbox.listen(runId, listener),
        release: () => {
          claimed.delete(runId);
        },
      };
    },
    loadRun: async (runId) => {
      checkRunId(runId);
      const state = runs.get(runId)?.state();
      return Promise.resolve(state && stateCopy(state));
    },
    listRuns: async (query) => Promise.resolve(select(summaries(), query)),
    deleteRun: async (runId) => {
      checkRunId(runId);
      if (claimed.has(runId)) return Promise.reject(new RunActiveError(runId));
      return Promise.resolve(runs.delete(runId));
    },
    importRun: async (state) => {
      checkRunId(state.runId);
      checkValues(state);
      if (runs.has(state.runId) || claimed.has(state.runId)) throw new RunExistsError(state.runId);
      runs.set(state.runId, runFold(state.runId, copyOf(state)));
      return Promise.resolve();
    },
    prune: async (limits) => {
      const forgotten = prunable(summaries(), limits, clock.now());
      for (const runId of forgotten) runs.delete(runId);
      return Promise.resolve(forgotten);
    },
    post: async (runId, message) => {
      checkRunId(runId);
      inbox.post(runId, message);
      return Promise.resolve();
    },
    snapshots: memorySnapshots(clock),
    logs: {
      save: async (log) => {
        logs.set(log.logId, log);
        return Promise.resolve();
      },
      load: async (logId) => Promise.resolve(logs.get(logId)),
      list: async () => Promise.resolve([...logs.values()].map(summaryOfLog).sort(newestFirst)),
    },
    close: async () => Promise.resolve(),
  };
}

/** The state as it would be read back from a file. */
function copyOf(state: RunStateRecord): RunStateRecord {
  const copy = RunState.decode(JSON.parse(JSON.stringify(state)));
  if (isLeft(copy)) throw new TypeError(`Cannot put in run "${state.runId}": it is no state of a run`);
  return copy.right;
}
