import type { Draft } from 'immer';

import type { RunEvent } from './event';
import { withoutStacks } from './failure';
import type { GivenBy } from './givenBy';
import type { RunState } from './state';
import { StateEdit } from './stateEdit';
import type { StepResult, StepStatus } from './stepResult';
import type { RowPlace, StepDraft } from './stepTable';
import { StepTable } from './stepTable';
import { addedUsage } from './usage';

/**
 * The state after one more event. Pure and total: an event that is not a legal move leaves the state as it is, the very
 * same object; `refusal` says why. States and events may come from JSON, such as from a server.
 */
export function reduceRun<O>(state: RunState<O>, event: RunEvent): RunState<O> {
  return reduceRunAll(state, [event]);
}

/**
 * The state after these events: the same as one `reduceRun` after another, for a fraction of the cost.
 *
 * Pure but for `places`.
 *
 * @param places - For those who remember where the row of each event's step stands: it is read, and where the row is added here, it is told
 * its position.
 */
export function reduceRunAll<O>(
  state: RunState<O>,
  events: readonly RunEvent[],
  places: readonly (RowPlace | undefined)[] = [],
): RunState<O> {
  const edit = new StateEdit(withTable(state));
  const { length } = events;
  for (let number = 0; number < length; number += 1) {
    const event = events[number] as RunEvent;
    const place = places[number];
    // What has no row yet gets one as it starts.
    if (place !== undefined && 'path' in event && (place.position >= 0 || event.type === 'step.started'))
      edit.expect(event.path, place);
    if (refusal(edit, event) !== undefined) continue;
    // Nothing can stand before it: the state begins with it.
    if (event.type === 'run.imported')
      return reduceRunAll(event.state as RunState<O>, events.slice(number + 1), places.slice(number + 1));
    apply(edit, event);
  }
  return edit.end() as RunState<O>;
}

/** From JSON the steps of a state come as a list, whose rows have null where there is no output. */
function withTable<O>(state: RunState<O>): RunState<O> {
  const rows: unknown = state.steps;
  if (!Array.isArray(rows)) return state;
  const steps = StepTable.of(
    (rows as readonly StepResult[]).map((row) => {
      if (row.output !== null || row.status === 'COMPLETED' || row.status === 'SKIPPED') return row;
      const { output: _, ...rest } = row;
      return rest;
    }),
  );
  return Object.freeze({ ...state, steps });
}

/**
 * Why this event cannot follow this state; undefined when it can.
 *
 * A run moves from IDLE to RUNNING and ends COMPLETED, FAILED, SUSPENDED or CANCELLED. It can be resumed from these
 * and from RUNNING, when the process died; from COMPLETED only with another input or definition. Steps move only while the
 * run is RUNNING, and what is COMPLETED or SKIPPED stays so.
 */
export function refusal(
  state: Pick<RunState, 'status' | 'runId'> & { readonly steps: Pick<StepTable, 'get'> },
  event: RunEvent,
): string | undefined {
  if (event.runId !== state.runId) return `${event.type} belongs to run "${event.runId}"`;
  switch (event.type) {
    case 'run.started':
      return state.status === 'IDLE' ? undefined : `a run that is ${state.status} cannot start`;
    case 'run.imported':
      return state.status === 'IDLE' ? undefined : `a run that is ${state.status} cannot be put in`;
    case 'run.resumed': {
      const isChanged = event.plan !== undefined || 'input' in event || event.dropped !== undefined;
      return state.status === 'IDLE' || (state.status === 'COMPLETED' && !isChanged)
        ? `a run that is ${state.status} cannot be resumed`
        : undefined;
    }
    case 'run.completed':
      if (event.replayed === true && state.status === 'COMPLETED') return undefined;
      return refusedEnd(state.status, event.type);
    case 'run.failed':
    case 'run.suspended':
    case 'run.cancelled':
      return refusedEnd(state.status, event.type);
    default: {
      if (state.status !== 'RUNNING') return `${event.type} in a run that is ${state.status}`;
      if (event.type === 'step.logged') return undefined;
      // What is tried again is the run.
      if (event.type === 'step.retrying' && event.path === '') return undefined;
      if (event.type === 'step.started' && event.dropped?.includes(event.path) === true) return undefined;
      const row = state.steps.get(event.path);
      const status = row === undefined || row.abandoned === true ? 'PENDING' : row.status;
      return movesFrom[event.type].has(status)
        ? undefined
        : `${event.type} for step "${event.path}", which is ${status}`;
    }
  }
}

type StepMove = Exclude<Extract<RunEvent, { path: string }>['type'], 'step.logged'>;

