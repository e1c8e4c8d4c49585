import { takeUntil } from 'rxjs';

import { columns, printable } from '../../lib/report/columns';
import { shortId } from '../../lib/report/runPicture';
import type { RunChange, Store } from '../../lib/store/store';
import { summaryOf } from '../../lib/store/summary';
import type { CommandContext } from '../context';
import { countOf, textOf, withStore } from '../context';
import { exitCodes, exitOfRun } from '../exitCodes';
import { goOnRows } from '../goOnCommands';
import { isLeftBehind } from '../resting';
import { watchRun } from '../view/following';
import { timeText } from '../view/moments';
import type { Output } from '../view/output';
import { runNamed } from '../runNames';
import { abortOf } from '../signals';
import { runMark, statusText } from '../view/statusText';
import { clippedLine } from '../view/table';
import { leftNote } from './showCommand';

/** Watches a run until it comes to rest, or all runs until Ctrl-C. */
export async function watchCommand(context: CommandContext): Promise<number> {
  const { args, options, output, signal } = context;
  const typed = textOf(args[0]);
  const since = countOf(options['since'], '--since') ?? 0;
  return withStore(context, async (store, settings) => {
    if (typed === undefined) return watchAll(store, output, signal);
    const { runId } = await runNamed(store, typed);
    const withPartials = options['partials'] === true;
    const withLogs = options['logs'] === true;
    await watchRun(store, runId, { since, withPartials, withLogs, signal }, output);
    const state = await store.loadRun(runId);
    if (state === undefined) return exitCodes.notFound;
    if (!signal.aborted && (await isLeftBehind(store, state)))
      output.tell(
        [
          await leftNote(settings, output),
          ...columns(goOnRows(state, settings, output, { isLeft: true })),
        ].join('\n'),
      );
    return exitOfRun(summaryOf(state));
  });
}

function watchAll(store: Store, output: Output, signal: AbortSignal): Promise<number> {
  if (!output.isJson) output.tell(output.words.waitsForRuns);
  return new Promise((resolve, reject) => {
    store
      .changes()
      .pipe(takeUntil(abortOf(signal)))
      .subscribe({
        next: (change) => {
          if (output.isJson) output.json(change);
          else output.print(clippedLine(changeRow(change, output), output.width));
        },
        error: reject,
        complete: () => {
          resolve(exitCodes.done);
        },
      });
  });
}

function changeRow(change: RunChange, output: Output): string {
  const now = timeText(Date.now());
  if ('gone' in change) return `${now} · ${shortId(change.gone)}  ${output.words.gone}`;
  const { runId, name, status, steps, error } = change;
  return [
    `${now} ${runMark(status, output)} ${shortId(runId)}`,
    printable(name),
    statusText(status, output),
    ...(steps === undefined ? [] : [`${steps.done}/${steps.total}`]),
    ...(error === undefined || status !== 'FAILED' ? [] : [printable(error)]),
  ].join('  ');
}
