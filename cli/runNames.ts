import type { MonoTypeOperatorFunction } from 'rxjs';
import { EMPTY, identity, lastValueFrom, scan, takeWhile, timeout } from 'rxjs';

import { UnknownRunError } from '../lib/errors/storageErrors';
import { reduceRun } from '../lib/model/reduce';
import type { RunState } from '../lib/model/state';
import { idleState } from '../lib/model/state';
import { shortId } from '../lib/report/runPicture';
import { commandText } from '../lib/report/shellText';
import type { RunSummary, Store } from '../lib/store/store';
import { CommandError, usageError } from './commandError';
import type { ListedRow } from './queuedRuns';
import { merged, queuedRun, queuedRuns } from './queuedRuns';

/**
 * The run that is meant, one that has begun.
 *
 * @throws UnknownRunError
 * @throws CommandError RUN_AMBIGUOUS, which names those that fit; RUN_QUEUED when it has not begun.
 */
export async function runNamed(store: Store, typed: string): Promise<RunSummary> {
  const row = await rowNamed(store, typed);
  if (row.status === 'QUEUED') throw notBegun(row.runId);
  return row;
}

/** The refusal of what only a run that has begun can give. */
export function notBegun(runId: string): CommandError {
  return new CommandError(
    'RUN_QUEUED',
    `Cannot look into run "${runId}" or go on with it: it is queued and has not begun`,
    `${commandText(['millrace', 'show'], [runId])} says when it begins`,
  );
}

/**
 * The run that is meant, one of the queue too: its id, an end of it that no other run has, `@last` or `@failed`.
 *
 * @throws UnknownRunError
 * @throws CommandError RUN_AMBIGUOUS, which names those that fit.
 * @throws StoreCorruptError when its file in the queue is damaged.
 */
export async function rowNamed(store: Store, typed: string): Promise<ListedRow> {
  const [row] = await rowsNamed(store, [typed]);
  return row as ListedRow;
}

/**
 * The runs that are meant, in this order. The store is listed once, however many are named.
 *
 * @throws As `rowNamed` does, for the first name that means no run.
 */
export async function rowsNamed(store: Store, names: readonly string[]): Promise<readonly ListedRow[]> {
  if (names.includes('')) throw usageError('Cannot take an empty run id', 'name a run, or @last');
  // Before the runs: one that begins meanwhile is found there.
  const waiting = await Promise.allSettled(names.map((typed) => queuedRun(store, typed)));
  let begun: Map<string, RunSummary> | undefined;
  let all: readonly ListedRow[] | undefined;
  const found: ListedRow[] = [];
  for (const [index, typed] of names.entries()) {
    const latest = await latestOf(store, typed);
    if (latest !== undefined) {
      found.push(latest);
      continue;
    }
    begun ??= new Map((await store.listRuns()).map((run) => [run.runId, run]));
    const exact = begun.get(typed);
    const place = waiting[index];
    if (exact === undefined && place?.status === 'rejected') throw place.reason as Error;
    const known = exact ?? (place?.status === 'fulfilled' ? place.value?.row : undefined);
    if (known === undefined) all ??= merged([...begun.values()], (await queuedRuns(store)).rows);
    found.push(known ?? endingSo(all ?? [], typed));
  }
  return found;
}

/** The run that `@last` or `@failed` means; undefined for any other name. */
async function latestOf(store: Store, typed: string): Promise<RunSummary | undefined> {
  if (typed !== '@last' && typed !== '@failed') return undefined;
  const [latest] = await store.listRuns({ limit: 1, ...(typed === '@failed' && { status: 'FAILED' }) });
  if (latest === undefined) throw new UnknownRunError(typed);
  return latest;
}

/** The only run whose id ends so, as progress() and `list` print it. */
function endingSo(all: readonly ListedRow[], typed: string): ListedRow {
  const end = typed.replace(/^…/u, '').toLowerCase();
  const fitting = end === '' ? [] : all.filter(({ runId }) => runId.toLowerCase().endsWith(end));
  const [only, ...others] = fitting;
  if (only === undefined) throw new UnknownRunError(typed);
  if (others.length === 0) return only;
  const shown = fitting.slice(0, MOST_NAMED).map(({ runId }) => runId);
  throw new CommandError(
    'RUN_AMBIGUOUS',
    `Cannot tell which run "${typed}" means: ${shown.join(', ')}${fitting.length > MOST_NAMED ? ` and ${fitting.length - MOST_NAMED} more` : ''}`,
    'type more of its end',
  );
}

const MOST_NAMED = 10;

/** A run as it stands. @throws UnknownRunError */
export async function stateNamed(store: Store, typed: string): Promise<RunState> {
  return stateOf(store, await runNamed(store, typed));
}

/** How a run of a list stands. @throws UnknownRunError when it has been forgotten meanwhile. */
export async function stateOf(store: Store, { runId }: RunSummary): Promise<RunState> {
  const state = await store.loadRun(runId);
  if (state === undefined) throw new UnknownRunError(runId);
  return state;
}

/** `run@300` is the run as it stood after its kept event 300. */
export async function momentNamed(store: Store, typed: string): Promise<RunState> {
  const [, run = '', offset] = /^(.+)@(\d+)$/.exec(typed) ?? [];
  if (offset === undefined) return stateNamed(store, typed);
  // A run may be called so itself, such as `order@42`.
  return (await store.loadRun(typed)) ?? stateAt(store, run, Number(offset));
}

/**
 * A run as it stood after a kept event.
 *
 * @throws EventsNotKeptError, UnknownRunError
 * @throws CommandError USAGE when it has no such event.
 */
export async function stateAt(store: Store, typed: string, offset: number): Promise<RunState> {
  const { runId, status } = await runNamed(store, typed);
  if (offset < 1)
    throw usageError(
      `Cannot show run "${shortId(runId)}" at event ${offset}: events are counted from 1`,
      'give a number from 1',
    );
  const reached = await lastValueFrom(
    store.events(runId).pipe(
      takeWhile((kept) => kept.offset < offset, true),
      scan(
        (before: Reached, kept): Reached => ({
          offset: kept.offset,
          state: reduceRun(before.state ?? idleState(runId, '', []), kept.event),
        }),
        { offset: 0, state: undefined },
      ),
      status === 'RUNNING' ? untilQuiet<Reached>() : identity,
    ),
    { defaultValue: { offset: 0, state: undefined } },
  );
  if (reached.state !== undefined && reached.offset === offset) return reached.state;
  throw usageError(
    `Cannot show run "${shortId(runId)}" at event ${offset}: it has ${reached.offset} so far`,
    `give a number from 1 to ${reached.offset}`,
  );
}

/** Events of a run that is under way, which tells its end later: what does not come for so long has not happened yet. */
export function untilQuiet<T>(): MonoTypeOperatorFunction<T> {
  return timeout({ first: FIRST_MS, each: SILENCE_MS, with: () => EMPTY });
}

/** A long run is not read at once. */
const FIRST_MS = 2_000;
const SILENCE_MS = 500;

interface Reached {
  readonly offset: number;
  readonly state: RunState | undefined;
}
