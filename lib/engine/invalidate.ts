import { asyncScheduler } from 'rxjs';

import type { UnplannedDiff } from '../definition/planDiff';
import { UnknownStepError } from '../errors/stepErrors';
import { asAnotherRun } from '../model/incarnation';
import { openFailures } from '../model/openFailures';
import type { Plan, PlanDiff, PlanStep } from '../model/plan';
import { sharedWithout } from '../model/shared';
import type { RunState } from '../model/state';
import type { StepsByPath } from '../model/stepPath';
import { isRepeat, pathsAbove } from '../model/stepPath';
import type { StepResult } from '../model/stepResult';
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
  const levels = levelsOf(plan);
  const mark = (path: string): void => {
    stale.add(path);
    whole.add(path);
  };
  if (isInputChanged) for (const step of levels.get('')?.steps ?? []) if (readsInput(step)) mark(step.path);
  // A set that grows is walked to its last member.
  for (const path of stale) {
    for (const above of ancestors(path)) stale.add(above);
    for (const reader of levels.get(parentOf(path))?.readersOf(path) ?? []) mark(reader.path);
  }
  // Steps of a structure that is the root itself and plans none.
  const isPlain = (plan.length <= 1 && isInputChanged) || plan.length === 0;
  const planned = new Set(plan.map(({ path }) => path));
  return [...steps]
    .map(({ stepId }) => stepId)
    .filter(
      (path) =>
        isPlain || stale.has(path) || stepsAbove(path, planned, steps).some((above) => whole.has(above)),
    );
}

/**
 * The paths above the path of any step, outermost first. `pages[3]/ocr` lies below `pages`, but `trim[1]` not below `trim` where
 * the plan, or else the record, has it as a step of its own: the second link of that name.
 */
export function stepsAbove(path: string, planned: ReadonlySet<string>, steps: StepsByPath): string[] {
  const above: string[] = [];
  for (let end = 1; end < path.length; end += 1) {
    if (path[end] === '/') above.push(path.slice(0, end));
    else if (path[end] === '[' && path[end - 1] !== '/') {
      const isOwn = planned.has(path.slice(0, path.indexOf(']', end) + 1)) || isRepeat(path, end, steps);
      if (!isOwn) above.push(path.slice(0, end));
    }
  }
  return above;
}

/** The steps that are declared side by side, and which of them reads which. */
class Level {
  readonly steps: PlanStep[] = [];
  readonly #paths = new Set<string>();
  /** By what they read, where that is the text of a source or a word of it. */
  readonly #readers = new Map<string, Set<PlanStep>>();
  /** Sources around others, such as `settled(a, b)`, with who reads them. */
  readonly #around: { readonly source: string; readonly reader: PlanStep }[] = [];

  add(step: PlanStep): void {
    this.steps.push(step);
    this.#paths.add(step.path);
    for (const source of step.sources) {
      const isAround = source.endsWith(')');
      if (isAround) this.#around.push({ source, reader: step });
      for (const word of isAround ? [source, ...source.split(/[(), ]+/)] : [source]) {
        const readers = this.#readers.get(word);
        if (readers === undefined) this.#readers.set(word, new Set([step]));
        else readers.add(step);
      }
    }
  }

