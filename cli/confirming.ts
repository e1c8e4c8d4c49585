import { createInterface } from 'node:readline/promises';

import { durationText, printable } from '../lib/report/columns';
import type { Store } from '../lib/store/store';
import { CommandError, usageError } from './commandError';
import type { CommandContext } from './context';
import { momentText } from './view/moments';
import type { ListedRow, ListQuery } from './queuedRuns';
import { begunQuery, merged, queuedRuns } from './queuedRuns';
import { rowsNamed } from './runNames';
import { runMark, statusText } from './view/statusText';
import { tableText } from './view/table';

/**
 * The runs that are named, or those that the options select. Those of the queue are only selected where `--status` says so: what has not
 * begun is not touched with what has.
 *
 * @throws CommandError USAGE when neither says which.
 */
export async function chosenRuns(
  store: Store,
  named: readonly string[],
  query: ListQuery,
): Promise<readonly ListedRow[]> {
  const isSelected = Object.keys(query).length > 0;
  if (named.length > 0 && isSelected)
    throw usageError('Cannot take both names of runs and options that select some', 'give one of them');
  if (isSelected) {
    const { rows } = query.status === undefined ? { rows: [] } : await queuedRuns(store, query);
    return merged(await store.listRuns(begunQuery(query)), rows);
  }
  if (named.length === 0)
    throw usageError('Cannot tell which runs are meant', 'name one, or select some with --status');
  return rowsNamed(store, named);
}

/**
 * Shows what will be done, and asks whether it may, unless `--yes` says so. Where nobody can be asked, runs that were named are meant; those
 * that were only selected are not touched.
 *
 * @throws CommandError NOT_CONFIRMED
 */
export async function confirm(
  runs: readonly ListedRow[],
  title: string,
  { options, output, signal }: CommandContext,
  { isNamed }: { readonly isNamed: boolean },
): Promise<void> {
  const { words } = output;
  if (options['yes'] === true) return;
  const canAsk = process.stdin.isTTY && output.isTerminal && !output.isJson;
  if (!canAsk && isNamed) return;
  if (!canAsk)
    throw new CommandError(
      'NOT_CONFIRMED',
      `Cannot ask whether this is meant: ${title}`,
      'look with --dry-run or list, then add --yes',
    );
  output.tell(`${title}:`);
  output.tell(
    tableText(
      ['', words.run, words.name, words.status, words.started, words.took],
      runs
        .slice(0, MOST_SHOWN)
        .map((run) => [
          runMark(run.status, output),
          printable(run.runId),
          printable(run.name),
          statusText(run.status, output),
          run.status === 'QUEUED' ? '' : momentText(run.startedAt),
          run.status === 'QUEUED' || run.endedAt === undefined
            ? ''
            : durationText((run.endedAt - run.startedAt) / 1_000),
        ]),
      output,
    ),
  );
  if (runs.length > MOST_SHOWN) output.tell(words.moreChanges(runs.length - MOST_SHOWN));
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  // While a terminal is read, Ctrl-C is a key and no signal.
  reader.on('SIGINT', () => process.emit('SIGINT'));
  try {
    const answer = await reader.question(words.confirm, { signal });
    if (/^(y|yes|ㅛ|예|네)$/i.test(answer.trim())) return;
  } finally {
    reader.close();
  }
  throw new CommandError('NOT_CONFIRMED', words.notConfirmed, '');
}

const MOST_SHOWN = 20;
