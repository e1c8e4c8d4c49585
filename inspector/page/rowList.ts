import type { StepStatus } from '../../lib/model/stepResult';
import type { PathNode } from './runFold';

/** A line of the tree. */
export type Row =
  | {
      readonly kind: 'step';
      readonly node: PathNode;
      /** What the line says: `[60] ocr` for a step that is alone in its place. */
      readonly label: string;
      readonly depth: number;
      readonly status: StepStatus | undefined;
      readonly isGroup: boolean;
      readonly isOpen: boolean;
    }
  /** Finished steps that are not shown. */
  | { readonly kind: 'more'; readonly node: PathNode; readonly count: number; readonly depth: number };

/** Which lines are wanted. */
export interface RowsWanted {
  readonly open: ReadonlySet<string>;
  readonly shut: ReadonlySet<string>;
  readonly whole: ReadonlySet<string>;
  readonly hidesDone: boolean;
  /** Whether a step fits the filter; undefined without one. */
  readonly fits: ((node: PathNode, status: StepStatus | undefined) => boolean) | undefined;
}

/** More finished steps in one group are one line. */
const MOST_FINISHED = 200;

/** How a step stands; where no step of this path was told, as those below it do. */
export function nodeStatus(node: PathNode): StepStatus | undefined {
  if (node.status !== undefined) return node.status;
  const { below } = node;
  if (below.FAILED > 0) return 'FAILED';
  if (below.SUSPENDED > 0) return 'SUSPENDED';
  if (below.RUNNING > 0) return 'RUNNING';
  if (below.PENDING > 0) return below.COMPLETED > 0 ? 'RUNNING' : 'PENDING';
  if (below.COMPLETED > 0) return 'COMPLETED';
  return below.SKIPPED > 0 ? 'SKIPPED' : undefined;
}

/** How many steps stand below a step, and how many of them have ended. */
export function insideOf({ below }: PathNode): { readonly done: number; readonly total: number } {
  const done = below.COMPLETED + below.SKIPPED;
  return { done, total: done + below.PENDING + below.RUNNING + below.SUSPENDED + below.FAILED };
}

/**
 * The lines of a tree, from above. Groups with something failed, running or suspended are open unless they were closed; of more
 * than 200 finished steps in one place those are one line.
 */
export function treeRows(root: PathNode, wanted: RowsWanted): Row[] {
  const rows: Row[] = [];
  if (wanted.fits === undefined) addInside(root, 0, wanted, rows);
  else addFitting(root, 0, wanted.fits, rows);
  return rows;
}

function addInside(group: PathNode, depth: number, wanted: RowsWanted, rows: Row[]): void {
  const isWhole = wanted.whole.has(group.path);
  const { done } = insideOf(group);
  const folds = wanted.hidesDone || (!isWhole && done > MOST_FINISHED && finishedIn(group) > MOST_FINISHED);
  let left = 0;
  for (const step of group.steps) {
    const { node, label } = merged(step);
    const status = nodeStatus(node);
    if (status === undefined && insideOf(node).total === 0) continue;
    if (folds && isDone(status)) {
      left += 1;
      continue;
    }
    const isGroup = node.steps.length > 0 && insideOf(node).total > 0;
    const isOpen = isGroup && opens(node, wanted);
    rows.push({ kind: 'step', node, label, depth, status, isGroup, isOpen });
    if (isOpen) addInside(node, depth + 1, wanted, rows);
  }
  if (left > 0) rows.push({ kind: 'more', node: group, count: left, depth });
}

function finishedIn({ steps }: PathNode): number {
  let count = 0;
  for (const step of steps) if (isDone(nodeStatus(step))) count += 1;
  return count;
}

function opens({ path, below }: PathNode, { open, shut }: RowsWanted): boolean {
  if (shut.has(path)) return false;
  return open.has(path) || below.FAILED > 0 || below.RUNNING > 0 || below.SUSPENDED > 0;
}

function addFitting(
  group: PathNode,
  depth: number,
  fits: (node: PathNode, status: StepStatus | undefined) => boolean,
  rows: Row[],
): boolean {
  let found = false;
  for (const step of group.steps) {
    const { node, label } = merged(step);
    const status = nodeStatus(node);
    if (status === undefined && insideOf(node).total === 0) continue;
    const at = rows.length;
    const isGroup = node.steps.length > 0;
    rows.push({ kind: 'step', node, label, depth, status, isGroup, isOpen: isGroup });
    const fitsBelow = addFitting(node, depth + 1, fits, rows);
    if (fitsBelow || fits(node, status)) found = true;
    else rows.length = at;
  }
  return found;
}

/** A place without a step of its own and with one step in it is one line: `[3] ocr`. */
function merged(step: PathNode): { readonly node: PathNode; readonly label: string } {
  let node = step;
  let label = step.name;
  for (;;) {
    const only: PathNode | undefined = node.steps.length === 1 ? node.steps[0] : undefined;
    if (node.status !== undefined || only === undefined) return { node, label };
    node = only;
    label = `${label} ${only.name}`;
  }
}

function isDone(status: StepStatus | undefined): boolean {
  return status === 'COMPLETED' || status === 'SKIPPED';
}
