import { undoingOf } from '../../lib/engine/undone';
import { treeOfSteps } from '../../lib/history/stepTree';
import type { StepNode } from '../../lib/history/stepTree';
import type { RunState } from '../../lib/model/state';
import type { StepResult, StepStatus } from '../../lib/model/stepResult';
import { clipped, durationText, printable } from '../../lib/report/columns';
import { momentText } from './moments';
import type { Output } from './output';
import { stepMark } from './statusText';

/** Which steps are shown. */
export interface RowOptions {
  /** Every step, also those of groups that are done. */
  readonly isWhole?: boolean;
  /** Only steps that failed, and what they stand in. */
  readonly isFailedOnly?: boolean;
}

/** So many steps of a group that are done, or have not begun, are shown before they are counted instead. */
const MOST_QUIET = 5;

/** The steps of a run as rows of a tree. Groups that are done are folded: what failed, runs or waits is always there. */
export function stepRows(state: RunState, options: RowOptions, output: Output): string[][] {
  const rows: string[][] = [];
  addRows(treeOfSteps(state.steps), '', { state, options, output, rows });
  return rows;
}

/** What is drawn, how, and the rows so far. */
interface Drawn {
  readonly state: RunState;
  readonly options: RowOptions;
  readonly output: Output;
  readonly rows: string[][];
}

function addRows(node: StepNode, indent: string, drawn: Drawn): void {
  const { state, options, output, rows } = drawn;
  const { isWhole = false, isFailedOnly = false } = options;
  const steps = isFailedOnly ? node.steps.filter((step) => hasStatus(step, state, FAILED)) : node.steps;
  const canFold = !isWhole && !isFailedOnly && node.path !== '';
  const allOf = (kind: ReadonlySet<StepStatus>): readonly StepNode[] =>
    canFold ? steps.filter((step) => isAll(step, state, kind)) : [];
  const [done, pending] = [allOf(DONE), allOf(PENDING)];
  // What is done as a whole needs no rows of its own.
  if (canFold && done.length === steps.length) return;
  const countedDone = done.length > MOST_QUIET ? done : [];
  const countedPending = pending.length > MOST_QUIET ? pending : [];
  const counted = new Set([...countedDone, ...countedPending]);
  for (const step of steps) {
    if (counted.has(step)) continue;
    const [shown, name] = inOneRow(step, state);
    rows.push(rowOf(shown, indent, printable(name), drawn));
    addRows(shown, `${indent}  `, drawn);
  }
  if (counted.size > 0)
    rows.push([`  ${indent}${output.words.notShown(countedDone.length, countedPending.length)}`]);
}

/** A place that is no step by itself, such as the item of an `each`, shares its row with the one step below it: that, and both names. */
function inOneRow(step: StepNode, state: RunState): readonly [StepNode, string] {
  let [shown, name] = [step, undoneBy(step, state) ?? step.name];
  for (;;) {
    const [below, ...others] = shown.steps;
    if (state.steps.get(shown.path) !== undefined || below === undefined || others.length > 0)
      return [shown, name];
    const undone = undoneBy(below, state);
    const added =
      undone === undefined ? `${below.name.startsWith('[') ? '' : '/'}${below.name}` : ` ${undone}`;
    [shown, name] = [below, `${name}${added}`];
  }
}

/** Path of the step that a step of a saga undoes; undefined for any other step. In its own path, that is a key with `/` escaped. */
function undoneBy({ path }: StepNode, { steps }: RunState): string | undefined {
  const row = steps.get(path);
  return row && undoingOf(row, steps)?.undone;
}

const FAILED: ReadonlySet<StepStatus> = new Set<StepStatus>(['FAILED']);
const DONE: ReadonlySet<StepStatus> = new Set<StepStatus>(['COMPLETED', 'SKIPPED']);
const PENDING: ReadonlySet<StepStatus> = new Set<StepStatus>(['PENDING']);

function hasStatus(node: StepNode, state: RunState, wanted: ReadonlySet<StepStatus>): boolean {
  const row = state.steps.get(node.path);
  return (
    (row !== undefined && wanted.has(row.status)) || node.steps.some((step) => hasStatus(step, state, wanted))
  );
}

/** Whether the step and everything below it has one of these statuses. */
function isAll(node: StepNode, state: RunState, wanted: ReadonlySet<StepStatus>): boolean {
  const row = state.steps.get(node.path);
  return (
    (row === undefined || wanted.has(row.status)) && node.steps.every((step) => isAll(step, state, wanted))
  );
}

function rowOf(node: StepNode, indent: string, name: string, { state, output }: Drawn): string[] {
  const row = state.steps.get(node.path);
  if (row === undefined) return [`${indent}  ${name}`, ''];
  const hasEnded = row.status === 'COMPLETED' || row.status === 'FAILED';
  return [
    `${indent}${stepMark(row.status, output)} ${name}`,
    hasEnded ? durationText(row.duration) : '',
    printable(notesOf(row, node, state, output).join('  ')),
  ];
}

function notesOf(row: StepResult, node: StepNode, state: RunState, { words }: Output): string[] {
  const notes: string[] = [];
  const inside = rowsBelow(node, state);
  if (inside.length > 0) {
    const done = inside.filter(({ status }) => status === 'COMPLETED' || status === 'SKIPPED').length;
    notes.push(words.insideDone(done, inside.length));
  }
  if (row.attempts > 1) notes.push(words.attempt(row.attempts));
  if (row.critical === true) notes.push(words.criticalStep);
  if (row.cached === true) notes.push(words.cached);
  if (row.status === 'SUSPENDED') {
    if (row.asking !== undefined || 'request' in row) notes.push(waitsText(row, words));
    if (row.deadline !== undefined) notes.push(words.untilMoment(momentText(row.deadline)));
  }
  if (row.partials !== undefined && row.status === 'RUNNING') notes.push(words.partials(row.partials));
  if (row.status === 'RUNNING' && inside.length === 0 && row.timestamp !== null)
    notes.push(words.quietSince(momentText(Date.parse(row.timestamp))));
  if (row.error !== null && row.status !== 'COMPLETED') notes.push(`${row.error.name}: ${row.error.message}`);
  return notes;
}

/** What a step asks, in one line. What looks like a secret is left out before it is cut. */
function waitsText({ request }: StepResult, words: Output['words']): string {
  const question = questionOf(request);
  return question === undefined ? words.waitsForAnswer : words.asks(clipped(printable(question), MOST_ASKED));
}

const MOST_ASKED = 80;

/** A text of a request that says what is asked, else all of it. */
function questionOf(request: unknown): string | undefined {
  if (request === undefined || typeof request === 'string') return request;
  const { message, question } = (request ?? {}) as {
    readonly message?: unknown;
    readonly question?: unknown;
  };
  const said = [message, question].find((each) => typeof each === 'string');
  return said ?? JSON.stringify(request);
}

/** The steps below a group that have no steps themselves. */
function rowsBelow(node: StepNode, state: RunState): StepResult[] {
  return node.steps.flatMap((step) => {
    if (step.steps.length > 0) return rowsBelow(step, state);
    const row = state.steps.get(step.path);
    return row === undefined ? [] : [row];
  });
}
