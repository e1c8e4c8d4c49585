import { tap } from 'rxjs';

import type { RunEvent } from '../lib/model/event';
import type { RunState } from '../lib/model/state';
import type { Claim, Store } from '../lib/store/store';

/** A store that remembers what was written down in it. */
export interface RecordingStore extends Store {
  /** What was written down of a run; undefined when nothing was. */
  readonly recorded: (runId: string) => RecordedRun | undefined;
}

/** What was written down of one run, over all its lives. */
export interface RecordedRun {
  /** How the run stood before, when it was there before. */
  readonly before: RunState | undefined;
  /** In the order in which they were written. */
  readonly events: readonly RunEvent[];
}

/**
 * Lets a store remember every event of its runs in the order in which they were told, those too that a store made with
 * `events: 'none'` would not keep. For tests: the events stay in memory, as JSON, until their run is deleted. The store behaves as before in everything else.
 *
 * @example
 * ```ts
 * const store = recordingStore(memoryStore());
 * await execute(report, 'book.txt', { store, runId: 'book' });
 * store.recorded('book')?.events.map(({ type }) => type); // ['run.started', 'step.started', …]
 * ```
 */
export function recordingStore(store: Store): RecordingStore {
  const runs = new Map<string, { readonly before: RunState | undefined; readonly events: RunEvent[] }>();

  const recording = (runId: string, claim: Claim): Claim => {
    const record = (event: RunEvent): RunEvent => {
      const run = runs.get(runId) ?? { before: claim.state, events: [] };
      runs.set(runId, run);
      const copy = JSON.parse(JSON.stringify(event)) as RunEvent;
      run.events.push(copy);
      return copy;
    };
    /** What was refused has not been written down. */
    const strike = (copy: RunEvent): void => {
      const events = runs.get(runId)?.events ?? [];
      const index = events.indexOf(copy);
      if (index !== -1) events.splice(index, 1);
    };
    return {
      ...passedOn(claim),
      append(event) {
        const written = claim.append(event);
        const copy = record(event);
        return written?.catch((error: unknown) => {
          strike(copy);
          throw error;
        });
      },
      note(event) {
        claim.note(event);
        record(event);
      },
      inbox: (listener) => claim.inbox(listener),
      release: (state) => claim.release(state),
    };
  };

  const { folder } = store;
  return {
    ...(folder !== undefined && { folder }),
    claim(runId) {
      const claim = store.claim(runId);
      return claim instanceof Promise
        ? claim.then((taken) => recording(runId, taken))
        : recording(runId, claim);
    },
    async deleteRun(runId, more) {
      const isGone = await store.deleteRun(runId, more);
      if (isGone) runs.delete(runId);
      return isGone;
    },
    async prune(limits) {
      const gone = await store.prune(limits);
      for (const runId of gone) runs.delete(runId);
      return gone;
    },
    loadRun: (runId) => store.loadRun(runId),
    listRuns: (query) => store.listRuns(query),
    importRun: (state, events) => store.importRun(state, events),
    post: (runId, message) => store.post(runId, message),
    request: (request) =>
      store.request(request).pipe(
        tap((progress) => {
          if (progress.stage === 'done') for (const runId of progress.gone ?? []) runs.delete(runId);
        }),
      ),
    isServed: () => store.isServed(),
    queue: store.queue,
    attend: (attendant) => store.attend(attendant),
    events: (runId, options) => store.events(runId, options),
    changes: () => store.changes(),
    snapshots: store.snapshots,
    logs: store.logs,
    streams: store.streams,
    signals: store.signals,
    close: () => store.close(),
    recorded: (runId) => runs.get(runId),
  };
}

/** What of a claim stays as it is. */
function passedOn(claim: Claim): Pick<Claim, 'state' | 'checksValues' | 'cache' | 'signals' | 'keep'> {
  const { state, checksValues, cache, signals } = claim;
  const keep = claim.keep?.bind(claim);
  return {
    state,
    checksValues,
    ...(cache !== undefined && { cache }),
    ...(signals !== undefined && { signals }),
    ...(keep !== undefined && { keep }),
  };
}
