import { asyncScheduler } from 'rxjs';

import type { UnplannedDiff } from '../definition/planDiff';
import { UnknownStepError } from '../errors/stepErrors';
import { asAnotherRun } from '../model/incarnation';
import { openFailures } from '../model/openFailures';
import type { Plan, PlanDiff, PlanStep } from '../model/plan';
import type { RunState } from '../model/state';
import { pendingStep } from '../model/stepResult';
import { StepTable } from '../model/stepTable';
import { newIncarnation } from './newRunId';
import { undoneSagas, withoutUndone } from './undone';

/**
 * Paths of the saved steps whose results no longer hold when the definition or the input has changed: those that changed,
 * all below them, the structures they belong to, and whatever reads any of these, directly or through others.
 *
 * @param unplanned - Steps whose results no longer hold, which the plan does not name.
 */
export function downstream(
  plan: Plan,
  diff: PlanDiff | undefined,
  isInputChanged: boolean,
  steps: StepTable,
  unplanned?: Pick<UnplannedDiff, 'stale' | 'above'>,
): string[] {
  const stale = new Set<string>([
    ...(diff?.added ?? []),
    ...(diff?.removed ?? []),
    ...(diff?.changed ?? []),
    ...(unplanned?.stale ?? []),
  ]);
  // Below a stale step everything is stale, unless the step is stale only because of something below it.
  const whole = new Set(stale);
  // A workflow that gives something else keeps what is in it.
  for (const path of unplanned?.above ?? []) stale.add(path);
  for (const path of diff?.results ?? []) if (path !== '') stale.add(path);
  const levels = groupByParent(plan);
  const mark = (path: string): void => {
    stale.add(path);
    whole.add(path);
  };
  if (isInputChanged) for (const step of levels.get('') ?? []) if (readsInput(step)) mark(step.path);
  let size = -1;
  while (size !== stale.size) {
    size = stale.size;
    for (const path of [...stale]) for (const above of ancestors(path)) stale.add(above);
    for (const siblings of levels.values()) {
      for (const step of siblings) {
        const reads = siblings.filter(
          (other) => other !== step && stale.has(other.path) && readsFrom(step, other),
        );
        if (reads.length > 0) mark(step.path);
      }
    }
  }
  // Steps of a structure that is the root itself and plans none.
  const isPlain = (plan.length <= 1 && isInputChanged) || plan.length === 0;
  const planned = new Set(plan.map(({ path }) => path));
  return [...steps]
    .map(({ stepId }) => stepId)
    .filter(
      (path) => isPlain || stale.has(path) || pathsAbove(path, planned).some((above) => whole.has(above)),
    );
}

/**
 * The paths above the path of any step, outermost first. `pages[3]/ocr` lies below `pages`, but `trim[1]` not below `trim` where
 * the plan has it as a step of its own: the second link of that name.
 */
export function pathsAbove(path: string, planned: ReadonlySet<string>): string[] {
  const above: string[] = [];
  for (let end = 1; end < path.length; end += 1) {
    if (path[end] === '/') above.push(path.slice(0, end));
    else if (path[end] === '[' && path[end - 1] !== '/') {
      if (!planned.has(path.slice(0, path.indexOf(']', end) + 1))) above.push(path.slice(0, end));
    }
  }
  return above;
}

function groupByParent(plan: Plan): Map<string, PlanStep[]> {
  const levels = new Map<string, PlanStep[]>();
  for (const step of plan) {
    const parent = ancestors(step.path).at(-1) ?? '';
    const level = levels.get(parent);
    if (level === undefined) levels.set(parent, [step]);
    else level.push(step);
  }
  return levels;
}

/** The paths above a path, outermost first. */
function ancestors(path: string): string[] {
  const above: string[] = [];
  for (let end = 1; end < path.length; end += 1) {
    if (path[end] === '/' || (path[end] === '[' && !isRepeat(path, end))) above.push(path.slice(0, end));
  }
  return above;
}

/** `trim[1]` is the second link of that name in a chain, not something below `trim`; the plan holds no other brackets. */
function isRepeat(path: string, bracket: number): boolean {
  const close = path.indexOf(']', bracket);
  return close === path.length - 1 || path[close + 1] === '/';
}

function readsInput({ sources }: PlanStep): boolean {
  return sources.length === 0 || sources.some((source) => mentions(source, 'input'));
}

function readsFrom({ sources }: PlanStep, other: PlanStep): boolean {
  const id = other.path.slice(other.path.lastIndexOf('/') + 1);
  return sources.some((source) => mentions(source, id));
}

