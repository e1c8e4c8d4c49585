import type { Plan } from './plan';
import type { RunState } from './state';
import { pendingSteps } from './state';
import type { StepResult } from './stepResult';
import { pendingStep } from './stepResult';
import type { StepDraft, StepTableEdit } from './stepTable';

/** The fields of a run's own that events change. */
export type RunDraft = { -readonly [K in keyof Omit<RunState, 'steps'>]: RunState[K] };

/**
 * A state under change: looks like the state as far as it has come, and copies a record when it is first changed, the run's
 * own and each step's once, however many events there are.
 */
export class StateEdit {
  readonly #base: RunState;
  #run: RunDraft | undefined;
  #steps: StepTableEdit | undefined;

  /** Begins with this state, which stays as it is. */
  constructor(base: RunState) {
    this.#base = base;
  }

  get runId(): string {
    return this.#base.runId;
  }

  get status(): RunState['status'] {
    return (this.#run ?? this.#base).status;
  }

  get seq(): number {
    return (this.#run ?? this.#base).seq;
  }

  /** The steps, for looking up. */
  get steps(): Pick<RunState['steps'], 'get'> {
    return this.#steps ?? this.#base.steps;
  }

  /** The run's own fields, to be changed in place. */
  run(): RunDraft {
    this.#run ??= { ...this.#base };
    return this.#run;
  }

  /** A step, to be changed in place at this moment (epoch milliseconds). */
  step(path: string, at: number): StepDraft {
    const step = this.#edit().draft(path, unplanned);
    step.timestamp = isoTime(at);
    return step;
  }

  /** The state with everything that was changed; the same object when nothing was. */
  end(): RunState {
    if (this.#run === undefined && this.#steps === undefined) return this.#base;
    const run: RunDraft & { steps?: RunState['steps'] } = this.run();
    if (this.#steps !== undefined) run.steps = this.#steps.end();
    return Object.freeze(run) as RunState;
  }

  /** All steps of this plan, PENDING; nothing else. */
  replan(plan: Plan): void {
    this.#steps = pendingSteps(plan).edit();
  }

  /** Adds the planned steps that were not there before. */
  extend(plan: Plan): void {
    const edit = this.#edit();
    for (const { path, agent } of plan) if (edit.get(path) === undefined) edit.set(pendingStep(path, agent));
  }

  /** A failed step is to be tried again. */
  reset(path: string): void {
    if (this.steps.get(path) === undefined) return;
    const step = this.#edit().draft(path, unplanned);
    step.status = 'PENDING';
    delete step.crashes;
  }

  /** The life has ended: what was running is PENDING again. */
  rest(): void {
    for (const { stepId } of this.#running()) this.#edit().draft(stepId, unplanned).status = 'PENDING';
  }

  /** What was running when the process died is PENDING again and counts the crash. */
  crash(): void {
    for (const { stepId, crashes = 0 } of this.#running()) {
      const step = this.#edit().draft(stepId, unplanned);
      step.status = 'PENDING';
      step.crashes = crashes + 1;
    }
  }

  /** Forgets what is known of these steps. */
  drop(paths: readonly string[]): void {
    for (const path of paths) {
      const step = this.steps.get(path);
      if (step !== undefined) this.#edit().set(pendingStep(path, step.agent));
    }
  }

  /** What failed on the way to this failure is PENDING again, with everything that failed below it. */
  reopen(failedPath: string): void {
    const failed = this.#rows().filter(({ status }) => status === 'FAILED');
    const reopened = new Set(failed.map(({ stepId }) => stepId).filter((path) => isWithin(failedPath, path)));
    for (const { stepId } of failed) if (hasAncestorIn(stepId, reopened)) this.reset(stepId);
  }

  #running(): StepResult[] {
    return this.#rows().filter(({ status }) => status === 'RUNNING');
  }

  #rows(): StepResult[] {
    return [...(this.#steps?.rows() ?? this.#base.steps)];
  }

  #edit(): StepTableEdit {
    this.#steps ??= this.#base.steps.edit();
    return this.#steps;
  }
}

/** A step that the plan does not name. */
function unplanned(path: string): StepResult {
  return pendingStep(path, '');
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
