import type { MonoTypeOperatorFunction } from 'rxjs';

import type { Transition } from '../lib/model/event';
import { isEnd, isJournaled } from '../lib/model/event';
import { memoryStore } from '../lib/store/memory/memoryStore';
import type { Claim, Store } from '../lib/store/store';
import type { Attempt, Watcher } from '../operators/taps/tap';
import { sideEffect } from '../operators/taps/tap';

/**
 * Runs that have no store, kept in memory to be looked at: `tap()` goes behind `run()`.
 *
 * A class, because every subscription of the tap writes into the same store.
 */
export class WatchedRuns {
  /** Where they are. */
  readonly store: Store = memoryStore({ events: 'all' });

  /** Keeps what passes; what is watched goes on whatever happens here. */
  tap<O>(): MonoTypeOperatorFunction<Transition<O>> {
    return sideEffect<Transition<O>>('watch', (attempt) => this.#watcher<O>(attempt));
  }

  #watcher<O>(attempt: Attempt): Watcher<Transition<O>> {
    const claims = new Map<string, Claim>();
    const claimed = async ({ event, state }: Transition<O>): Promise<Claim> => {
      const { runId } = event;
      if (event.type === 'run.started') await this.store.deleteRun(runId);
      // A run that began elsewhere is taken up as it stands after this event.
      else if ((await this.store.loadRun(runId)) === undefined)
        await this.store.importRun({ ...state, status: 'SUSPENDED' });
      return this.store.claim(runId);
    };
    const keep = async (transition: Transition<O>): Promise<void> => {
      const { event } = transition;
      const known = claims.get(event.runId);
      const claim = known ?? (await claimed(transition));
      claims.set(event.runId, claim);
      if (isJournaled(event)) await claim.append(event);
      else if (event.type === 'step.emitted' || event.type === 'step.logged') claim.keep?.(event);
      if (!isEnd(event)) return;
      claims.delete(event.runId);
      await claim.release(undefined);
    };
    // One after another: a claim may take a turn of the event loop, and events must not overtake each other.
    let before: Promise<unknown> = Promise.resolve();
    return {
      next: (transition) => {
        before = before.then(() => attempt(() => keep(transition)));
      },
      end: () => {
        before = before.then(() =>
          Promise.all([...claims.values()].map((claim) => attempt(() => claim.release(undefined)))),
        );
      },
    };
  }
}