const movesFrom: Readonly<Record<StepMove, ReadonlySet<StepStatus>>> = {
  'step.started': new Set<StepStatus>(['PENDING', 'RUNNING']),
  'step.emitted': new Set<StepStatus>(['RUNNING']),
  'step.retrying': new Set<StepStatus>(['RUNNING', 'SUSPENDED']),
  'step.completed': new Set<StepStatus>(['RUNNING']),
  'step.failed': new Set<StepStatus>(['PENDING', 'RUNNING', 'SUSPENDED']),
  'step.skipped': new Set<StepStatus>(['PENDING', 'RUNNING', 'SUSPENDED', 'FAILED']),
  'step.cancelled': new Set<StepStatus>(['RUNNING', 'SUSPENDED']),
  // Asked anew: the question that was open is void.
  'step.suspended': new Set<StepStatus>(['RUNNING', 'SUSPENDED']),
  'step.answered': new Set<StepStatus>(['SUSPENDED']),
};

function refusedEnd(status: RunState['status'], type: string): string | undefined {
  return status === 'RUNNING' ? undefined : `${type} in a run that is ${status}`;
}

function apply(edit: StateEdit, event: RunEvent): void {
  if (event.type !== 'step.emitted' && event.type !== 'step.logged') edit.seq = Math.max(edit.seq, event.seq);
  if ('usage' in event) {
    const { usage } = event;
    edit.run(edit.status, (run) => {
      run.used = addedUsage(run.used, usage);
    });
  }
  changes[event.type](edit, event as never);
}

/** What each event changes. A new type of event stops the build here. */
const changes: {
  readonly [K in RunEvent['type']]: (edit: StateEdit, event: Extract<RunEvent, { type: K }>) => void;
} = {
  'run.started': (edit, event) => {
    edit.run('RUNNING', (run) => {
      run.name = event.name;
      if (event.incarnation !== undefined) run.incarnation = event.incarnation;
      if (event.tags !== undefined) run.tags = { ...event.tags };
      run.input = event.input;
      run.plan = event.plan as Draft<RunState['plan']>;
      if (event.unplanned !== undefined) run.unplanned = event.unplanned;
      run.startedAt = event.at;
      run.life = 1;
    });
    edit.share('', event.shared);
    edit.replan(event.plan);
  },
  'run.imported': () => undefined,
  'run.resumed': (edit, event) => {
    const { failedPath } = edit;
    edit.isLater = true;
    const hasDied = edit.status === 'RUNNING';
    const lastSeen = hasDied ? edit.lastSeen() : 0;
    edit.run('RUNNING', (run) => {
      run.worked ??= run.endedAt === undefined ? 0 : Math.max(0, run.endedAt - run.startedAt) / 1_000;
      // A life that crashed left no end: it was at least as long as something happened in it.
      if (hasDied) run.worked += Math.max(0, lastSeen - (run.resumedAt ?? run.startedAt)) / 1_000;
      run.resumedAt = event.at;
      run.life = event.life;
      setOrDelete(run, 'died', hasDied ? (run.died ?? 0) + 1 : undefined);
      delete run.duration;
      delete run.endedAt;
      delete run.error;
      delete run.reason;
      delete run.output;
      delete run.givenBy;
      if (event.plan !== undefined) run.plan = event.plan as Draft<RunState['plan']>;
      if (event.unplanned !== undefined) run.unplanned = event.unplanned;
      if (event.name !== undefined) run.name = event.name;
      if ('input' in event) run.input = event.input;
    });
    edit.drop(event.dropped ?? []);
    edit.share('', event.shared);
    edit.crash();
    if (event.opened !== undefined) edit.open(event.opened);
    else if (failedPath !== undefined) edit.reopen(failedPath);
    if (event.plan !== undefined) edit.replace(event.plan, event.dropped ?? [], event.life);
  },
  'step.started': (edit, event) => {
    if (event.dropped !== undefined) edit.drop(event.dropped);
    // What has never moved holds none of what a start takes away.
    const isFirst = (edit.steps.get(event.path)?.timestamp ?? null) === null;
    const set = isFirst ? setDefined : setOrDelete;
    const step = edit.step(event.path, event.at);
    // Another attempt of the same life has the same input.
    if (event.input !== undefined || step.status !== 'RUNNING') set(step, 'input', event.input);
    step.agent = event.agent;
    step.status = 'RUNNING';
    step.attempts = event.attempt;
    set(step, 'inherited', undefined);
    set(step, 'partials', undefined);
    set(step, 'critical', event.critical);
    set(step, 'inputHash', event.inputHash);
    set(step, 'limitAt', event.limitAt);
    set(step, 'abandoned', undefined);
    set(step, 'alone', event.alone);
    set(step, 'limitKey', event.limitKey);
    edit.share(event.path, event.shared);
    for (const path of event.caught ?? []) edit.contain(path, true);
    for (const path of event.joined ?? []) edit.join(path);
  },
  'step.emitted': (edit, event) => {
    edit.step(event.path, event.at).partials = event.index + 1;
  },
  'step.logged': () => undefined,
  'step.retrying': (edit, event) => {
    if (event.path !== '') {
      const step = edit.step(event.path, event.at);
      step.status = 'RUNNING';
      step.error = withoutStacks(event.error);
      setOrDelete(step, 'limitAt', undefined);
      edit.forgetQuestion(event.path);
    }
    for (const path of event.reset ?? []) edit.reset(path);
  },
  'step.completed': (edit, event) => {
    const step = edit.step(event.path, event.at);
    step.status = 'COMPLETED';
    step.output = event.output;
    step.duration = event.duration;
    step.seq = event.seq;
    step.error = null;
    setOrDelete(step, 'givenBy', event.givenBy);
    setOrDelete(step, 'partials', event.partials);
    setOrDelete(step, 'kept', event.kept);
    setOrDelete(step, 'cached', event.cached === true ? true : undefined);
    setOrDelete(step, 'updates', event.updates);
    setOrDelete(step, 'updated', event.updated);
    if (event.updates !== undefined) edit.update(event.updated ?? '', event.updates);
    stopWaiting(step);
  },
  'step.failed': (edit, event) => {
    const step = edit.step(event.path, event.at);
    step.status = 'FAILED';
    step.error = withoutStacks(event.error);
    step.duration = event.duration;
    setOrDelete(step, 'limitAt', undefined);
    setOrDelete(step, 'contained', event.contained);
    for (const path of event.exposes ?? []) edit.contain(path, false);
  },
  'step.skipped': (edit, event) => {
    const step = edit.step(event.path, event.at);
    step.agent = event.agent;
    step.status = 'SKIPPED';
    step.output = event.output;
    stopWaiting(step);
    setOrDelete(step, 'abandoned', event.reason === 'abandoned' ? true : undefined);
  },
  'step.cancelled': (edit, event) => {
    const step = edit.step(event.path, event.at);
    step.status = 'PENDING';
    setOrDelete(step, 'partials', undefined);
  },
  'step.suspended': (edit, event) => {
    const step = edit.step(event.path, event.at);
    step.status = 'SUSPENDED';
    setOrDelete(step, 'request', event.request);
    setOrDelete(step, 'deadline', event.deadline);
    setOrDelete(step, 'asking', event.asking);
    setOrDelete(step, 'signal', event.signal);
    setOrDelete(step, 'answer', undefined);
    for (const { path, limitAt } of event.limits ?? []) edit.limit(path, limitAt);
    if (event.asking !== undefined) step.asked = (step.asked ?? 0) + 1;
  },
  'step.answered': (edit, event) => {
    const step = edit.step(event.path, event.at);
    step.status = 'RUNNING';
    step.answer = Object.freeze({
      by: event.by,
      ...(event.value === undefined ? {} : { value: event.value }),
    });
    if (event.signalId !== undefined)
      step.signalIds = Object.freeze([...(step.signalIds ?? []), event.signalId]);
  },
  'run.completed': (edit, event) => {
    if (event.replayed === true) return;
    edit.clearDropped();
    edit.run('COMPLETED', (run) => {
      run.output = event.output;
      if (event.givenBy !== undefined) run.givenBy = event.givenBy as Draft<GivenBy>;
      endLife(run, event);
    });
  },
  'run.failed': (edit, event) => {
    edit.rest();
    edit.run('FAILED', (run) => {
      Object.assign(run, { error: withoutStacks(event.error) });
      endLife(run, event);
    });
  },
  'run.suspended': (edit, event) => {
    edit.rest();
    // Nothing moves any more, so whoever could have failed because of them has not.
    edit.containAll();
    edit.run('SUSPENDED', (run) => {
      endLife(run, event);
      if (event.reason !== undefined) run.reason = event.reason;
    });
  },
  'run.cancelled': (edit, event) => {
    edit.rest();
    edit.run('CANCELLED', (run) => {
      if (event.error !== undefined) Object.assign(run, { error: withoutStacks(event.error) });
      endLife(run, event);
      if (event.reason !== undefined) run.reason = event.reason;
    });
  },
};

