import type { RunEvent } from '../lib/model/event';
import { reduceRun } from '../lib/model/reduce';
import { secrecyOf } from '../lib/model/secrets/secretNames';
import { hideSecrets } from '../lib/model/secrets/secretTexts';
import { tidy } from '../lib/model/secrets/tidy';
import type { RunState } from '../lib/model/state';
import { idleState } from '../lib/model/state';
import type { StepResult } from '../lib/model/stepResult';
import type { ArchivedRun } from '../lib/store/runArchive';

/** What becomes of the values of a run, and of its texts. */
interface Change {
  readonly value: (value: unknown) => unknown;
  readonly text: (text: string) => string;
}

/** The run without what its steps were given and gave: how it went, and nothing of what it was about. It cannot be resumed. */
export function withoutValues(run: ArchivedRun): ArchivedRun {
  return changed(run, { value: () => null, text: (text) => text });
}

/** The run without secrets, in values and in texts of errors and logs. What stands under one of these keys counts as secret too. */
export function withoutSecrets(run: ArchivedRun, keys: readonly string[]): ArchivedRun {
  const named = new Set(keys.map((key) => key.toLowerCase()));
  return changed(run, {
    value: (value) => tidy(value, (key) => (named.has(key.toLowerCase()) ? 'always' : secrecyOf(key))),
    text: hideSecrets,
  });
}

/** Where there are events, they lead to the state also after the change. */
function changed({ state, events }: ArchivedRun, change: Change): ArchivedRun {
  if (events === undefined) return { state: changedState(state, change), events };
  const all = events.map((event) => changedEvent(event, change));
  return { state: all.reduce<RunState>(reduceRun, idleState(state.runId, '', [])), events: all };
}

const VALUES = new Set(['input', 'output', 'value', 'request', 'data']);

function changedEvent(event: RunEvent, change: Change): RunEvent {
  if (event.type === 'run.imported') return { ...event, state: changedState(event.state, change) };
  return changedFields(event, change);
}

function changedState(state: RunState, change: Change): RunState {
  const { steps, ...rest } = state;
  return {
    ...changedFields(rest, change),
    steps: steps.withRows((row: StepResult) => changedFields(row, change)),
  };
}

function changedFields<T extends object>(record: T, change: Change): T {
  return Object.fromEntries(
    Object.entries(record).map(([key, field]): [string, unknown] => {
      if (key === 'answer') return [key, changedFields(field as object, change)];
      if (key === 'kept') return [key, (field as readonly unknown[]).map(change.value)];
      if (key === 'error' || key === 'message' || key === 'reason') return [key, changedTexts(field, change)];
      return [key, VALUES.has(key) && field !== undefined ? change.value(field) : field];
    }),
  ) as T;
}

function changedTexts(value: unknown, change: Change): unknown {
  if (typeof value === 'string') return change.text(value);
  if (Array.isArray(value)) return value.map((item) => changedTexts(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, changedTexts(field, change)]));
}
