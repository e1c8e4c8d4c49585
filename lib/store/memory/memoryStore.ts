import { isLeft } from 'fp-ts/lib/Either';
import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../codec/jsonValue';
import { RunState } from '../../codec/stateCodec';
import { checkRunId, RunActiveError, RunExistsError, UnknownSnapshotError } from '../../errors/storageErrors';
import type { ExecutionLog } from '../../model/executionLog';
import type { RunMessage } from '../../model/message';
import type { RunState as RunStateRecord } from '../../model/state';
import { memoryCache } from '../answerCache';
import { checkValues } from '../claimRun';
import type { RunFold } from '../folder/openRun';
import { runFold } from '../folder/openRun';
import { newestFirst, summaryOfLog } from '../folder/records/logFiles';
import type { Clock } from '../ids';
import { ids } from '../ids';
import { addressMessage } from '../messages';
import type { SnapshotText } from '../snapshotText';
import { captureSnapshot, snapshotOf } from '../snapshotText';
import { stateCopy } from '../stateCopy';
import type { ReceivedMessage, SnapshotStore, Store } from '../store';
import { prunable, select, summaryOf } from '../summary';
import { InvalidArgumentError } from '../../model/failure';
import { memoryStreams } from './memoryStreams';

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
      inbox.forget(runId);
      return Promise.resolve(runs.delete(runId));
    },
    importRun: async (state) => {
      checkRunId(state.runId);
      checkValues(state);
      if (runs.has(state.runId) || claimed.has(state.runId)) throw new RunExistsError(state.runId);
      runs.set(state.runId, runFold(state.runId, copyOf(state)));
      inbox.forget(state.runId);
      return Promise.resolve();
    },
    prune: async (limits) => {
      const forgotten = prunable(summaries(), limits, clock.now());
      for (const runId of forgotten) {
        runs.delete(runId);
        inbox.forget(runId);
      }
      return Promise.resolve(forgotten);
    },
    post: async (runId, message) => {
      checkRunId(runId);
      const meant = addressMessage(runId, runs.get(runId)?.state(), message, clock.now());
      inbox.post(runId, meant);
      return Promise.resolve(meant);
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
    streams: memoryStreams(),
    close: async () => Promise.resolve(),
  };
}

/** The state as it would be read back from a file. */
function copyOf(state: RunStateRecord): RunStateRecord {
  const copy = RunState.decode(JSON.parse(JSON.stringify(state)));
  if (isLeft(copy)) {
    throw new InvalidArgumentError(
      `Cannot put in run "${state.runId}": it is no state of a run`,
      'give a state from loadRun() or a snapshot',
    );
  }
  return copy.right;
}

/** Messages that are forgotten with the process. */
export interface MemoryInbox {
  post(runId: string, message: RunMessage): void;
  /** Drops what waits for a run. */
  forget(runId: string): void;
  listen(runId: string, listener: (message: ReceivedMessage) => void): () => void;
}

export function memoryInbox(): MemoryInbox {
  const waiting = new Map<string, Set<RunMessage>>();
  const listeners = new Map<string, (message: ReceivedMessage) => void>();
  const received = (runId: string, message: RunMessage): ReceivedMessage => ({
    ...message,
    done() {
      waiting.get(runId)?.delete(message);
    },
  });
  return {
    post(runId, message) {
      const kept = JSON.parse(JSON.stringify(jsonValue(message, ''))) as RunMessage;
      const messages = waiting.get(runId) ?? new Set();
      waiting.set(runId, messages.add(kept));
      listeners.get(runId)?.(received(runId, kept));
    },
    forget: (runId) => {
      waiting.delete(runId);
    },
    listen(runId, listener) {
      listeners.set(runId, listener);
      for (const message of [...(waiting.get(runId) ?? [])]) listener(received(runId, message));
      return () => {
        if (listeners.get(runId) === listener) listeners.delete(runId);
      };
    },
  };
}

/** Snapshots that are forgotten with the process. */
export function memorySnapshots(clock: Clock): SnapshotStore {
  const snapshots = new Map<string, SnapshotText>();
  const nextId = ids(clock);
  return {
    async save(name, state, metadata = {}) {
      const text = captureSnapshot(nextId(), clock.now(), name, state, metadata);
      const snapshot = snapshotOf(text);
      snapshots.set(text.summary.snapshotId, text);
      return Promise.resolve(snapshot);
    },
    async load(snapshotId) {
      const text = snapshots.get(snapshotId);
      return text === undefined
        ? Promise.reject(new UnknownSnapshotError(snapshotId))
        : Promise.resolve(snapshotOf(text));
    },
    delete: async (snapshotId) => Promise.resolve(snapshots.delete(snapshotId)),
    list: async () => Promise.resolve([...snapshots.values()].map(({ summary }) => summary).reverse()),
  };
}
