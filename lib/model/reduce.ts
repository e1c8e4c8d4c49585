import type { Draft } from 'immer';
import { Immer } from 'immer';

import type { RunEvent } from './event';
import type { RunState } from './state';
import { pendingSteps } from './state';
import type { StepResult, StepStatus } from './stepResult';
import { pendingStep } from './stepResult';
import type { StepTableEdit } from './stepTable';

// Freezing deeply would freeze the user's inputs and outputs too: only our own records are frozen, one by one.
const immer = new Immer({ autoFreeze: false });

/**
 * The state after one more event. Pure and total: an event that is not a legal move leaves the state as it is, the very
 * same object; `refusal` says why.
 */
export function reduceRun<O>(state: RunState<O>, event: RunEvent): RunState<O> {
  return reduceRunAll(state, [event]);
}

/** The state after these events: the same as one `reduceRun` after another, for a fraction of the cost. */
export function reduceRunAll<O>(state: RunState<O>, events: readonly RunEvent[]): RunState<O> {
  const next = immer.produce(state as RunState, (draft) => {
    const steps = new LazyEdit(state);
    for (const event of events) {
      if (refusal(draft as unknown as RunState, event, steps) === undefined) apply(draft, event, steps);
    }
    const table = steps.end();
    if (table !== undefined) draft.steps = table;
  });
  return (next === state ? state : Object.freeze(next)) as RunState<O>;
}

/**
 * Why this event cannot follow this state; undefined when it can.
 *
 * A run moves from IDLE to RUNNING and ends COMPLETED, FAILED, SUSPENDED or CANCELLED. It can be resumed from these
 * and from RUNNING, when the process died; from COMPLETED only to drop results that no longer hold. Steps move only while the run is RUNNING, and what is COMPLETED or
 * SKIPPED stays so.
 */
