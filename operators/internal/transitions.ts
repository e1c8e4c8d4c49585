import type { RunEvent } from '../../lib/model/event';
import { reduceRun, reduceRunAll } from '../../lib/model/reduce';
import type { RunState } from '../../lib/model/state';
import type { Transition } from '../../lib/model/transition';

const BATCH = 256;

/** The scan of a run's events: each comes out with the state after it. */
export interface Transitions<O> {
  next(event: RunEvent): Transition<O>;
  /** The state after the latest event. */
  state(): RunState<O>;
}

/**
 * Scans the events of a run with `reduceRunAll`, lazily: the state of a transition is made when it is first read, from the
 * state before its batch of at most 256 events. Whoever reads every state pays one reduction an event, whoever reads none
 * pays for a batch at once, and nobody can tell the difference.
 */
export function transitionsFrom<O>(initial: RunState<O>): Transitions<O> {
  let batch = batchFrom(initial);
  return {
    next(event) {
      if (batch.events.length === BATCH) batch = batchFrom(batch.stateAfter(BATCH));
      const { stateAfter } = batch;
      const count = batch.events.push(event);
      return {
        event,
        get state() {
          return stateAfter(count);
        },
      };
    },
    state: () => batch.stateAfter(batch.events.length),
  };
}

interface Batch<O> {
  readonly events: RunEvent[];
  readonly stateAfter: (count: number) => RunState<O>;
}

function batchFrom<O>(base: RunState<O>): Batch<O> {
  const events: RunEvent[] = [];
  let reached = 0;
  let latest = base;
  const stateAfter = (count: number): RunState<O> => {
    if (count < reached) return reduceRunAll(base, events.slice(0, count));
    if (count === reached + 1) latest = reduceRun(latest, events[reached] as RunEvent);
    else if (count > reached) latest = reduceRunAll(latest, events.slice(reached, count));
    reached = count;
    return latest;
  };
  return { events, stateAfter };
}
