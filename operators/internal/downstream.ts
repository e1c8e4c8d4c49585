import type { PlanDiff } from '../../lib/graph/planDiff';
import type { Plan, PlanStep } from '../../lib/model/plan';
import type { StepTable } from '../../lib/model/stepTable';

/**
 * Paths of the saved steps whose results no longer hold when the definition or the input has changed: those that changed,
 * all below them, the structures they belong to, and whatever reads any of these, directly or through others.
 */
export function downstream(
  plan: Plan,
  diff: PlanDiff | undefined,
  isInputChanged: boolean,
  steps: StepTable,
): string[] {
  const stale = new Set<string>([...(diff?.added ?? []), ...(diff?.removed ?? []), ...(diff?.changed ?? [])]);
  // Below a stale step everything is stale, unless the step is stale only because of something below it.
  const whole = new Set(stale);
  // A workflow that gives something else keeps what is in it.
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