/** The step has ended: its question and its deadlines are void. Most have none, and looking costs less than deleting. */
function stopWaiting(step: StepDraft): void {
  const { request, deadline, asking, signal, limitAt, answer } = step;
  if (
    request === undefined &&
    deadline === undefined &&
    asking === undefined &&
    signal === undefined &&
    limitAt === undefined &&
    answer === undefined
  )
    return;
  setOrDelete(step, 'request', undefined);
  setOrDelete(step, 'deadline', undefined);
  setOrDelete(step, 'asking', undefined);
  setOrDelete(step, 'signal', undefined);
  setOrDelete(step, 'limitAt', undefined);
  setOrDelete(step, 'answer', undefined);
}

/** From the second life on, the time since the start is not the time at work. */
function endLife(
  run: { endedAt?: number; duration?: number; worked?: number },
  { at, duration }: { readonly at: number; readonly duration: number },
): void {
  run.endedAt = at;
  if (run.worked === undefined) return;
  run.duration = duration;
  run.worked += duration;
}

function setDefined<T extends object, K extends keyof T>(record: T, key: K, value: T[K] | undefined): void {
  if (value !== undefined) record[key] = value;
}

/** A field that is undefined is left out. What is not there is not deleted: that alone costs as much as a whole event. */
function setOrDelete<T extends object, K extends keyof T>(record: T, key: K, value: T[K] | undefined): void {
  if (value !== undefined) record[key] = value;
  else if (key in record) Reflect.deleteProperty(record, key);
}
