import { filter, firstValueFrom, map, merge, race, switchMap, throwError, timer } from 'rxjs';

import { UnknownRunError } from '../lib/errors/storageErrors';
import { LONGEST_DELAY_MS } from '../lib/model/backoff';
import { shortId } from '../lib/report/runPicture';
import type { RunSummary, Store } from '../lib/store/store';
import { CommandError } from './commandError';
import type { CommandContext } from './context';
import { abortOf } from './signals';

/** Whether a run is under way by its record alone: nobody carries it on, since the process that did was killed. */
export async function isLeftBehind(
  store: Pick<Store, 'listRuns'>,
  { runId, status }: Pick<RunSummary, 'runId' | 'status'>,
): Promise<boolean> {
  return status === 'RUNNING' && (await leftBehind(store)).has(runId);
}

/** The ids of all such runs. */
export async function leftBehind(store: Pick<Store, 'listRuns'>): Promise<ReadonlySet<string>> {
  const runs = await store.listRuns({ status: 'RUNNING', isResting: true });
  return new Set(runs.map(({ runId }) => runId));
}

/** A question of a run that was answered. */
export interface Answered {
  /** How the run stood before: whoever serves may be quicker than this process. */
  readonly before: RunSummary;
  /** Of the step that asked. */
  readonly path: string;
  /** What to type when it does not come to rest in time. */
  readonly next: string;
}

/**
 * Waits until a run has heard an answer and come to rest again.
 *
 * @throws CommandError TIMED_OUT
 */
export async function untilRest(
  store: Store,
  answered: Answered,
  waitMs: number,
  { signal }: Pick<CommandContext, 'signal'>,
): Promise<RunSummary> {
  const { before, next } = answered;
  const { runId } = before;
  const rested$ = merge(store.changes(), timer(0, LOOK_MS)).pipe(
    switchMap(() => summaryNow(store, runId)),
    filter((run) => run.status !== 'RUNNING' && hasMoved(before, run) && !isUnheard(answered, run)),
  );
  // Node turns a longer delay into 1 ms.
  const late$ = timer(Math.min(waitMs, LONGEST_DELAY_MS)).pipe(
    switchMap(() =>
      throwError(
        () =>
          new CommandError(
            'TIMED_OUT',
            `Cannot wait longer for run "${shortId(runId)}": ${String(waitMs)} ms are over`,
            next,
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

/**
 * Whether a run rests at the question that was answered: it came to rest before the answer came, and will go on. A question that
 * had no id then, or was not asked yet, can be told from a later one by the life of the run alone.
 */
function isUnheard({ before, path }: Omit<Answered, 'next'>, now: RunSummary): boolean {
  if (now.status !== 'SUSPENDED') return false;
  const [asked, open] = [before, now].map(({ waiting }) =>
    waiting.find((question) => question.path === path),
  );
  if (open === undefined) return false;
  return asked === undefined || asked.asking === '' ? now.life === before.life : open.asking === asked.asking;
}

async function summaryNow(store: Store, runId: string): Promise<RunSummary> {
  const run = (await store.listRuns()).find((each) => each.runId === runId);
  if (run === undefined) throw new UnknownRunError(runId);
  return run;
}
