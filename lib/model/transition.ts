import type { RunEvent } from './event';
import type { RunState } from './state';

/** What happened in a run, and how the run stands now: what `run()` emits. */
export interface Transition<O = unknown> {
  readonly event: RunEvent;
  readonly state: RunState<O>;
}
