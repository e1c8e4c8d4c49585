import { isLeft } from 'fp-ts/lib/Either';
import type * as t from 'io-ts';

import { explain } from '../../../codec/validate';
import { StorageError, StoreCorruptError } from '../../../errors/storageErrors';
import type { RunState as RunStateRecord } from '../../../model/state';
import type { Pause } from '../../../streams/yieldOften';
import { EventLog } from '../../events/eventLog';
import { readChecked, removeOurs, writeChecked } from '../files/checkedFile';
import type { Files } from '../files/files';
import { lowDatabase } from '../files/lowdbFile';
import type { Layout } from '../layout';
import type { RunPlace } from './runIndex';
import { decodeShared, sharedStateText } from './sharedOutputs';

/** What stands in the file of a run. */
export interface RunFile {
  /** Number of the record of the journal up to which it holds what happened. */
  readonly upTo: number;
  readonly state: RunStateRecord;
  /** The events that led to it; undefined when none were kept. */
  readonly events?: EventLog | undefined;
}

/** What is written of a run: its events as of the same moment as the state. */
export interface WrittenRun extends Omit<RunFile, 'events'> {
  readonly events?: string | undefined;
}

/** Length of the journal of a run, in characters, up to which it is packed with others. */
export const MOST_PACKED = 16_384;

/** Writes how a run stands, one step a line, through lowdb. Returns the length of the file in bytes. */
export async function writeRunFile(
  files: Files,
  path: string,
  run: WrittenRun,
  pause: Pause,
  syncFolder?: () => Promise<void>,
): Promise<number> {
  let size = 0;
  const check = async (beside: string, bytes: number): Promise<void> => {
    size = bytes;
    if (bytes >= READ_BACK_BYTES) await checkReadable(files, beside, run);
  };
  const write = (data: WrittenRun): Promise<void> =>
    writeChecked(files, path, 'run', fieldsOf(data), pause, { syncFolder, check });
  await lowDatabase<WrittenRun>({ write }, run).write();
  return size;
}

function fieldsOf({ upTo, state, events }: WrittenRun) {
  return [
    ['upTo', String(upTo)] as const,
    ['state', sharedStateText(state)] as const,
    ...(events === undefined ? [] : [['events', events] as const]),
  ];
}

/**
 * Writes small runs that have completed into one file, through lowdb: a file for each would cost several times what such a run
 * does.
 */
export async function writePack(
  files: Files,
  path: string,
  runs: readonly WrittenRun[],
  pause: Pause,
  syncFolder?: () => Promise<void>,
): Promise<void> {
  const write = (all: readonly WrittenRun[]): Promise<void> =>
    writeChecked(files, path, 'pack', [['runs', packText(all)]], pause, { syncFolder });
  await lowDatabase<readonly WrittenRun[]>({ write }, runs).write();
}

function* packText(runs: readonly WrittenRun[]): Generator<string> {
  let before = '{\n';
  for (const run of runs) {
    yield `${before}${JSON.stringify(run.state.runId)}: `;
    let separator = '{\n';
    for (const [name, text] of fieldsOf(run)) {
      yield `${separator}${JSON.stringify(name)}: `;
      if (typeof text === 'string') yield text;
      else yield* text;
      separator = ',\n';
    }
    yield '\n}';
    before = ',\n';
  }
  yield '\n}';
}

/** From this length on a file is read back before it takes the place of anything: limits lie only beyond. */
const READ_BACK_BYTES = 1 << 20;

/** @throws StorageError when what was written cannot be read again. */
async function checkReadable(files: Files, path: string, { upTo, state }: WrittenRun): Promise<void> {
  let read: RunFile | undefined;
  try {
    read = await readRunFile(files, path, state.runId);
  } catch (error) {
    throw new StorageError('read back', path, (error as Error).message, UNREADABLE);
  }
  if (read?.upTo !== upTo || read.state.seq !== state.seq)
    throw new StorageError('read back', path, 'it is not what was written', UNREADABLE);
}

const UNREADABLE = 'the journal keeps the run; look at the disk and the memory of this machine';

/**
 * Reads how a run stands, through lowdb; undefined when there is no file.
 *
 * @throws StoreCorruptError when the file is not as written, or is the file of another run.
 */
