import type { RunEvent } from '../model/event';
import { reduceRunAll } from '../model/reduce';
import type { RunState } from '../model/state';
import { idleState } from '../model/state';
import type { ChangedOutput } from './changedOutput';
import { outputIn, wholeEvent } from './changedOutput';

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
      state = reduceRunAll(state ?? idleState(runId, '', []), wholeEvents(waiting, state));
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

function wholeEvents(texts: readonly string[], state: RunState | undefined): readonly RunEvent[] {
  const given = new Map<number, unknown>();
  return texts.map((text) => {
    const record = JSON.parse(text) as RunEvent | ChangedOutput;
    const event =
      'patches' in record
        ? wholeEvent(record, (base) => given.get(base.seq) ?? outputIn(state, base))
        : record;
    if (event.type === 'run.started') given.set(0, event.input);
    else if (event.type === 'step.completed') given.set(event.seq, event.output);
    return event;
  });
}
