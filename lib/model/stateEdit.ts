import type { Draft } from 'immer';
import { Immer } from 'immer';

import type { Plan } from './plan';
import type { SharedPatch, SharedValue } from './shared';
import { frozenCopy, patchedShared, sharedWithout } from './shared';
import type { RunState } from './state';
import { pendingSteps } from './state';
import { pathsAbove } from './stepPath';
import type { StepResult } from './stepResult';
import { isoTime, newStep, pendingStep } from './stepResult';
import type { RowPlace, StepDraft, StepTableEdit } from './stepTable';
import { StepTable } from './stepTable';

// Freezing deeply would freeze the user's inputs and outputs too: only our own records are frozen, one by one.
const immer = new Immer({ autoFreeze: false });

/** Changes fields of a run's own in place. */
export type RunChange = (draft: Draft<Omit<RunState, 'status' | 'steps' | 'seq'>>) => void;

/**
 * A state under change: looks like the state as far as it has come.
 *
 * Immer changes the run's own record: what touches that is rare. What happens to steps happens a million times, so those are
 * copied once, changed in place and frozen at the end, however many events there are.
 */
export class StateEdit {
  readonly #base: RunState;
  readonly #changes: RunChange[] = [];
  #run: RunState;
  #steps: StepTableEdit | undefined;
  /** Whether rows have changed, not only been looked for. */
  #isEdited = false;
  /** The shared state of the run, where that has changed. */
  #shared: Required<SharedValue> | undefined;
  #revision: number | undefined;
  /** Whether a life that is not the first has begun since the state this began with. */
  isLater = false;
  status: RunState['status'];
  /** Number of the latest journaled event. */
  seq: number;

  /** Begins with this state, which stays as it is. */
  constructor(base: RunState) {
    this.#base = base;
    this.#run = base;
    this.#revision = base.revision;
    this.status = base.status;
    this.seq = base.seq;
  }

  get runId(): string {
    return this.#base.runId;
  }

  /** Path of the step whose failure ended the latest life. */
  get failedPath(): string | undefined {
    return this.#changed().error?.path;
  }

  /** The steps, for looking up. */
  get steps(): Pick<RunState['steps'], 'get'> {
    return this.#steps ?? this.#base.steps;
  }

  /** Changes the run's own fields, together with other such changes. */
  run(status: RunState['status'], change: RunChange): void {
    this.status = status;
    this.#changes.push(change);
  }

  /** A step, to be changed in place at this moment (epoch milliseconds). */
  step(path: string, at: number): StepDraft {
    const step = this.#edit().draft(path, this.#unplanned);
    step.timestamp = isoTime(at);
    return step;
  }

  /** The next event is one of the step of this path, whose row stands at this place. */
  expect(path: string, place: RowPlace): void {
    this.#steps ??= this.#base.steps.edit();
    this.#steps.expect(path, place);
  }