  /** The steps that read another one; perhaps too many where its id is no word, which only calls a step once more. */
  readersOf(path: string): PlanStep[] {
    if (!this.#paths.has(path)) return [];
    const id = path.slice(path.lastIndexOf('/') + 1);
    const loose = /[(), ]/.test(id) ? this.#around.filter(({ source }) => source.includes(id)) : [];
    return [...(this.#readers.get(id) ?? []), ...loose.map(({ reader }) => reader)].filter(
      (reader) => reader.path !== path,
    );
  }
}

function levelsOf(plan: Plan): Map<string, Level> {
  const levels = new Map<string, Level>();
  for (const step of plan) {
    const parent = parentOf(step.path);
    const level = levels.get(parent) ?? new Level();
    levels.set(parent, level);
    level.add(step);
  }
  return levels;
}

function parentOf(path: string): string {
  return ancestors(path).at(-1) ?? '';
}

/** The paths above a path, outermost first. */
function ancestors(path: string): string[] {
  const above: string[] = [];
  for (let end = 1; end < path.length; end += 1) {
    if (path[end] === '/' || (path[end] === '[' && !isPlanned(path, end))) above.push(path.slice(0, end));
  }
  return above;
}

/** `trim[1]` is the second link of that name in a chain, not something below `trim`; the plan holds no other brackets. */
function isPlanned(path: string, bracket: number): boolean {
  const close = path.indexOf(']', bracket);
  return close === path.length - 1 || path[close + 1] === '/';
}

function readsInput({ sources }: PlanStep): boolean {
  return sources.length === 0 || sources.some((source) => mentions(source, 'input'));
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
function stepsFrom({ plan, steps }: RunState, from: string): ReadonlySet<string> {
  const planned = new Set(plan.map(({ path }) => path));
  const above = stepsAbove(from, planned, steps);
  const anchor = [from, ...[...above].reverse()].find((path) => planned.has(path));
  const gone = new Set(
    anchor === undefined
      ? [...steps].map(({ stepId }) => stepId)
      : downstream(plan, { added: [], removed: [], changed: [anchor], results: [] }, false, steps),
  );
  if (anchor === from) return gone;

  const kept = besideTheWay(steps, from, anchor, planned);
  if (kept.size === 0) return gone;
  for (const { stepId } of steps)
    if (kept.has(stepId) || stepsAbove(stepId, planned, steps).some((path) => kept.has(path)))
      gone.delete(stepId);
  return gone;
}

/**
 * The steps that stand beside the way down to a step, level by level, and do not come after it. Nothing beside a race is kept.
 *
 * @param anchor - The declared step on the way; undefined where none is.
 */
function besideTheWay(
  steps: StepTable,
  from: string,
  anchor: string | undefined,
  planned: ReadonlySet<string>,
): Set<string> {
  const way = new Set([from, ...stepsAbove(from, planned, steps)]);
  const rows: readonly Row[] = [...steps].map(({ stepId, status }, position) => {
    const above = stepsAbove(stepId, planned, steps);
    const parent = above.findLast((path) => steps.get(path) !== undefined) ?? '';
    return { path: stepId, status, position, above, parent };
  });
  const inside = rows.filter(({ above }) => anchor === undefined || above.includes(anchor));
  const kept = new Set<string>();
  let race: string | undefined;
  for (const on of inside) {
    if (!way.has(on.path)) continue;
    // What runs again beside it may give it something else, where it was no race after all.
    if (race !== undefined && on.above.includes(race)) continue;
    const beside = inside.filter((row) => row !== on && row.parent === on.parent);
    const isRace = !isItem(on) && [on, ...beside].some(({ status }) => status === 'SKIPPED');
    if (isRace) race = on.path;
    for (const row of beside) if (!isRace && (isItem(on) || row.position < on.position)) kept.add(row.path);
  }
  return kept;
}

interface Row {
  readonly path: string;
  readonly status: string;
  /** Where it stands among all. */
  readonly position: number;
  readonly above: readonly string[];
  /** The nearest step above it. */
  readonly parent: string;
}

/** `pages[3]/ocr` is an item of `pages`; `refine[3]` is a round of `refine`. */
function isItem({ path, parent }: Row): boolean {
  return path[parent.length] === '[' && path.includes(']/', parent.length);
}

/** The steps, and what the run shares, without what the steps that run again had changed of it. */
function sharedLeft(state: RunState, left: StepTable): Pick<RunState, 'steps' | 'shared'> {
  const isGone = (path: string): boolean => left.get(path)?.updates === undefined;
  if (![...state.steps].some(({ stepId, updates }) => updates !== undefined && isGone(stepId)))
    return { steps: withShared(left, state.steps, new Map()) };
  const shared = sharedWithout(state, state.steps, isGone);
  return {
    ...(shared.has('') && { shared: shared.get('') }),
    steps: withShared(left, state.steps, shared),
  };
}

/** A workflow that runs again goes on with what is left of its shared state, while a step below it that has changed it is kept. */
function withShared(left: StepTable, before: StepTable, shared: ReadonlyMap<string, unknown>): StepTable {
  const changed = new Set([...left].flatMap(({ updated }) => updated ?? []));
  if (changed.size === 0 && shared.size === 0) return left;
  return left.withRows((row) => {
    const { shared: former, sharedInitial } = before.get(row.stepId) ?? {};
    if (former === undefined || (row.shared === undefined && !changed.has(row.stepId))) return row;
    return Object.freeze({ ...row, shared: shared.get(row.stepId) ?? former, sharedInitial });
  });
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
 * What a question has come to, where a fork begins below it: its deadline has passed, and what is done instead goes on. The request is
 * not known any more where that had ended.
 *
 * @param hasAsked - Whether the step is one that asks: what is below such a step is done instead of an answer.
 */
function decidedBefore(
  { status, request, answer }: StepResult,
  hasAsked: boolean,
): Pick<StepResult, 'request' | 'answer'> {
  if (answer !== undefined) return { request, answer };
  return hasAsked && status === 'COMPLETED' ? { answer: { by: 'deadline' } } : {};
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
  const after = from === undefined ? new Set<string>() : stepsFrom(state, from);
  const failed = new Set(openFailures(state.steps).map(({ stepId }) => stepId));
  const above = from === undefined ? [] : pathsAbove(from, state.steps);
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
  const left = StepTable.of(
    [...withoutUndone(kept.steps, state.plan, undoneSagas(state.steps))].map((step) => {
      const { stepId, agent, status, error } = step;
      if (!after.has(stepId) && !failed.has(stepId) && status !== 'RUNNING') return step;
      const asksAnew = after.has(stepId)
        ? !above.includes(stepId)
        : failed.has(stepId) && error?.path === stepId;
      const decided = asksAnew ? {} : decidedBefore(step, state.steps.get(stepId)?.asked !== undefined);
      return Object.freeze({ ...pendingStep(stepId, agent), ...decided });
    }),
  );
  return Object.freeze({
    ...kept,
    status: 'CANCELLED',
    input: 'input' in rest ? rest.input : state.input,
    ...sharedLeft(state, left),
    startedAt: now,
    endedAt: now,
    life: 1,
    forkedFrom: { runId: state.runId, path: from ?? state.error?.path ?? '' },
  });
}
