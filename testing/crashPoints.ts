import type { RunEvent } from '../lib/model/event';
import { reduceRun } from '../lib/model/reduce';
import type { RunState } from '../lib/model/state';
import { idleState } from '../lib/model/state';
import { memoryStore } from '../lib/store/memory/memoryStore';
import type { Store } from '../lib/store/store';
import type { RecordingStore } from './recordingStore';
import { RunNotRecordedError } from './testingErrors';

/** A moment in which the process could have died. */
export interface CrashPoint {
  /** The last event that had been written down by then. */
  readonly after: RunEvent;
  /** How the run stood. */
  readonly state: RunState;
  /** Paths of the steps that had completed: whoever goes on must not call them again. */
  readonly finished: readonly string[];
  /**
   * The store that the crash would have left: in memory, of this point alone, made when it is first asked for. It holds the run
   * and nothing else: no messages that waited, no snapshots, no answers in its cache.
   */
  readonly store: Store;
}

/**
 * Every moment in which a run could have crashed: one after each of its events, over all its lives. For tests that a workflow
 * goes on from wherever it was stopped.
 *
 * The run must have gone through a `recordingStore()`, which has the events as they were before any of them was kept. Points are made
 * one at a time while they are iterated, and anew each time.
 *
 * @example
 * ```ts
 * const store = recordingStore(memoryStore());
 * const whole = await execute(report, 'book.txt', { store, runId: 'book' });
 * for (const { after, store: left } of crashPoints(store, 'book')) {
 *   const { state } = await lastValueFrom(resume(report, 'book', { store: left }));
 *   assert.deepEqual(state.output, whole.output, `after ${after.type}`);
 * }
 * ```
 *
 * @throws RunNotRecordedError when nothing of the run went through this store.
 */
export function crashPoints(store: Pick<RecordingStore, 'recorded'>, runId: string): Iterable<CrashPoint> {
  const run = (store as Partial<RecordingStore>).recorded?.(runId);
  if (run === undefined) throw new RunNotRecordedError(runId);
  const { before } = run;
  // What is written down later is not part of it: the points may be used to run on in the same store.
  const events = [...run.events];
  return {
    *[Symbol.iterator]() {
      let state = before ?? idleState(runId, '', []);
      for (const after of events) {
        state = reduceRun(state, after);
        yield pointOf(after, state);
      }
    },
  };
}

function pointOf(after: RunEvent, state: RunState): CrashPoint {
  let left: Store | undefined;
  return {
    after,
    state,
    finished: [...state.steps].filter(({ status }) => status === 'COMPLETED').map(({ stepId }) => stepId),
    get store() {
      if (left === undefined) {
        left = memoryStore();
        // A store in memory has done it when this returns.
        void left.importRun(state);
      }
      return left;
    },
  };
}
