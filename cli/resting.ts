import { filter, firstValueFrom, map, merge, race, switchMap, throwError, timer } from 'rxjs';

import { UnknownRunError } from '../lib/errors/storageErrors';
import { shortId } from '../lib/report/runPicture';
import type { RunSummary, Store } from '../lib/store/store';
import { CommandError } from './commandError';
import type { CommandContext } from './context';
import { abortOf } from './signals';

/**
 * Waits until a run has moved and come to rest again.
 *
 * @param before - How it stood before it was asked to move: whoever serves may be quicker than this process.
 * @throws CommandError TIMED_OUT
 */
export async function untilRest(
  store: Store,
  before: RunSummary,
  waitMs: number,
  { signal }: Pick<CommandContext, 'signal'>,
): Promise<RunSummary> {
  const { runId } = before;
  const rested$ = merge(store.changes(), timer(0, LOOK_MS)).pipe(
    switchMap(() => summaryNow(store, runId)),
    filter((run) => run.status !== 'RUNNING' && hasMoved(before, run)),
  );
  const late$ = timer(waitMs).pipe(
    switchMap(() =>
      throwError(
        () =>
          new CommandError(
            'TIMED_OUT',
            `Cannot wait longer for run "${shortId(runId)}": ${String(waitMs)} ms are over`,
            `millrace watch ${runId} waits without a limit`,
          ),
      ),
    ),
  );
  return firstValueFrom(race(rested$, late$, abortOf(signal).pipe(map(() => before))));
}

const LOOK_MS = 500;

function hasMoved(before: RunSummary, now: RunSummary): boolean {
  return now.status !== before.status || now.life !== before.life || now.endedAt !== before.endedAt;
}

async function summaryNow(store: Store, runId: string): Promise<RunSummary> {
  const run = (await store.listRuns()).find((each) => each.runId === runId);
  if (run === undefined) throw new UnknownRunError(runId);
  return run;
}