/** Whether the text of a source names an id; it may say yes too often, which only calls a step once more. */
function mentions(source: string, id: string): boolean {
  return source === id || (source.endsWith(')') && source.includes(id));
}

/**
 * Paths of the saved steps that do not come before a step: itself, what is below it and above it, and what was made from it.
 *
 * Where the order is only known from the run, as with the rounds of a loop, what was begun later counts as made from it; the
 * items of an `each` do not depend on one another; of a race everything is run again.
 */
export function stepsFrom({ plan, steps }: RunState, from: string): ReadonlySet<string> {
  const planned = new Set(plan.map(({ path }) => path));
  const above = pathsAbove(from, planned);
  const anchor = [from, ...[...above].reverse()].find((path) => planned.has(path));
  const gone = new Set(
    anchor === undefined
      ? [...steps].map(({ stepId }) => stepId)
      : downstream(plan, { added: [], removed: [], changed: [anchor], results: [] }, false, steps),
  );
  if (anchor === from) return gone;

  const known = new Set([...steps].map(({ stepId }) => stepId));
  const rows: readonly Row[] = [...steps].map(({ stepId, status }) => {
    const over = pathsAbove(stepId, planned);
    return { path: stepId, status, above: over, parent: over.findLast((path) => known.has(path)) ?? '' };
  });
  const isInside = (row: Row): boolean => anchor === undefined || row.above.includes(anchor);
  // Down to the step, level by level: what stands beside the way and does not come after it is kept.
  let race: string | undefined;
  rows.forEach((on, position) => {
    if (!isInside(on) || (on.path !== from && !above.includes(on.path))) return;
    // What runs again beside it may give it something else, where it was no race after all.
    if (race !== undefined && on.above.includes(race)) return;
    const beside = rows.filter((row) => row !== on && row.parent === on.parent && isInside(row));
    const isRace = !isItem(on) && [on, ...beside].some(({ status }) => status === 'SKIPPED');
    if (isRace) race = on.path;
    for (const row of beside) {
      if (isRace || (!isItem(on) && rows.indexOf(row) > position)) continue;
      for (const kept of rows) {
        if (kept === row || kept.above.includes(row.path)) gone.delete(kept.path);
      }
    }
  });
  return gone;
}

interface Row {
  readonly path: string;
  readonly status: string;
  readonly above: readonly string[];
  /** The nearest step above it. */
  readonly parent: string;
}

/** `pages[3]/ocr` is an item of `pages`; `refine[3]` is a round of `refine`. */
function isItem({ path, parent }: Row): boolean {
  return path[parent.length] === '[' && path.includes(']/', parent.length);
}

/** What is new about a forked run. */
export interface ForkedFrom {
  readonly runId: string;
  /** Path of the first step that runs again; where it is left out, those run again that have failed. */
  readonly from?: string;
  /** The input of the run from now on; the same when left out. */
  readonly input?: unknown;
}

/**
 * A run that stands where another one stood before a step, for the next life to go on from: that step, what is above and below
 * it, what was made from it, and every step that failed, as in any run that is resumed, are PENDING. So is what a saga has undone.
 *
 * @throws UnknownStepError
 */
export function forkedState(state: RunState, { runId, from, ...rest }: ForkedFrom): RunState {
  if (from !== undefined && state.steps.get(from) === undefined)
    throw new UnknownStepError(state.runId, from);
  const again = new Set([
    ...(from === undefined ? [] : stepsFrom(state, from)),
    ...openFailures(state.steps).map(({ stepId }) => stepId),
  ]);
  const now = asyncScheduler.now();
  const {
    output: _output,
    givenBy: _givenBy,
    error: _error,
    duration: _duration,
    worked: _worked,
    resumedAt: _resumedAt,
    ...kept
  } = asAnotherRun(state, runId, newIncarnation());
  return Object.freeze({
    ...kept,
    status: 'CANCELLED',
    input: 'input' in rest ? rest.input : state.input,
    steps: StepTable.of(
      [...withoutUndone(kept.steps, state.plan, undoneSagas(state.steps))].map((step) =>
        again.has(step.stepId) || step.status === 'RUNNING' ? pendingStep(step.stepId, step.agent) : step,
      ),
    ),
    startedAt: now,
    endedAt: now,
    life: 1,
    forkedFrom: { runId: state.runId, path: from ?? state.error?.path ?? '' },
  });
}
