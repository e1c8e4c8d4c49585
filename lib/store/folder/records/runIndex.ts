import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import { Count, listOf, Moment } from '../../../codec/plainCodecs';
import { recordCodec } from '../../../codec/recordCodec';
import { Status, Tags, Usage } from '../../../codec/stateCodec';
import { explain } from '../../../codec/validate';
import { StoreCorruptError } from '../../../errors/storageErrors';
import type { Pause } from '../../../streams/yieldOften';
import type { OpenQuestion, RunSummary } from '../../store';
import { readChecked, writeChecked } from '../files/checkedFile';
import type { Files } from '../files/files';
import { lowDatabase } from '../files/lowdbFile';

/** What stands in history.json: one line a run, so that listing is fast. */
export interface HistoryFile {
  /** Name of the store; its journal bears the same. */
  readonly store: string;
  /** Number of the record of the journal up to which the run files and this file hold what happened. */
  readonly upTo: number;
  readonly runs: Iterable<HistoryLine>;
}

/** A run, and the record up to which its file holds what happened. */
export interface HistoryLine extends Omit<RunSummary, 'waiting'> {
  readonly upTo: number;
  /** Number of the pack that holds it; absent for a run with a file of its own. */
  readonly pack?: number;
  /** Absent when no question is open. */
  readonly waiting?: RunSummary['waiting'];
}

/** What a line tells those who list runs. */
export function summaryIn({ upTo: _, pack: __, waiting = [], ...summary }: HistoryLine): RunSummary {
  return { ...summary, waiting };
}

/** Writes the list of runs, through lowdb. */
export async function writeHistoryFile(
  files: Files,
  path: string,
  history: HistoryFile,
  pause: Pause,
): Promise<void> {
  const write = (data: HistoryFile | null) =>
    data === null
      ? Promise.resolve()
      : writeChecked(
          files,
          path,
          'history',
          [
            ['store', JSON.stringify(data.store)],
            ['upTo', String(data.upTo)],
            ['runs', lines(data.runs)],
          ],
          pause,
        );
  await lowDatabase<HistoryFile | null>({ write }, history).write();
}

/** Reads the list of runs, through lowdb; undefined when there is none. */
export async function readHistoryFile(
  files: Files,
  path: string,
): Promise<(HistoryFile & { readonly runs: readonly HistoryLine[] }) | undefined> {
  const read = async () => {
    const fields = await readChecked(files, path, 'history');
    if (fields === undefined) return null;
    const history = History.decode(fields);
    if (isLeft(history))
      throw new StoreCorruptError(path, 0, explain(history.left)[0] ?? 'it holds no history');
    return history.right;
  };
  const database = lowDatabase<Read | null>({ read }, null);
  await database.read();
  return database.data ?? undefined;
}

const Question = recordCodec<OpenQuestion>(
  'OpenQuestion',
  { path: t.string, asking: t.string },
  { dueAt: Moment, signal: t.string },
);

const Line: t.Type<HistoryLine> = recordCodec<HistoryLine>(
  'HistoryLine',
  { runId: t.string, name: t.string, status: Status, startedAt: Moment, life: Count, upTo: Count },
  {
    pack: Count,
    endedAt: Moment,
    failedStep: t.string,
    reason: t.string,
    waiting: listOf(Question),
    used: Usage,
    steps: recordCodec<NonNullable<RunSummary['steps']>>(
      'steps',
      { done: Count, failed: Count, total: Count },
      {},
    ),
    dueAt: Moment,
    forkedFrom: recordCodec<NonNullable<RunSummary['forkedFrom']>>(
      'forkedFrom',
      { runId: t.string, path: t.string },
      {},
    ),
    error: t.string,
    tags: Tags,
  },
);

interface Read extends HistoryFile {
  readonly runs: readonly HistoryLine[];
}

const History: t.Type<Read> = recordCodec<Read>(
  'history',
  { store: t.string, upTo: Count, runs: listOf(Line) },
  {},
);

function* lines(runs: Iterable<HistoryLine>): Generator<string> {
  let separator = '[\n';
  for (const run of runs) {
    const line = run.waiting?.length === 0 ? { ...run, waiting: undefined } : run;
    yield `${separator}${JSON.stringify(line)}`;
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]' : '\n]';
}