export function refusal(
  state: Pick<RunState, 'status' | 'steps' | 'runId'>,
  event: RunEvent,
  steps: Pick<StepTableEdit, 'get'> = state.steps,
): string | undefined {
  if (event.runId !== state.runId) return `${event.type} belongs to run "${event.runId}"`;
  switch (event.type) {
    case 'run.started':
      return state.status === 'IDLE' ? undefined : `a run that is ${state.status} cannot start`;
    case 'run.resumed': {
      const isAnew = state.status === 'COMPLETED' && event.dropped !== undefined;
      return state.status === 'IDLE' || (state.status === 'COMPLETED' && !isAnew)
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
      const status = steps.get(event.path)?.status ?? 'PENDING';
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
  'step.retrying': new Set<StepStatus>(['RUNNING']),
  'step.completed': new Set<StepStatus>(['RUNNING']),
  'step.failed': new Set<StepStatus>(['PENDING', 'RUNNING']),
  'step.skipped': new Set<StepStatus>(['PENDING', 'RUNNING', 'SUSPENDED', 'FAILED']),
  'step.cancelled': new Set<StepStatus>(['RUNNING', 'SUSPENDED']),
  'step.suspended': new Set<StepStatus>(['RUNNING']),
  'step.answered': new Set<StepStatus>(['SUSPENDED']),
};

function refusedEnd(status: RunState['status'], type: string): string | undefined {
  return status === 'RUNNING' ? undefined : `${type} in a run that is ${status}`;
}

function apply(draft: Draft<RunState>, event: RunEvent, steps: LazyEdit): void {
  if (event.type !== 'step.emitted' && event.type !== 'step.logged')
    draft.seq = Math.max(draft.seq, event.seq);
  switch (event.type) {
    case 'run.started':
      draft.status = 'RUNNING';
      draft.name = event.name;
      draft.input = event.input;
      draft.plan = event.plan as Draft<RunState>['plan'];
      draft.startedAt = event.at;
      draft.life = 1;
      steps.replan(event.plan);
      break;
    case 'run.resumed':
      draft.status = 'RUNNING';
      draft.life = event.life;
      delete draft.endedAt;
      delete draft.output;
      if (event.plan !== undefined) draft.plan = event.plan as Draft<RunState>['plan'];
      if ('input' in event) draft.input = event.input;
      steps.reopen(draft.error?.path, event.dropped ?? []);
      if (event.plan !== undefined) steps.extend(event.plan);
      delete draft.error;
      break;
    case 'step.started':
      steps.change(event, {
        agent: event.agent,
        status: 'RUNNING',
        attempts: event.attempt,
        partials: undefined,
        critical: event.critical,
        inputHash: event.inputHash,
      });
      if (event.dropped !== undefined) steps.drop(event.dropped);
      break;
    case 'step.emitted':
      steps.change(event, { partials: event.index + 1 });
      break;
    case 'step.logged':
      break;
    case 'step.retrying':
      steps.change(event, { error: event.error });
      for (const path of event.reset ?? []) steps.reset(path);
      break;
    case 'step.completed':
      steps.change(event, {
        status: 'COMPLETED',
        output: event.output,
        duration: event.duration,
        error: null,
        partials: event.partials,
        kept: event.kept,
        request: undefined,
        deadline: undefined,
        answer: undefined,
      });
      break;
    case 'step.failed':
      steps.change(event, { status: 'FAILED', error: event.error, duration: event.duration });
      break;
    case 'step.skipped':
      steps.change(event, { agent: event.agent, status: 'SKIPPED', output: event.output });
      break;
    case 'step.cancelled':
      steps.change(event, { status: 'PENDING', partials: undefined });
      break;
    case 'step.suspended':
      steps.change(event, { status: 'SUSPENDED', request: event.request, deadline: event.deadline });
      break;
    case 'step.answered':
      steps.change(event, {
        status: 'RUNNING',
        answer: Object.freeze({ by: event.by, ...(event.value === undefined ? {} : { value: event.value }) }),
      });
      break;
    case 'run.completed':
      if (event.replayed === true) break;
      draft.status = 'COMPLETED';
      draft.output = event.output;
      draft.endedAt = event.at;
      break;
    case 'run.failed':
      draft.status = 'FAILED';
      steps.rest();
      draft.error = event.error;
      draft.endedAt = event.at;
      break;
    case 'run.suspended':
      draft.status = 'SUSPENDED';
      steps.rest();
      draft.endedAt = event.at;
      break;
    case 'run.cancelled':
      draft.status = 'CANCELLED';
      steps.rest();
      draft.endedAt = event.at;
      break;
    default:
      event satisfies never; // a new event type stops the build here
  }
}

type Change = {
  readonly [K in Exclude<keyof StepResult, 'stepId' | 'timestamp'>]?: StepResult[K] | undefined;
};

/** The step table under change; opened by the first event that touches a step. */
class LazyEdit implements Pick<StepTableEdit, 'get'> {
  readonly #state: RunState;
  #edit: StepTableEdit | undefined;

  constructor(state: RunState) {
    this.#state = state;
  }

  get(path: string): StepResult | undefined {
    return this.#edit === undefined ? this.#state.steps.get(path) : this.#edit.get(path);
  }

  end(): RunState['steps'] | undefined {
    return this.#edit?.end();
  }

  replan(plan: RunState['plan']): void {
    this.#edit = pendingSteps(plan).edit();
  }

  /** Adds the planned steps that were not there before. */
  extend(plan: RunState['plan']): void {
    const edit = this.#open();
    for (const { path, agent } of plan) if (edit.get(path) === undefined) edit.set(pendingStep(path, agent));
  }

  change(event: { readonly path: string; readonly at: number }, change: Change): void {
    const edit = this.#open();
    const before = edit.get(event.path) ?? pendingStep(event.path, '');
    edit.set(changed(before, change, isoTime(event.at)));
  }

  /** What is known of these steps no longer holds. */
  drop(paths: readonly string[]): void {
    const edit = this.#open();
    for (const path of paths) {
      const step = edit.get(path);
      if (step !== undefined) edit.set(pendingStep(path, step.agent));
    }
  }

  /** A failed step is to be tried again. */
  reset(path: string): void {
    const step = this.get(path);
    if (step !== undefined) {
      this.#open().set(changed(step, { status: 'PENDING', crashes: undefined }, step.timestamp));
    }
  }

  /** The life has ended: what was running is PENDING again. */
  rest(): void {
    const running = [...(this.#edit?.rows() ?? this.#state.steps)].filter(
      ({ status }) => status === 'RUNNING',
    );
    for (const step of running) this.#open().set(changed(step, { status: 'PENDING' }, step.timestamp));
  }

  /**
   * What a new life begins with: what was running when the process died is PENDING again and counts the crash; what
   * failed on the way to the failure of the run is PENDING again, with everything that failed below it. A failure that was
   * contained stays a fact.
   */
  reopen(failedPath: string | undefined, dropped: readonly string[]): void {
    this.drop(dropped);
    const edit = this.#open();
    const reopened = new Set<string>();
    for (const step of [...edit.rows()]) {
      if (step.status === 'RUNNING') {
        edit.set(changed(step, { status: 'PENDING', crashes: (step.crashes ?? 0) + 1 }, step.timestamp));
      } else if (step.status === 'FAILED' && failedPath !== undefined && isWithin(failedPath, step.stepId)) {
        reopened.add(step.stepId);
      }
    }
    for (const step of [...edit.rows()]) {
      if (step.status === 'FAILED' && hasAncestorIn(step.stepId, reopened)) this.reset(step.stepId);
    }
  }

  #open(): StepTableEdit {
    this.#edit ??= this.#state.steps.edit();
    return this.#edit;
  }
}

/** A copy with these fields changed; a field set to undefined disappears. */
function changed(step: StepResult, change: Change, timestamp: string | null): StepResult {
  const next = { ...step, ...change, timestamp };
  const kept = Object.values(next).includes(undefined)
    ? Object.fromEntries(
        Object.entries(next).filter(([key, value]) => value !== undefined || key === 'output'),
      )
    : next;
  return Object.freeze(kept) as StepResult;
}

/** Whether `path` is `ancestor` or lies below it: `pages[3]/ocr` lies below `pages[3]` and below `pages`. */
function isWithin(path: string, ancestor: string): boolean {
  if (!path.startsWith(ancestor)) return false;
  const next = path[ancestor.length];
  return next === undefined || next === '/' || next === '[';
}

function hasAncestorIn(path: string, paths: ReadonlySet<string>): boolean {
  if (paths.has(path)) return true;
  for (let end = path.length - 1; end > 0; end -= 1) {
    if ((path[end] === '/' || path[end] === '[') && paths.has(path.slice(0, end))) return true;
  }
  return false;
}

let latestAt = -1;
let latestIso = '';

/** Many events share a millisecond: the latest text is kept. */
function isoTime(at: number): string {
  if (at !== latestAt) {
    latestAt = at;
    latestIso = new Date(at).toISOString();
  }
  return latestIso;
}
