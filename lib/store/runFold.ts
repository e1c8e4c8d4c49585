import type { RunEvent } from '../model/event';
import { reduceRunAll } from '../model/reduce';
import type { RunState } from '../model/state';
import { idleState } from '../model/state';

/**
 * What a store knows of one run: a state, and the events after it as the JSON text that was kept.
 *
 * Folding text, not the objects that came from the engine, gives exactly what a later process will read, whatever happens
 * to those objects meanwhile. It is done when somebody asks, in one go, and now and then to bound the memory.
 */
export interface RunFold {
  add(event: string): void;
  state(): RunState | undefined;
}

/** A fold that begins with this state, or with nothing. */
export function runFold(runId: string, base: RunState | undefined): RunFold {
  let state = base;
  let waiting: string[] = [];
  const fold = (): RunState | undefined => {
    if (waiting.length > 0) {
      const events = waiting.map((text) => JSON.parse(text) as RunEvent);
      state = reduceRunAll(state ?? idleState(runId, '', []), events);
      waiting = [];
    }
    return state;
  };
  return {
    add(event) {
      if (waiting.push(event) >= 512) fold();
    },
    state: fold,
  };
}
