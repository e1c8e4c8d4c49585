import type { RunState } from '../model/state';
import type { StepResult } from '../model/stepResult';

/** One place at which two JSON values differ. */
export interface ValueChange {
  /** Keys and numbers of items from the outside in; empty for the value as a whole. */
  readonly at: readonly (string | number)[];
  /** Whether only the later one has it, only the earlier one, or both. */
  readonly kind: 'added' | 'removed' | 'changed';
  /** What stands there in the earlier one; absent where it has nothing there. */
  readonly before?: unknown;
  /** What stands there in the later one; absent where it has nothing there. */
  readonly after?: unknown;
}

/** How one step differs. */
export interface StepChange {
  /** Path of the step. */
  readonly path: string;
  /** Whether only the later state has the step, only the earlier one, or both. */
  readonly kind: ValueChange['kind'];
  /** What differs in its row. */
  readonly changes: readonly ValueChange[];
}

/** How two states differ. */
export interface StateDiff {
  /** What differs beside the steps: status, input, output, plan and the like. */
  readonly run: readonly ValueChange[];
  /** The steps that differ, in the order of the later state; those that it has no more come last. */
  readonly steps: readonly StepChange[];
}

/**
 * How a run, or two runs, differ between two moments: field by field down into what was given and what came of it. Arrays are
 * compared item by item; of those with more than 1,000 items only whether they are equal. A field that is undefined counts as not there.
 *
 * Rows and values that both states share cost nothing; otherwise it is linear in what is compared.
 */
export function stateDiff(a: RunState, b: RunState): StateDiff {
  const { steps: before, ...runBefore } = a;
  const { steps: after, ...runAfter } = b;
  const steps: StepChange[] = [];
  let position = 0;
  let common = 0;
  for (const row of after) {
    // The steps mostly stand at the same places.
    const beside = before.at(position);
    const known = beside?.stepId === row.stepId ? beside : before.get(row.stepId);
    position += 1;
    if (known !== undefined) common += 1;
    const change = stepChange(row.stepId, known, row);
    if (change !== undefined) steps.push(change);
  }
  if (common < before.size)
    for (const row of before)
      if (after.get(row.stepId) === undefined)
        steps.push(stepChange(row.stepId, row, undefined) as StepChange);
  return { run: changesOf(runBefore, runAfter), steps };
}

function stepChange(
  path: string,
  before: StepResult | undefined,
  after: StepResult | undefined,
): StepChange | undefined {
  const changes = changesOf(before, after);
  if (changes.length === 0) return undefined;
  return {
    path,
    kind: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
    changes,
  };
}

/** Arrays of more items are not compared item by item: nobody reads a list of a thousand changes. */
const MOST_ITEMS = 1_000;

function changesOf(before: unknown, after: unknown): ValueChange[] {
  const changes: ValueChange[] = [];
  collect(before, after, [], changes);
  return changes;
}

function collect(
  before: unknown,
  after: unknown,
  at: readonly (string | number)[],
  into: ValueChange[],
): void {
  if (Object.is(before, after)) return;
  if (before === undefined) into.push({ at, kind: 'added', after });
  else if (after === undefined) into.push({ at, kind: 'removed', before });
  else if (
    Array.isArray(before) &&
    Array.isArray(after) &&
    Math.max(before.length, after.length) <= MOST_ITEMS
  ) {
    for (let index = 0; index < Math.max(before.length, after.length); index += 1)
      collect(before[index], after[index], [...at, index], into);
  } else if (isRecord(before) && isRecord(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
      collect(own(before, key), own(after, key), [...at, key], into);
  } else if (!isEqual(before, after)) into.push({ at, kind: 'changed', before, after });
}

function isEqual(before: unknown, after: unknown): boolean {
  if (!Array.isArray(before) || !Array.isArray(after)) return Object.is(before, after);
  return (
    before.length === after.length &&
    before.every((item, index) => {
      const changes: ValueChange[] = [];
      collect(item, after[index], [], changes);
      return changes.length === 0;
    })
  );
}

function own(record: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
