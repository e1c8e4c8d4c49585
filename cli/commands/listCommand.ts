import { StoreCorruptError } from '../../lib/errors/storageErrors';
import { durationText, printable } from '../../lib/report/columns';
import { shortId } from '../../lib/report/runPicture';
import { damageOf, examine } from '../../lib/store/salvage/examine';
import type { LeftOut } from '../../lib/store/salvage/leftOut';
import type { RunSummary, Store } from '../../lib/store/store';
import { select } from '../../lib/store/summary';
import { usageError } from '../commandError';
import type { CommandContext } from '../context';
import { countOf, momentOf, textOf, withStore } from '../context';
import { exitCodes } from '../exitCodes';
import { leftBehind } from '../resting';
import type { ListedRow, ListedStatus, ListQuery } from '../queuedRuns';
import { begunQuery, merged, queuedRuns } from '../queuedRuns';
import { shortAgo, momentText } from '../view/moments';
import type { Output } from '../view/output';
import { paint } from '../view/output';
import { beginsText, runMark, statusText } from '../view/statusText';
import { tableText } from '../view/table';

/** A row of the list; `damage` when the file of the run cannot be trusted. */
type Row = ListedRow & { readonly damage?: LeftOut };

/** Lists runs, newest first: those that have begun, and those that wait in the queue. */
export async function listCommand(context: CommandContext): Promise<number> {
  const { args, options, output } = context;
  const query = queryOf(options);
  const limit = countOf(options['limit'], '--limit') ?? 20;
  return withStore(
    context,
    async (store, settings) => {
      const { runs, damage } = await readable(store, settings.store, query);
      if (options['counts'] === true) {
        showCounts(runs, output);
        return exitCodes.done;
      }
      const shown: Row[] = runs.slice(0, limit);
      // The rest is left to the doctor: reading every file would make a list of thousands slow.
      const checked = shown.slice(0, MOST_CHECKED).filter(({ status }) => status !== 'QUEUED');
      const damaged = await damageOf(
        settings.store,
        checked.map(({ runId }) => runId),
      );
      for (const [index, run] of shown.entries()) {
        const found = damaged.get(run.runId);
        if (found !== undefined) shown[index] = { ...run, damage: found };
      }
      for (const { file, offset, reason } of damage)
        output.tell(`${paint('✘', 'red', output)} ${file} ${output.words.atByte(offset)}: ${reason}`);
      if (output.isJson) output.json(shown);
      else {
        const hasRunning = shown.some(({ status }) => status === 'RUNNING');
        const left: ReadonlySet<string> = hasRunning ? await leftBehind(store) : new Set();
        showTable(shown, { all: runs.length, isFiltered: Object.keys(query).length > 0, left }, output);
      }
      return exitCodes.done;
    },
    { store: args[0] },
  );
}

const MOST_CHECKED = 100;

/** The runs; where the store is damaged, those that can be read, and what the damage is. */
async function readable(
  store: Store,
  folder: string,
  query: ListQuery,
): Promise<{ readonly runs: readonly ListedRow[]; readonly damage: readonly LeftOut[] }> {
  // Before the runs: one that begins meanwhile is found there.
  const queued = await queuedRuns(store, query);
  const begun = begunQuery(query);
  try {
    return { runs: merged(await store.listRuns(begun), queued.rows), damage: queued.damage };
  } catch (error) {
    if (!(error instanceof StoreCorruptError)) throw error;
    const { runs, damage } = await examine(folder);
    const fitting = select(
      runs.map((run) => ({ run, isResting: true })),
      begun,
    );
    return { runs: merged(fitting, queued.rows), damage };
  }
}

const STATUSES: readonly ListedStatus[] = [
  'QUEUED',
  'RUNNING',
  'SUSPENDED',
  'FAILED',
  'CANCELLED',
  'COMPLETED',
];

/** Which runs are meant by the options that several commands share. @throws CommandError USAGE */
export function queryOf(options: Readonly<Record<string, unknown>>): ListQuery {
  const name = textOf(options['name']);
  const failedStep = textOf(options['failedStep']);
  const text = textOf(options['text']);
  const since = momentOf(options['since'], '--since');
  const status = textOf(options['status']);
  const tags = tagsOf(options['tag']);
  return {
    ...(name !== undefined && { name }),
    ...(failedStep !== undefined && { failedStep }),
    ...(text !== undefined && { text }),
    ...(since !== undefined && { since }),
    ...(tags !== undefined && { tags }),
    ...(status !== undefined && { status: statusesOf(status) }),
    ...(options['resting'] === true && { isResting: true }),
  };
}