export async function readRunFile(files: Files, path: string, runId: string): Promise<RunFile | undefined> {
  const read = async (): Promise<RunFile | null> => {
    const fields = await readChecked(files, path, 'run');
    return fields === undefined ? null : decode(path, runId, fields);
  };
  const database = lowDatabase<RunFile | null>({ read }, null);
  await database.read();
  return database.data ?? undefined;
}

/**
 * Reads a run where it lies, in a file of its own or in a pack; undefined when it is in neither.
 *
 * @param line - What the list of runs says of it, where that names the run.
 * @throws StoreCorruptError when a file is not as written, or is the file of another run.
 */
export async function readSavedRun(
  files: Files,
  layout: Layout,
  runId: string,
  line: Pick<RunPlace, 'upTo' | 'pack'> | undefined,
): Promise<RunFile | undefined> {
  const own = await readRunFile(files, layout.run(runId), runId);
  // One that was gone on with has a file of its own from then on.
  if (line?.pack === undefined || (own !== undefined && own.upTo >= line.upTo)) return own;
  return (await readPack(files, layout.pack(line.pack)))?.get(runId)?.() ?? own;
}

/**
 * The runs of a pack by their ids, each read when it is asked for; undefined when there is no such file.
 *
 * @throws StoreCorruptError when the file is not as written.
 */
export async function readPack(
  files: Files,
  path: string,
): Promise<ReadonlyMap<string, () => RunFile> | undefined> {
  const packed = await packedRuns(files, path);
  return packed && new Map(packed.map(([runId, fields]) => [runId, () => decode(path, runId, fields)]));
}

async function packedRuns(files: Files, path: string): Promise<readonly PackedRun[] | undefined> {
  const read = async (): Promise<readonly PackedRun[] | null> => {
    const fields = await readChecked(files, path, 'pack');
    if (fields === undefined) return null;
    const { runs } = fields;
    if (typeof runs !== 'object' || runs === null || Array.isArray(runs))
      throw new StoreCorruptError(path, 0, 'it holds no runs');
    const packed = Object.entries(runs as Readonly<Record<string, unknown>>);
    if (packed.some(([, run]) => typeof run !== 'object' || run === null))
      throw new StoreCorruptError(path, 0, 'it holds what is no run');
    return packed as readonly PackedRun[];
  };
  const database = lowDatabase<readonly PackedRun[] | null>({ read }, null);
  await database.read();
  return database.data ?? undefined;
}

type PackedRun = readonly [runId: string, fields: Readonly<Record<string, unknown>>];

/** Leaves only these runs in a pack, as they are; without any it is removed. */
export async function keepInPack(
  files: Files,
  path: string,
  isKept: (runId: string) => boolean,
  pause: Pause,
): Promise<void> {
  const all = await packedRuns(files, path);
  if (all === undefined) return;
  const kept = all.filter(([runId]) => isKept(runId));
  if (kept.length === all.length) return;
  if (kept.length === 0) {
    await removeOurs(files, path, 'pack');
    return;
  }
  const text = (runs: readonly PackedRun[]): string =>
    `{\n${runs.map(([runId, fields]) => `${JSON.stringify(runId)}: ${JSON.stringify(fields)}`).join(',\n')}\n}`;
  const write = (runs: readonly PackedRun[]): Promise<void> =>
    writeChecked(files, path, 'pack', [['runs', text(runs)]], pause);
  await lowDatabase<readonly PackedRun[]>({ write }, kept).write();
}

function decode(path: string, runId: string, fields: Readonly<Record<string, unknown>>): RunFile {
  const { upTo } = fields;
  const state = stateIn(path, fields['state']);
  if (isLeft(state))
    throw new StoreCorruptError(path, 0, explain(state.left)[0] ?? 'it holds no state of a run');
  if (typeof upTo !== 'number' || !Number.isSafeInteger(upTo))
    throw new StoreCorruptError(path, 0, 'upTo is no number');
  if (state.right.runId !== runId) throw new StoreCorruptError(path, 0, 'it holds another run');
  const { events } = fields;
  if (events === undefined) return { upTo, state: state.right };
  const log = EventLog.read(events, (why) => {
    throw new StoreCorruptError(path, 0, why);
  });
  return { upTo, state: state.right, events: log };
}

function stateIn(path: string, json: unknown): t.Validation<RunStateRecord> {
  try {
    return decodeShared(json);
  } catch (error) {
    throw new StoreCorruptError(
      path,
      0,
      `a change of an output that does not fit: ${(error as Error).message}`,
    );
  }
}
