import type { RunEvent } from '../../../lib/model/event';
import { reduceRunAll } from '../../../lib/model/reduce';
import type { RunState } from '../../../lib/model/state';
import type { NestedResult } from '../protocol/protocol';

/** What has come to pass in one life of a run. */
export interface EventLog {
  /** Everything that is told, in order. */
  readonly events: readonly RunEvent[];
  add(event: RunEvent): void;
  /** A step that a function has asked for: told beside the journal, and counted here as if the journal had it. */
  addNested(step: NestedResult, at: number): void;
  /** How the run stands after all that. */
  state(): RunState;
}

/** @param before - How the run stood when the life began. */
export function eventLog(before: RunState): EventLog {
  const { runId } = before;
  const events: RunEvent[] = [];
  const counted: RunEvent[] = [];
  let reduced = before;
  let reducedTo = 0;
  return {
    events,
    add(event) {
      events.push(event);
      counted.push(event);
    },
    addNested({ path, agent, output }, at) {
      const base = { runId, seq: events.at(-1)?.seq ?? 0, at, path, agent, attempt: 1 };
      counted.push(
        { ...base, type: 'step.started' },
        { ...base, type: 'step.completed', output, duration: 0 },
      );
    },
    // Only computed when somebody asks, which most lives never do.
    state() {
      if (reducedTo < counted.length) reduced = reduceRunAll(reduced, counted.slice(reducedTo));
      reducedTo = counted.length;
      return reduced;
    },
  };
}
