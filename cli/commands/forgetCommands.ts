import { StoreCorruptError } from '../../lib/errors/storageErrors';
import { MillraceError } from '../../lib/model/failure';
import { printable } from '../../lib/report/columns';
import type { Store } from '../../lib/store/store';
import { prunable } from '../../lib/store/summary';
import { cancel } from '../../operators/runs/cancel';
import { usageError } from '../commandError';
import { chosenRuns, confirm } from '../confirming';
import type { CommandContext } from '../context';
import { commandLine, countOf, durationOf, textOf, withStore } from '../context';
import { recordOf } from '../errorReport';
import { exitCodes } from '../exitCodes';
import type { ListedRow } from '../queuedRuns';
import { isLeftBehind } from '../resting';
import type { Output } from '../view/output';
import { paint } from '../view/output';
import { queryOf } from './listCommand';

/** Cancels runs, also those that another process carries on. */
export async function cancelCommand(context: CommandContext): Promise<number> {
  const { args, options, output } = context;
  const { words } = output;
  const named = args[0] as readonly string[];
  const reason = textOf(options['reason']);
  return withStore(context, async (store, settings) => {
    const runs = await chosenOrDamaged(store, named, context);
    if (runs.length > 0)
      await confirm(runs, words.willCancel(runs.length), context, { isNamed: named.length > 0 });
    return eachRun(runs, output, async ({ runId, status }) => {
      const isLeft = status !== 'QUEUED' && (await isLeftBehind(store, { runId, status }));
      const { isServed } = await cancel(runId, { store, ...(reason !== undefined && { reason }) });
      const state = await store.loadRun(runId);
      if (status === 'QUEUED' && state === undefined)
        return { record: { isServed, wasQueued: true }, text: words.takenOut };
      // Whoever carries on a run hears it; one that waits is stopped by whoever goes on with it.
      const isHeard = isServed || (status === 'RUNNING' && !isLeft) || status === 'QUEUED';
      const next = isHeard ? undefined : commandLine(settings, 'resume', [runId], { needsAgents: true });
      return {
        record: { isServed, ...(next !== undefined && { next }) },
        text: !isHeard
          ? words.cancelKept
          : state?.status === 'CANCELLED'
            ? words.cancelled
            : words.toldToStop,
      };
    });
  });
}

/** A run whose file in the queue is damaged can be taken out all the same: its id is enough. */
async function chosenOrDamaged(
  store: Store,
  named: readonly string[],
  { options }: CommandContext,
): Promise<readonly ListedRow[]> {
  try {
    return await chosenRuns(store, named, queryOf(options));
  } catch (error) {
    const [only, ...others] = named;
    if (!(error instanceof StoreCorruptError) || only === undefined || others.length > 0) throw error;
    return [{ runId: only, name: '', status: 'QUEUED', queuedAt: 0, priority: 0 }];
  }
}

/** Forgets runs that are named. */
export async function deleteCommand(context: CommandContext): Promise<number> {
  const { args, options, output } = context;
  const { words } = output;
  const named = args[0] as readonly string[];
  return withStore(context, async (store) => {
    const runs = await chosenRuns(store, named, queryOf(options));
    if (options['dryRun'] === true) return tellWould(runs, output);
    if (runs.length > 0)
      await confirm(runs, words.willDelete(runs.length), context, { isNamed: named.length > 0 });
    return eachRun(runs, output, async ({ runId, status }) => {
      const snapshots = options['snapshots'] === true;
      const logs = options['logs'] === true;
      await store.deleteRun(runId, { snapshots, logs });
      return status === 'QUEUED'
        ? { record: { wasQueued: true }, text: words.takenOut }
        : { record: {}, text: words.gone };
    });
  });
}

/** Forgets runs that ended long ago. */
export async function pruneCommand(context: CommandContext): Promise<number> {
  const { options, output } = context;
  const { words } = output;
  const keep = countOf(options['keep'], '--keep');
  const olderThanMs = durationOf(options['olderThan'], '--older-than');
  if (keep === undefined && olderThanMs === undefined)
    throw usageError('Cannot prune without a limit', 'give --keep 100, --older-than 30d, or both');
  const limits = { ...(keep !== undefined && { keep }), ...(olderThanMs !== undefined && { olderThanMs }) };
  return withStore(context, async (store) => {
    const listed = (await store.listRuns({ isResting: true })).map((run) => ({ run, isResting: true }));
    const ids = new Set(prunable(listed, limits, Date.now()));
    const runs = listed.map(({ run }) => run).filter(({ runId }) => ids.has(runId));
    if (options['dryRun'] === true) return tellWould(runs, output);
    if (runs.length > 0) await confirm(runs, words.willDelete(runs.length), context, { isNamed: false });
    const gone = await store.prune(limits);
    if (output.isJson) output.json({ gone });
    else output.print([...gone.map((runId) => printable(runId)), words.deleted(gone.length)].join('\n'));
    return exitCodes.done;
  });
}

function tellWould(runs: readonly ListedRow[], output: Output): number {
  const ids = runs.map(({ runId }) => runId);
  if (output.isJson) output.json({ wouldDelete: ids });
  else
    output.print([...ids.map((runId) => printable(runId)), output.words.wouldDelete(ids.length)].join('\n'));
  return exitCodes.done;
}

interface Did {
  readonly record: object;
  readonly text: string;
}

/** Does it with each of the runs, and says for each what came of it. The exit code is that of the first refusal. */
async function eachRun(
  runs: readonly ListedRow[],
  output: Output,
  act: (run: ListedRow) => Promise<Did>,
): Promise<number> {
  const records: object[] = [];
  let exit: number = exitCodes.done;
  for (const run of runs) {
    try {
      const { record, text } = await act(run);
      records.push({ runId: run.runId, ok: true, ...record });
      if (!output.isJson) output.print(`${paint('✔', 'green', output)} ${printable(run.runId)}  ${text}`);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      // Of one run the error is the answer.
      if (runs.length === 1) throw error;
      const { exit: refused, ...record } = recordOf(error);
      if (exit === exitCodes.done) exit = refused;
      records.push({ runId: run.runId, ok: false, error: record });
      if (!output.isJson)
        output.print(`${paint('✘', 'red', output)} ${printable(run.runId)}  ${printable(record.message)}`);
    }
  }
  if (output.isJson) output.json(records);
  else if (runs.length === 0) output.print(output.words.noRunsFit);
  return exit;
}