/** Tags as they are typed, `customer=42`. @throws CommandError USAGE */
export function tagsOf(typed: unknown): Readonly<Record<string, string>> | undefined {
  if (!Array.isArray(typed)) return undefined;
  return Object.fromEntries(
    (typed as readonly string[]).map((tag): [string, string] => {
      const at = tag.indexOf('=');
      if (at < 1)
        throw usageError(`Cannot take --tag ${tag}`, 'give a name and a value, such as --tag customer=42');
      return [tag.slice(0, at), tag.slice(at + 1)];
    }),
  );
}

function statusesOf(typed: string): readonly ListedStatus[] {
  return typed.split(',').map((each) => {
    const status = STATUSES.find((known) => known === each.trim().toUpperCase());
    if (status !== undefined) return status;
    throw usageError(
      `Cannot take --status ${each}`,
      `give one or more of ${STATUSES.join(',').toLowerCase()}`,
    );
  });
}

function showCounts(runs: readonly ListedRow[], output: Output): void {
  const { counted, statuses } = output.words;
  const counts = Object.fromEntries(
    STATUSES.map((status) => [status, runs.filter((run) => run.status === status).length]),
  ) as Readonly<Record<ListedStatus, number>>;
  if (output.isJson) output.json(counts);
  else
    output.print(
      STATUSES.map(
        (status) => `${runMark(status, output)} ${counted(counts[status], statuses[status])}`,
      ).join('   '),
    );
}

interface TableOf {
  /** How many runs there are. */
  readonly all: number;
  readonly isFiltered: boolean;
  /** The ids of those that are under way by their record alone. */
  readonly left: ReadonlySet<string>;
}

function showTable(runs: readonly Row[], { all, isFiltered, left }: TableOf, output: Output): void {
  const { words } = output;
  if (runs.length === 0) {
    output.print(isFiltered ? words.noRunsFit : words.noRuns);
    return;
  }
  const isShort = new Set(runs.map(({ runId }) => shortId(runId))).size === runs.length;
  const head = ['', words.run, words.name, words.status, words.started, words.took, words.steps, words.note];
  const rows = runs.map((run) => rowOf(run, { isShort, isLeft: left.has(run.runId) }, output));
  // On a narrow terminal what went wrong matters more than how many steps there are.
  const shown =
    output.width < WIDE
      ? [head, ...rows].map((row) => row.filter((_, column) => column !== STEPS))
      : [head, ...rows];
  output.print(tableText(shown[0] ?? [], shown.slice(1), output));
  if (runs.length < all) output.tell(words.moreRuns(runs.length, all));
}

const WIDE = 100;
const STEPS = 6;

interface RowOf {
  readonly isShort: boolean;
  readonly isLeft: boolean;
}

function rowOf(run: Row, { isShort, isLeft }: RowOf, output: Output): readonly string[] {
  if (run.status === 'QUEUED')
    return [
      runMark(run.status, output),
      isShort ? shortId(run.runId) : printable(run.runId),
      printable(run.name),
      statusText(run.status, output),
      '',
      '',
      '',
      beginsText(run, output),
    ];
  const { status, startedAt, endedAt, steps } = run;
  const isDamaged = run.damage !== undefined;
  return [
    isDamaged ? paint('✘', 'red', output) : runMark(status, output),
    isShort ? shortId(run.runId) : printable(run.runId),
    printable(run.name),
    isDamaged ? paint(output.words.damaged, 'red', output) : statusText(status, output),
    output.width < WIDE ? shortAgo(Date.now() - startedAt) : momentText(startedAt),
    endedAt === undefined ? '' : durationText((endedAt - startedAt) / 1_000),
    steps === undefined ? '' : `${steps.done}/${steps.total}`,
    noteOf(run, isLeft, output),
  ];
}

function noteOf(run: RunSummary & Pick<Row, 'damage'>, isLeft: boolean, { words }: Output): string {
  const parts: string[] = [];
  if (run.damage !== undefined) parts.push(`${words.atByte(run.damage.offset)}: ${run.damage.reason}`);
  if (isLeft) parts.push(words.isLeft);
  if (run.life > 1) parts.push(words.lifeOf(run.life));
  if (run.status === 'FAILED')
    // Apart from each other: what stands behind a name and a colon may look like a secret.
    parts.push(
      [run.failedStep, run.error].flatMap((part) => (part === undefined ? [] : [printable(part)])).join('  '),
    );
  if (run.status === 'SUSPENDED' && run.waiting.length > 0)
    parts.push(`${words.waitsForAnswer}: ${run.waiting.map(({ path }) => path).join(', ')}`);
  if (run.status === 'SUSPENDED' && run.waiting.length === 0 && run.dueAt !== undefined)
    parts.push(words.waitsUntil(momentText(run.dueAt)));
  if (run.reason !== undefined) parts.push(run.reason);
  if (run.forkedFrom !== undefined)
    parts.push(words.forkOf(shortId(run.forkedFrom.runId), run.forkedFrom.path));
  return parts.map(printable).join('; ');
}
