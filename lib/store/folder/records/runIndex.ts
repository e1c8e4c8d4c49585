import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import { Count, listOf, Moment } from '../../../codec/plainCodecs';
import { recordCodec } from '../../../codec/recordCodec';
import { Status, Tags, Usage } from '../../../codec/stateCodec';
import { explain } from '../../../codec/validate';
import { StoreCorruptError } from '../../../errors/storageErrors';
import type { Pause } from '../../../streams/yieldOften';
import type { OpenQuestion, RunQuery, RunSummary } from '../../store';
import { parseChecked, readBytes, writeChecked } from '../files/checkedFile';
import type { Files } from '../files/files';
import { lowDatabase } from '../files/lowdbFile';

/** What stands in history.json: one line a run, so that listing is fast. */
export interface HistoryFile {
  /** Name of the store; its journal bears the same. */
  readonly store: string;
  /** Number of the record of the journal up to which the run files and this file hold what happened. */
  readonly upTo: number;
  readonly runs: Iterable<RunLine>;
}

/** Where a run lies, and the record up to which its file holds what happened. */
export interface RunPlace {
  readonly runId: string;
  readonly upTo: number;
  /** Number of the pack that holds it; absent for a run with a file of its own. */
  readonly pack?: number;
}

/** A run as it is listed, and where it lies. */
export interface HistoryLine extends RunPlace, Omit<RunSummary, 'runId' | 'waiting'> {
  /** Absent when no question is open. */
  readonly waiting?: RunSummary['waiting'];
}

/** A line that says where its run lies, and whose rest cannot be read. It is written back as it is. */
export interface DamagedLine extends RunPlace {
  readonly json: unknown;
  readonly damage: StoreCorruptError;
}

/** A line of the list of runs, readable or not. */
export type RunLine = HistoryLine | DamagedLine;

/** Whether a line only says where its run lies. */
export function isDamaged(line: RunLine | undefined): line is DamagedLine {
  return line !== undefined && 'damage' in line && line.damage instanceof StoreCorruptError;
}

/**
 * What a line tells those who list runs; undefined for a damaged one, of which `onDamaged` hears.
 *
 * @throws StoreCorruptError for a damaged line when there is no `onDamaged`.
 */
export function summaryIn(line: RunLine, onDamaged?: RunQuery['onDamaged']): RunSummary | undefined {
  if (isDamaged(line)) {
    if (onDamaged === undefined) throw line.damage;
    onDamaged(line.runId, line.damage);
    return undefined;
  }
  const { upTo: _, pack: __, waiting = [], ...summary } = line;
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

/**
 * Reads the list of runs, through lowdb; undefined when there is none.
 *
 * When the checksum fits and a line cannot be decoded, that line alone is given as damaged, as long as it says where its run lies.
 *
 * @throws StoreCorruptError when the file is not as written, or it cannot be known what it says of the store or of a run.
 */
export async function readHistoryFile(files: Files, path: string): Promise<Read | undefined> {
  const read = async () => {
    const bytes = await readBytes(files, path);
    return bytes === undefined ? null : decode(path, bytes);
  };
  const database = lowDatabase<Read | null>({ read }, null);
  await database.read();
  return database.data ?? undefined;
}

function decode(path: string, bytes: Buffer): Read {
  const fields = parseChecked(path, 'history', bytes);
  const history = History.decode(fields);
  if (!isLeft(history)) return history.right;
  const head = Head.decode(fields);
  if (isLeft(head)) throw new StoreCorruptError(path, 0, explain(head.left)[0] ?? 'it holds no history');
  const { store, upTo, runs } = head.right;
  return { store, upTo, runs: runs.map((json, index) => lineIn(path, bytes, json, index)) };
}

function lineIn(path: string, bytes: Buffer, json: unknown, index: number): RunLine {
  const line = Line.decode(json);
  if (!isLeft(line)) return line.right;
  const at = offsetOf(bytes, index);
  const place = Place.decode(json);
  if (isLeft(place))
    throw new StoreCorruptError(
      path,
      at,
      `line ${String(index + 1)} of its runs does not say where a run lies`,
    );
  const { runId, upTo, pack } = place.right;
  const why = `the line of run ${JSON.stringify(runId)}: ${explain(line.left)[0] ?? 'it is none'}`;
  const damage = new StoreCorruptError(path, at, why);
  return { runId, upTo, ...(pack !== undefined && { pack }), json, damage };
}

/** Where a line begins. */
function offsetOf(bytes: Buffer, index: number): number {
  const begin = '\n"runs": [\n';
  let at = bytes.indexOf(begin) + begin.length;
  for (let line = 0; line < index; line += 1) at = bytes.indexOf('\n', at) + 1;
  return at;
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

const Place: t.Type<RunPlace> = recordCodec<RunPlace>(
  'RunPlace',
  { runId: t.string, upTo: Count },
  { pack: Count },
);

interface Read extends HistoryFile {
  readonly runs: readonly RunLine[];
}

const Head = recordCodec<Omit<HistoryFile, 'runs'> & { readonly runs: unknown[] }>(
  'history',
  { store: t.string, upTo: Count, runs: t.UnknownArray },
  {},
);

const History = recordCodec<HistoryFile & { readonly runs: readonly HistoryLine[] }>(
  'history',
  { store: t.string, upTo: Count, runs: listOf(Line) },
  {},
);

function* lines(runs: Iterable<RunLine>): Generator<string> {
  let separator = '[\n';
  for (const run of runs) {
    yield `${separator}${JSON.stringify(isDamaged(run) ? run.json : withoutEmptyList(run))}`;
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]' : '\n]';
}

function withoutEmptyList(line: HistoryLine): HistoryLine {
  const { waiting, ...rest } = line;
  return waiting?.length === 0 ? rest : line;
}
