import { StoreCorruptError } from '../lib/errors/storageErrors';
import type { RunStatus } from '../lib/model/state';
import { within } from '../lib/store/folder/files/checkedFile';
import type { Files } from '../lib/store/folder/files/files';
import { GuardedFiles } from '../lib/store/folder/files/guardedFiles';
import { nodeFiles } from '../lib/store/folder/files/nodeFiles';
import type { Layout } from '../lib/store/folder/layout';
import { layoutOf } from '../lib/store/folder/layout';
import { queuedNames, queuedPath, readQueued } from '../lib/store/folder/records/queueFiles';
import { madeAt } from '../lib/store/ids';
import type { LeftOut } from '../lib/store/salvage/leftOut';
import type { RunQuery, RunSummary, Store } from '../lib/store/store';
import { select } from '../lib/store/summary';

/** One line about a run that waits in the queue of a store. */
export interface QueuedRow {
  readonly runId: string;
  readonly name: string;
  readonly status: 'QUEUED';
  /** When it was submitted, epoch milliseconds. */
  readonly queuedAt: number;
  /** Larger is earlier. */
  readonly priority: number;
  /** Before that it does not begin, epoch milliseconds; absent when it begins as soon as it is its turn. */
  readonly dueAt?: number;
  readonly tags?: Readonly<Record<string, string>>;
}

/** A run of a list: it has begun, or waits for that. */
export type ListedRow = RunSummary | QueuedRow;

/** How a run of a list stands. */
export type ListedStatus = RunStatus | 'QUEUED';

/** Which runs to list, those of the queue too. */
export interface ListQuery extends Omit<RunQuery, 'status'> {
  readonly status?: readonly ListedStatus[];
}

/** What the query asks of runs that have begun. */
export function begunQuery({ status, ...rest }: ListQuery): RunQuery {
  return {
    ...rest,
    ...(status !== undefined && { status: status.filter((each): each is RunStatus => each !== 'QUEUED') }),
  };
}

/** The queued runs that fit, and the files in the queue that cannot be trusted. Takes no lock, and changes nothing. */
export async function queuedRuns(
  store: Pick<Store, 'folder'>,
  query: ListQuery = {},
): Promise<{ readonly rows: readonly QueuedRow[]; readonly damage: readonly LeftOut[] }> {
  const damage: LeftOut[] = [];
  const found = new Map<string, QueuedRow>();
  const place = storeFiles(store);
  const isWanted = query.status === undefined || query.status.includes('QUEUED');
  if (place === undefined || !isWanted) return { rows: [], damage };
  const { files, layout } = place;
  const names = queuedNames(place);
  const take = async (name: string): Promise<void> => {
    try {
      const run = await queuedIn(files, within(layout.queue, name));
      if (run !== undefined) found.set(run.row.runId, run.row);
    } catch (error) {
      if (!(error instanceof StoreCorruptError)) throw error;
      damage.push({ file: error.file, offset: error.offset, reason: error.why });
    }
  };
  for (let at = 0; at < names.length; at += READ_AT_ONCE)
    await Promise.all(names.slice(at, at + READ_AT_ONCE).map(take));
  const { status: _, ...others } = query;
  const fitting = select([...found.values()].map(asBegun), others);
  return { rows: fitting.flatMap(({ runId }) => found.get(runId) ?? []), damage };
}

const READ_AT_ONCE = 16;

/** A run of the queue by its id, with its input; undefined when it does not wait. @throws StoreCorruptError */
export async function queuedRun(
  store: Pick<Store, 'folder'>,
  runId: string,
): Promise<{ readonly row: QueuedRow; readonly input?: unknown } | undefined> {
  const place = storeFiles(store);
  if (place === undefined) return undefined;
  const { files, layout } = place;
  const run = await queuedIn(files, queuedPath(layout, runId));
  return run?.row.runId === runId ? run : undefined;
}

/** Runs that have begun and those of the queue, newest first. One that has begun meanwhile is in both, and has begun. */
export function merged(runs: readonly RunSummary[], queued: readonly QueuedRow[]): readonly ListedRow[] {
  const begun = new Set(runs.map(({ runId }) => runId));
  return [...queued.filter(({ runId }) => !begun.has(runId)), ...runs].sort(
    (a, b) => sinceOf(b) - sinceOf(a),
  );
}

/** When a run has begun, or was queued. */
function sinceOf(row: ListedRow): number {
  return row.status === 'QUEUED' ? row.queuedAt : row.startedAt;
}

/** So that it is selected as those that have begun are. */
function asBegun({ runId, name, queuedAt, dueAt, tags }: QueuedRow): {
  readonly run: RunSummary;
  readonly isResting: boolean;
} {
  const facts = { ...(dueAt !== undefined && { dueAt }), ...(tags !== undefined && { tags }) };
  return {
    run: { runId, name, status: 'IDLE', startedAt: queuedAt, life: 0, waiting: [], ...facts },
    isResting: true,
  };
}

/** The files of a store, for whoever only looks. Undefined for a store in no folder: nobody else sees what waits there. */
export function storeFiles({
  folder,
}: Pick<Store, 'folder'>): { readonly files: Files; readonly layout: Layout } | undefined {
  if (folder === undefined) return undefined;
  const layout = layoutOf(folder);
  return { files: new GuardedFiles(nodeFiles, [layout]), layout };
}

/** @throws StoreCorruptError */
async function queuedIn(
  files: Files,
  path: string,
): Promise<{ readonly row: QueuedRow; readonly input?: unknown } | undefined> {
  const bytes = await files.read(path);
  if (bytes === undefined) return undefined;
  const run = readQueued(path, bytes);
  const { runId, name, priority, dueAt, tags, order } = run;
  return {
    row: {
      runId,
      name,
      status: 'QUEUED',
      queuedAt: madeAt(`${order}.`),
      priority,
      ...(dueAt !== undefined && { dueAt }),
      ...(tags !== undefined && { tags }),
    },
    ...('input' in run && { input: run.input }),
  };
}
