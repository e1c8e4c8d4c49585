import type { RunEvent } from './event';
import type { RunState } from './state';

/*
 * Whoever hears of a completed run gets its output as the agent gave it; what rests anywhere has the form in which it is saved.
 * So the states that are told remember that form: from the value alone nobody can tell which of both it has.
 */
const forms = new WeakMap<RunEvent | RunState, unknown>();

/** Remembers the saved form of the output in an event or a state that is told, and gives it back. */
export function withStored<T extends RunEvent | RunState>(told: T, stored: unknown): T {
  forms.set(told, stored);
  return told;
}

/** The state after an event: what is known of the event's output is known of it. */
export function afterEvent<O>(event: RunEvent | undefined, state: RunState<O>): RunState<O> {
  return event !== undefined && forms.has(event) ? withStored(state, forms.get(event)) : state;
}

/** The state as it may rest somewhere: with the saved form of its output. */
export function asStored(state: RunState): RunState {
  return forms.has(state) ? Object.freeze({ ...state, output: forms.get(state) }) : state;
}
