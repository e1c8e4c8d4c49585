import type { SchedulerLike } from 'rxjs';
import { asyncScheduler, concatMap, delay, from, map, Observable, of } from 'rxjs';

import { LONGEST_DELAY_MS } from '../model/backoff';
import type { RunEvent, Transition } from '../model/event';
import { reduceRun } from '../model/reduce';
import type { RunState } from '../model/state';
import { idleState } from '../model/state';

/** How kept events are told again. */
export interface ReplayOptions {
  /** Whether they come at the pace that they had; at once when left out. */
  readonly isPaced?: boolean;
  /** The clock of the pace; give a `TestScheduler` for virtual time. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Tells a run again: the transitions that it told, from its events, in their order. Nothing is called and nothing is saved. Cold: each
 * subscriber hears it from its beginning.
 *
 * @param events - All events of one run, from the first on.
 */
export function replay(
  events: Iterable<RunEvent> | Observable<RunEvent>,
  options: ReplayOptions = {},
): Observable<Transition> {
  const { isPaced = false, scheduler = asyncScheduler } = options;
  return new Observable((subscriber) => {
    let state: RunState | undefined;
    let latest: number | undefined;
    return from(events)
      .pipe(
        concatMap((event) => {
          // A clock that was set back meanwhile lets nobody wait.
          const gap = Math.min(Math.max(0, event.at - (latest ?? event.at)), LONGEST_DELAY_MS);
          latest = event.at;
          return isPaced ? of(event).pipe(delay(gap, scheduler)) : of(event);
        }),
        map((event): Transition => {
          state = reduceRun(state ?? idleState(event.runId, '', []), event);
          return { event, state };
        }),
      )
      .subscribe(subscriber);
  });
}
