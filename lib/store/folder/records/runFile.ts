import { isLeft } from 'fp-ts/lib/Either';
import type * as t from 'io-ts';

import { explain } from '../../../codec/validate';
import { StorageError, StoreCorruptError } from '../../../errors/storageErrors';
import type { RunState as RunStateRecord } from '../../../model/state';
import type { Pause } from '../../../streams/yieldOften';
import { EventLog } from '../../events/eventLog';
import { readChecked, writeChecked } from '../files/checkedFile';
import type { Files } from '../files/files';
import { lowDatabase } from '../files/lowdbFile';
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
  const write = ({ upTo, state, events }: WrittenRun): Promise<void> => {
    const fields = [
      ['upTo', String(upTo)] as const,
      ['state', sharedStateText(state)] as const,
      ...(events === undefined ? [] : [['events', events] as const]),
    ];
    return writeChecked(files, path, 'run', fields, pause, { syncFolder, check });
  };
  await lowDatabase<WrittenRun>({ write }, run).write();
  return size;
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