  /** The state with everything that was changed; the same object when nothing was. */
  end(): RunState {
    const run = this.#changed();
    const { status, seq } = this;
    const isSame = run === this.#base && status === run.status && seq === run.seq;
    if (isSame && !this.#isEdited && this.#shared === undefined) return run;
    const steps = this.#isEdited && this.#steps !== undefined ? this.#steps.end() : run.steps;
    // Spread alone, and then set: in one literal, what stands behind the spread costs V8 a third of the whole event.
    const next: { -readonly [K in keyof RunState]: RunState[K] } = { ...run };
    next.status = status;
    next.steps = steps;
    next.seq = seq;
    return Object.freeze(this.#shared === undefined ? next : Object.assign(next, this.#shared));
  }

  /** What the steps of the run, or of the workflow at this path, share from now on; nothing changes where it is undefined. */
  share(of: string, initial: unknown): void {
    if (initial === undefined) return;
    const shared = frozenCopy(initial);
    if (of === '') this.#shared = { shared, sharedInitial: shared };
    else Object.assign(this.#edit().draft(of, this.#unplanned), { shared, sharedInitial: shared });
  }

  /** Changes what the steps of the run, or of the workflow at this path, share. */
  update(of: string, patches: readonly SharedPatch[]): void {
    this.#setShared(of, patchedShared(of === '' ? this.#own().shared : this.steps.get(of)?.shared, patches));
  }

  #setShared(of: string, shared: unknown): void {
    if (of === '') this.#shared = { shared, sharedInitial: this.#own().sharedInitial };
    else if (this.steps.get(of)?.shared !== undefined)
      this.#edit().draft(of, this.#unplanned).shared = shared;
  }

  #own(): SharedValue {
    return this.#shared ?? this.#base;
  }

  /** All steps of this plan, PENDING; nothing else. */
  replan(plan: Plan): void {
    this.#replaceRows(pendingSteps(plan));
  }

  /**
   * Another plan from this life on: the steps that were dropped with the old one are gone, new ones are PENDING. Those count as
   * called before, because a step of that path may have been: no key that it had handed out is used again.
   */
  replace(plan: Plan, dropped: readonly string[], life: number): void {
    const planned = new Set(plan.map(({ path }) => path));
    const before = new Set(this.#run.plan.map(({ path }) => path));
    const gone = dropped.filter(
      (path) =>
        !planned.has(path) &&
        [path, ...pathsAbove(path, this.steps)].some((above) => before.has(above) && !planned.has(above)),
    );
    if (gone.length > 0) {
      const left = new Set(gone);
      this.#replaceRows(StepTable.of(this.#rows().filter(({ stepId }) => !left.has(stepId))));
    }
    const edit = this.#edit();
    for (const { path, agent } of plan) {
      if (edit.get(path) !== undefined) continue;
      edit.set(Object.freeze({ ...pendingStep(path, agent), ...(life > 1 && { revision: life - 1 }) }));
    }
  }

  /**
   * The run has completed: what an earlier definition has left, and nobody has asked for again, is gone. Runs of one life have nothing of
   * that kind.
   */
  clearDropped(): void {
    if (!this.isLater && this.#base.life < 2) return;
    const rows = this.#rows();
    const isLeft = ({ status, attempts }: StepResult): boolean => status === 'PENDING' && attempts === 0;
    if (!rows.some(isLeft)) return;
    const planned = new Set(this.#changed().plan.map(({ path }) => path));
    const gone = rows.filter((row) => isLeft(row) && !planned.has(row.stepId));
    if (gone.length === 0) return;
    const left = new Set(gone);
    this.#replaceRows(StepTable.of(rows.filter((row) => !left.has(row))));
    const before = this.#revision ?? 0;
    const revision = gone.reduce((most, row) => Math.max(most, row.revision ?? 0), before);
    if (revision === before) return;
    this.#revision = revision;
    this.run(this.status, (run) => {
      run.revision = revision;
    });
  }

  /** A step that the plan does not name. No function is made for it in most runs: this is asked with every event. */
  get #unplanned(): (path: string) => StepDraft {
    const revision = this.#revision;
    return revision === undefined ? unplanned : (path) => ({ ...unplanned(path), revision });
  }

  /** Epoch milliseconds at which a step last moved; 0 when none has. */
  lastSeen(): number {
    return this.#rows().reduce(
      (latest, { timestamp }) => (timestamp === null ? latest : Math.max(latest, Date.parse(timestamp))),
      0,
    );
  }

  /** A failed step is to be tried again. */
  reset(path: string): void {
    if (this.steps.get(path) === undefined) return;
    const step = this.#edit().draft(path, this.#unplanned);
    step.status = 'PENDING';
    delete step.crashes;
    delete step.crashedAlone;
    delete step.contained;
    this.forgetQuestion(path);
  }

  /** Those of these steps that have failed are to be tried again. */
  open(paths: readonly string[]): void {
    for (const path of paths) if (this.steps.get(path)?.status === 'FAILED') this.reset(path);
  }

  /** A step that failed by itself, not by what it had others do, asks its question anew: with a new deadline. */
  forgetQuestion(path: string): void {
    const { error, request, deadline, answer } = this.steps.get(path) ?? {};
    if (request === undefined && deadline === undefined && answer === undefined) return;
    if (error?.path !== undefined && error.path !== path) return;
    const step = this.#edit().draft(path, this.#unplanned);
    delete step.request;
    delete step.deadline;
    delete step.asking;
    delete step.answer;
  }

  /** A step has a time limit that counts on while something in it waits. */
  limit(path: string, limitAt: number): void {
    if (this.steps.get(path) !== undefined) this.#edit().draft(path, this.#unplanned).limitAt = limitAt;
  }

  /** Whether what a failed step belongs to goes on without it. */
  contain(path: string, isContained: boolean): void {
    if (this.steps.get(path)?.status !== 'FAILED') return;
    const step = this.#edit().draft(path, this.#unplanned);
    if (isContained) step.contained = true;
    else delete step.contained;
  }

  /** The same for every failed step, apart from those because of which what they belong to has failed. */
  containAll(): void {
    const { steps } = this;
    for (const { stepId, status } of this.#rows()) {
      if (status !== 'FAILED') continue;
      const above = pathsAbove(stepId, steps).map((path) => steps.get(path)?.status);
      if (above.find(Boolean) !== status) this.contain(stepId, true);
    }
  }

  /** The life has ended: what was running is PENDING again. */
  rest(): void {
    for (const { stepId } of this.#running()) {
      const step = this.#edit().draft(stepId, this.#unplanned);
      step.status = 'PENDING';
      // Partial results are not on record: the next attempt begins with none.
      if (step.partials !== undefined) delete step.partials;
    }
  }

  /**
   * What was running when the process died is PENDING again and counts the crash. Where a single call was under way, the crash
   * is its doing; what only waits for the steps below it is none.
   */
  crash(): void {
    const running = this.#running();
    if (running.length === 0) return;
    const above = new Set<string>();
    for (const { stepId, status } of this.#rows())
      if (status === 'RUNNING' || status === 'SUSPENDED')
        for (const path of pathsAbove(stepId, this.steps)) above.add(path);
    const calls = running.filter(({ stepId }) => !above.has(stepId));
    // Beside a step that was begun alone there are only composites.
    const alone = calls.filter((step) => step.alone === true);
    const [first, ...others] = alone.length > 0 ? alone : calls;
    for (const { stepId, crashes = 0, crashedAlone = 0 } of running) {
      const step = this.#edit().draft(stepId, this.#unplanned);
      step.status = 'PENDING';
      if (step.partials !== undefined) delete step.partials;
      step.crashes = crashes + 1;
      if (stepId === first?.stepId && others.length === 0) step.crashedAlone = crashedAlone + 1;
      if (step.alone === true) delete step.alone;
    }
  }

  /** A step that was begun alone is so no more. */
  join(path: string): void {
    if (this.steps.get(path)?.alone === true) this.#edit().draft(path, this.#unplanned).alone = false;
  }

  /** Forgets what is known of these steps. */
  drop(paths: readonly string[]): void {
    const lost = this.#sharedWithout(paths);
    for (const path of paths) {
      const step = this.steps.get(path);
      if (step === undefined) continue;
      const { revision = 0, attempts, asked, signalIds } = step;
      // A step that was never called is as good as new; a key handed out for other work must not be used again.
      const next = attempts > 0 ? revision + 1 : revision;
      const left = {
        ...(next > 0 && { revision: next }),
        // An answer that came before the first question is none to a later one.
        ...(asked !== undefined && { asked }),
        ...(signalIds !== undefined && { signalIds }),
        // What it shares stays while a step that has changed it stays.
        ...(lost?.sharing.has(path) === true && { shared: step.shared, sharedInitial: step.sharedInitial }),
      };
      this.#edit().set(Object.freeze({ ...pendingStep(path, step.agent), ...left }));
    }
    for (const [of, value] of lost?.shared ?? []) this.#setShared(of, value);
  }

  /** What is shared without the updates of these steps, and whose steps have left some; undefined where none of it changes. */
  #sharedWithout(paths: readonly string[]) {
    const isShared = paths.some((path) => {
      const { updates, shared } = this.steps.get(path) ?? {};
      return updates !== undefined || shared !== undefined;
    });
    if (!isShared) return undefined;
    const gone = new Set(paths);
    const rows = this.#rows();
    const kept = rows.filter(({ stepId, updates }) => updates !== undefined && !gone.has(stepId));
    return {
      shared: sharedWithout(this.#own(), rows, (path) => gone.has(path)),
      sharing: new Set(kept.map(({ updated }) => updated)),
    };
  }

  /** What failed on the way to this failure is PENDING again, with everything that failed below it. */
  reopen(failedPath: string): void {
    const failed = this.#rows().flatMap(({ status, stepId }) => (status === 'FAILED' ? [stepId] : []));
    const way = [failedPath, ...pathsAbove(failedPath, this.steps)].filter((path) => failed.includes(path));
    for (const path of failed)
      if ([path, ...pathsAbove(path, this.steps)].some((above) => way.includes(above))) this.reset(path);
  }

  #changed(): RunState {
    if (this.#changes.length === 0) return this.#run;
    const changes = this.#changes.splice(0);
    this.#run = immer.produce(this.#run, (draft) => {
      for (const change of changes) change(draft);
    });
    return this.#run;
  }

  #running(): StepResult[] {
    return this.#rows().filter(({ status }) => status === 'RUNNING');
  }

  #rows(): StepResult[] {
    return [...(this.#steps?.rows() ?? this.#base.steps)];
  }

  #replaceRows(table: StepTable): void {
    this.#steps = table.edit();
    this.#isEdited = true;
  }

  #edit(): StepTableEdit {
    this.#steps ??= this.#base.steps.edit();
    this.#isEdited = true;
    return this.#steps;
  }
}

function unplanned(path: string): StepDraft {
  return newStep(path, '');
}
