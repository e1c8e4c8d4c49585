import type { StepChange, ValueChange } from '../../lib/history/stateDiff';
import { stateDiff } from '../../lib/history/stateDiff';
import type { RunState } from '../../lib/model/state';
import type { StepResult } from '../../lib/model/stepResult';
import { durationText, printable } from '../../lib/report/columns';
import { marks } from '../../lib/report/runSummary';
import { shortId } from '../../lib/report/runPicture';
import type { CommandContext } from '../context';
import { withStore } from '../context';
import { exitCodes } from '../exitCodes';
import type { Output } from '../view/output';
import { momentNamed } from '../runNames';
import { tableText } from '../view/table';
import type { Words } from '../view/words';

/** Says how two runs differ, or one at two moments. */
export async function diffCommand(context: CommandContext): Promise<number> {
  const { args, output } = context;
  return withStore(context, async (store) => {
    const [a, b] = [await momentNamed(store, String(args[0])), await momentNamed(store, String(args[1]))];
    const diff = stateDiff(a, b);
    if (output.isJson) output.json(diff);
    else showDiff(a, b, diff.run, diff.steps, output);
    return exitCodes.done;
  });
}

/** What is never the same between two runs, and says nothing. */
const SELF_EVIDENT = new Set([
  'runId',
  'incarnation',
  'seq',
  'startedAt',
  'endedAt',
  'resumedAt',
  'duration',
  'worked',
  'timestamp',
  'stepId',
  'asking',
]);
const MOST_ROWS = 40;

function showDiff(
  a: RunState,
  b: RunState,
  run: readonly ValueChange[],
  steps: readonly StepChange[],
  output: Output,
): void {
  const { words } = output;
  const telling = run.filter(({ at }) => !SELF_EVIDENT.has(String(at[0])));
  const rows = steps.flatMap((change) => rowOf(change, a, b, output));
  if (telling.length === 0 && rows.length === 0) {
    output.print(words.same);
    return;
  }
  for (const change of telling.slice(0, MOST_ROWS)) output.print(changeText(change));
  if (rows.length > 0) {
    const [left, right] =
      a.runId === b.runId ? ['A', 'B'] : [`A ${shortId(a.runId)}`, `B ${shortId(b.runId)}`];
    output.print(tableText([words.step, left, right, ''], rows.slice(0, MOST_ROWS), output));
  }
  if (rows.length > MOST_ROWS) output.print(words.moreChanges(rows.length - MOST_ROWS));
}

function rowOf({ path, changes }: StepChange, a: RunState, b: RunState, { words }: Output): string[][] {
  const [before, after] = [a.steps.get(path), b.steps.get(path)];
  const telling = changes.filter(({ at }) => !SELF_EVIDENT.has(String(at[0])));
  const isSlower = before !== undefined && after !== undefined && isOther(before.duration, after.duration);
  if (telling.length === 0 && !isSlower) return [];
  const notes = [
    ...(before === undefined ? [words.onlyIn('B')] : after === undefined ? [words.onlyIn('A')] : []),
    ...(isSlower ? [`×${(after.duration / before.duration).toFixed(1)}`] : []),
    ...(before === undefined || after === undefined
      ? []
      : telling
          .filter(({ at }) => at[0] !== 'status' && at[0] !== 'duration')
          .slice(0, MOST_NOTES)
          .map(changeText)),
  ];
  return [[printable(path), cellOf(before, words), cellOf(after, words), notes.join('  ')]];
}

const MOST_NOTES = 3;

/** Whether a step took so much longer or shorter that it is no chance. */
function isOther(before: number, after: number): boolean {
  return (
    before > 0 && after > 0 && Math.max(before, after) > 0.1 && Math.max(before / after, after / before) > 2
  );
}

function cellOf(row: StepResult | undefined, { statuses }: Words): string {
  if (row === undefined) return '';
  const hasEnded = row.status === 'COMPLETED' || row.status === 'FAILED';
  return `${marks[row.status]} ${hasEnded ? durationText(row.duration) : statuses[row.status]}`;
}

function changeText({ at, kind, before, after }: ValueChange): string {
  const place = at
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('');
  const sign = { added: '+', removed: '-', changed: '~' }[kind];
  const values = [
    ...(kind === 'added' ? [] : [shortJson(before)]),
    ...(kind === 'removed' ? [] : [shortJson(after)]),
  ];
  return printable(`${sign} ${place} ${values.join(' → ')}`);
}

function shortJson(value: unknown): string {
  const text = value === undefined ? '' : JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}
