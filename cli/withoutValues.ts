import type { RunEvent } from '../lib/model/event';
import { reduceRun } from '../lib/model/reduce';
import type { RunState } from '../lib/model/state';
import { idleState } from '../lib/model/state';
import type { StepResult } from '../lib/model/stepResult';
import type { ArchivedRun } from '../lib/store/runArchive';

/**
 * The run without what it was given, under which tags, and what its steps were given, gave and shared: how it went, and nothing of what it
 * was about but for texts of errors and logs. It cannot be resumed.
 */
export function withoutValues({ state, events }: ArchivedRun): ArchivedRun {
  if (events === undefined) return { state: bareState(state), events };
  const all = events.map(bareEvent);
  // Events lead to the state also after the change.
  return { state: all.reduce<RunState>(reduceRun, idleState(state.runId, '', [])), events: all };
}

const VALUES = new Set(['input', 'output', 'value', 'request', 'data']);
/** What may be absent: what steps share and how they change it, tags, and keys that are made of inputs. */
const LEFT_OUT = new Set(['shared', 'sharedInitial', 'updates', 'updated', 'tags', 'limitKey']);

function bareEvent(event: RunEvent): RunEvent {
  if (event.type === 'run.imported') return { ...event, state: bareState(event.state) };
  return bareFields(event);
}

function bareState(state: RunState): RunState {
  const { steps, ...rest } = state;
  return { ...bareFields(rest), steps: steps.withRows((row: StepResult) => bareFields(row)) };
}

function bareFields<T extends object>(record: T): T {
  return Object.fromEntries(
    Object.entries(record)
      .filter(([key]) => !LEFT_OUT.has(key))
      .map(([key, field]): [string, unknown] => {
        if (key === 'answer') return [key, bareFields(field as object)];
        if (key === 'kept') return [key, (field as readonly unknown[]).map(() => null)];
        return [key, VALUES.has(key) && field !== undefined ? null : field];
      }),
  ) as T;
}
