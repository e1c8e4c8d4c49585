import type { Subscriber } from 'rxjs';
import { Observable } from 'rxjs';

import { EventsNotKeptError, UnknownRunError } from '../../errors/storageErrors';
import type { RunFold } from '../folder/openRun';
import type { EventsOptions, KeptEvent, RunChange } from '../store';
import { summaryOf } from '../summary';

/** The runs whose events are followed. */
interface FollowedRuns {
  readonly fold: (runId: string) => RunFold | undefined;
  readonly isClaimed: (runId: string) => boolean;
}

/** Tells the events and changes of runs in memory: nothing from within a call to the store. */
export class MemoryFeed {
  readonly #runs: FollowedRuns;
  readonly #followers = new Map<string, Set<() => void>>();
  readonly #watchers = new Set<Subscriber<RunChange>>();
  readonly #changed = new Set<string>();

  constructor(runs: FollowedRuns) {
    this.#runs = runs;
  }

  /** Something was written of a run, or it was forgotten. */
  changed(runId: string): void {
    if (this.#watchers.size === 0 && !this.#followers.has(runId)) return;
    if (this.#changed.size === 0)
      queueMicrotask(() => {
        this.#tell();
      });
    this.#changed.add(runId);
  }

  events(runId: string, { after, live }: Required<EventsOptions>): Observable<KeptEvent> {
    return new Observable<KeptEvent>((subscriber) => {
      const fold = this.#runs.fold(runId);
      const log = fold?.log();
      if (fold === undefined || log === undefined) {
        subscriber.error(fold === undefined ? new UnknownRunError(runId) : new EventsNotKeptError(runId));
        return undefined;
      }
      let offset = after;
      let isLooking = false;
      // A function, because the compiler does not see that who hears an event may leave.
      const isClosed = (): boolean => subscriber.closed;
      const look = (): void => {
        // What is told may bring more: the same look finds it.
        if (isLooking) return;
        isLooking = true;
        while (log.count > offset && !subscriber.closed) {
          for (const kept of log.read(offset, runId, fold.state())) {
            offset = kept.offset;
            subscriber.next(kept);
            if (isClosed()) break;
          }
        }
        isLooking = false;
        const isGone = this.#runs.fold(runId) !== fold;
        const isOver = !live && (fold.state()?.status !== 'RUNNING' || !this.#runs.isClaimed(runId));
        if (isGone || isOver) subscriber.complete();
      };
      const followers = this.#followers.get(runId) ?? new Set();
      this.#followers.set(runId, followers.add(look));
      look();
      return () => {
        followers.delete(look);
        if (followers.size === 0 && this.#followers.get(runId) === followers) this.#followers.delete(runId);
      };
    });
  }

  changes(): Observable<RunChange> {
    return new Observable<RunChange>((subscriber) => {
      this.#watchers.add(subscriber);
      return () => this.#watchers.delete(subscriber);
    });
  }

  #tell(): void {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const runId of changed) {
      for (const look of [...(this.#followers.get(runId) ?? [])]) look();
      if (this.#watchers.size === 0) continue;
      const state = this.#runs.fold(runId)?.state();
      const change: RunChange = state === undefined ? { gone: runId } : summaryOf(state);
      for (const watcher of [...this.#watchers]) watcher.next(change);
    }
  }
}
