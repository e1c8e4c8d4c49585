import type { RunState } from '../../lib/model/state';
import { downstream, pathsAbove } from './downstream';

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
  rows.forEach((on, position) => {
    if (!isInside(on) || (on.path !== from && !above.includes(on.path))) return;
    const beside = rows.filter((row) => row !== on && row.parent === on.parent && isInside(row));
    const isRace = !isItem(on) && [on, ...beside].some(({ status }) => status === 'SKIPPED');
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
