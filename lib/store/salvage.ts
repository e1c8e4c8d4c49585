import { randomBytes } from 'node:crypto';
import { isAbsolute, join, relative, resolve } from 'node:path';

import type { RunState } from '../model/state';
import { parseChecked, readChecked } from './checkedFile';
import type { FileKind } from './checkedFile';
import { fileName } from './fileName';
import type { Files } from './files';
import type { HistoryLine } from './historyFile';
import { readHistoryFile, writeHistoryFile } from './historyFile';
import { decodeRecord } from './journalRecord';
import type { Generation, JournalScan } from './journalScan';
import { scanJournal } from './journalScan';
import type { Layout } from './layout';
import { layoutOf } from './layout';
import { takeLock } from './lock';
import { readLog } from './logFiles';
import { nodeFiles } from './nodeFiles';
import { processOwners } from './owner';
import type { Pause } from './pause';
import { pauses } from './pause';
import type { RunFile } from './runFile';
import { readRunFile, writeRunFile } from './runFile';
import { loadSnapshot } from './snapshotFiles';
import { StorageError, storing } from './storageError';
import { StoreCorruptError } from './storeCorruptError';
import { StoreFormatError } from './storeFormatError';
import { summaryOf } from './summary';
import type { ParsedRecord } from './view';
import { parseRecord, readGenerations } from './view';

/** Something of a damaged store that was not copied. */
export interface LeftOut {
  readonly file: string;
  /** Byte from which on the file was left out; 0 for all of it. */
  readonly offset: number;
  readonly reason: string;
}

/**
 * Copies what is intact of a damaged store into a new folder, and says what it left out; nothing when all was intact.
 *
 * Kept are run files, snapshots, logs, messages and kept answers that are as they were written, and what the journal says
 * before its first damage. A run whose later events are lost stands as it stood before them: resumed, it calls the steps
 * that ended since once more. The damaged folder is only read; nobody should write to it meanwhile.
 *
 * @param target - A folder that is empty or does not exist yet.
 * @throws StorageError when there is no store, when `target` holds something, or when the system refuses an access.
 * @throws StoreFormatError when a newer release wrote the store.
 */
export async function salvage(
  folder: string,
  target: string,
  options: { readonly files?: Files } = {},
): Promise<readonly LeftOut[]> {
  const { files = nodeFiles } = options;
  const from = layoutOf(resolve(folder));
  const to = layoutOf(resolve(target));
  const pause = pauses();
  checkFolders(files, from, to);
  const leftOut: LeftOut[] = [];
  const leave = (file: string, offset: number, reason: string): void => {
    leftOut.push({ file, offset, reason });
  };
  const found = await readAll(files, from, leave, pause);

  for (const made of [to.folder, to.runs, to.journal]) {
    storing('make', made, () => {
      files.makeFolder(made);
    });
  }
  const lock = takeLock(files, to.lock, to.folder, processOwners);
  try {
    for (const [made, kind] of [
      ['snapshots', 'snapshot'],
      ['logs', 'log'],
      ['inbox', 'message'],
      ['cache', 'answer'],
    ] as const) {
      await copyFiles(files, from[made], to[made], kind, leave, pause);
    }
    const lines: HistoryLine[] = [];
    for (const runId of found.runIds) {
      const state = await stateOf(files, from, runId, found, leave);
      if (state === undefined) continue;
      await writeRunFile(files, to.run(runId), { upTo: 0, state }, pause);
      lines.push({ ...summaryOf(state), upTo: 0 });
      const rest = pause();
      if (rest !== undefined) await rest;
    }
    // Last: without it there is no store, so half a copy is never taken for a whole one.
    const store = randomBytes(12).toString('hex');
    await writeHistoryFile(files, to.history, { store, upTo: 0, runs: lines }, pause);
  } finally {
    lock.release();
  }
  return leftOut;
}

type Leave = (file: string, offset: number, reason: string) => void;

/** What can be known of a damaged store before its runs are read. */
interface Found {
  /** Undefined when the list of runs is lost. */
  readonly history: { readonly upTo: number; readonly lines: ReadonlyMap<string, HistoryLine> } | undefined;
  readonly records: ReadonlyMap<string, readonly (ParsedRecord & { readonly file: string })[]>;
  readonly runIds: ReadonlySet<string>;
}

async function readAll(files: Files, from: Layout, leave: Leave, pause: Pause): Promise<Found> {
  const history = await intact(from.history, leave, () => readHistoryFile(files, from.history));
  const generations = isFolder(files, from.journal, leave) ? await readGenerations(files, from) : [];
  const names = isFolder(files, from.runs, leave) ? files.list(from.runs) : [];
  if (history === undefined) {
    if (files.kind(from.history) === undefined) {
      if (generations.length + names.length === 0)
        throw new StorageError('salvage', from.folder, 'it holds no store', 'name another folder');
      leave(from.history, 0, 'the file is missing');
    }
  }
  const lines = new Map((history?.runs ?? []).map((line) => [line.runId, line]));
  const first = generations.find(({ bytes }) => headerOf(bytes) !== undefined);
  const scan = await scanIntact(
    generations,
    history?.store ?? headerOf(first?.bytes)?.store ?? '',
    history === undefined ? (headerOf(first?.bytes)?.seq ?? 1) : history.upTo + 1,
    leave,
    pause,
  );
  const runIds = new Set(lines.keys());
  const records = new Map<string, (ParsedRecord & { readonly file: string })[]>();
  for (const record of scan.records) {
    let parsed: ParsedRecord;
    try {
      parsed = parseRecord(record);
    } catch (error) {
      leaveDamage(error, leave);
      break; // Whatever wrote this is not to be believed any further.
    }
    // What is older than the list of runs counts only for the runs it names: others have been deleted since.
    if (record.seq <= (history?.upTo ?? 0) && !lines.has(parsed.runId)) continue;
    runIds.add(parsed.runId);
    const known = records.get(parsed.runId) ?? [];
    records.set(parsed.runId, known);
    known.push({ ...parsed, file: record.file });
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  const expected = new Set([...runIds].map((runId) => from.run(runId)));
  for (const name of names) {
    const path = join(from.runs, name);
    if (!name.endsWith('.json') || expected.has(path)) continue;
    const runId = await intact(path, leave, () => runIdIn(files, path, name));
    if (runId === undefined) continue;
    const file = await intact(path, leave, () => readRunFile(files, path, runId));
    if (file === undefined) continue;
    if (history !== undefined && file.upTo <= history.upTo)
      leave(path, 0, 'the list of runs does not name it: it was deleted');
    else runIds.add(runId);
  }
  return {
    history: history === undefined ? undefined : { upTo: history.upTo, lines },
    records,
    runIds,
  };
}

/** How a run stands after its file and those records that follow it without a gap. */
async function stateOf(
  files: Files,
  from: Layout,
  runId: string,
  { history, records }: Found,
  leave: Leave,
): Promise<RunState | undefined> {
  const path = from.run(runId);
  const line = history?.lines.get(runId);
  const own = records.get(runId) ?? [];
  const before = leftOutCounter(leave);
  let file: RunFile | undefined = await intact(path, before.leave, () => readRunFile(files, path, runId));
  // Came back with a power loss after the run was deleted; the one of that name in the journal is another one.
  if (file !== undefined && history !== undefined && line === undefined && file.upTo <= history.upTo)
    file = undefined;
  let state = file?.state;
  for (const record of own) {
    if (record.seq <= (file?.upTo ?? 0)) continue;
    if (!record.follows(state)) {
      leave(record.file, record.offset, `what stands before this record of run "${runId}" is lost`);
      break;
    }
    try {
      state = record.apply(state);
    } catch (error) {
      leaveDamage(error, leave);
      break;
    }
  }
  if (line === undefined) return state;
  if (file === undefined && before.count() === 0 && own.length === 0)
    leave(path, 0, `the file of run "${runId}" is missing`);
  if (file !== undefined && file.upTo < line.upTo && state === file.state)
    leave(path, 0, `it holds run "${runId}" as of an earlier time; this is kept, what came later is lost`);
  return state;
}

/** The journal before its first damage. */
async function scanIntact(
  all: readonly Generation[],
  store: string,
  after: number,
  leave: Leave,
  pause: Pause,
): Promise<JournalScan> {
  let generations = all;
  for (;;) {
    try {
      const scan = await scanJournal(generations, store, after, pause);
      for (const { generation, length } of scan.ends) {
        if (length < (all.find(({ file }) => file === generation.file)?.bytes.length ?? 0)) {
          if (generations === all)
            leave(generation.file, length, 'it was being written when the process or the power ended');
        }
      }
      return scan;
    } catch (error) {
      const damage = leaveDamage(error, leave);
      const index = generations.findIndex(({ file }) => file === damage.file);
      const hit = generations[index];
      for (const { file } of generations.slice(index + 1))
        leave(file, 0, `${damage.file} before it is damaged`);
      generations = [
        ...generations.slice(0, index),
        ...(hit === undefined || damage.offset === 0
          ? []
          : [{ ...hit, bytes: hit.bytes.subarray(0, damage.offset) }]),
      ];
    }
  }
}

/** Copies the intact files of one folder as they are. */
async function copyFiles(
  files: Files,
  from: string,
  to: string,
  kind: FileKind,
  leave: Leave,
  pause: Pause,
): Promise<void> {
  if (!isFolder(files, from, leave)) return;
  let isMade = false;
  for (const name of files.list(from)) {
    if (!name.endsWith('.json')) continue;
    const path = join(from, name);
    const bytes = await intact(path, leave, async () => {
      const read = await files.read(path);
      if (read !== undefined) await check(files, from, path, kind, read);
      return read;
    });
    if (bytes === undefined) continue;
    if (!isMade) files.makeFolder(to);
    isMade = true;
    await writeBytes(files, join(to, name), bytes);
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  if (isMade) await files.syncFolder(to);
}

async function check(
  files: Files,
  folder: string,
  path: string,
  kind: FileKind,
  bytes: Buffer,
): Promise<void> {
  const fields = parseChecked(path, kind, bytes);
  const named = kind === 'snapshot' ? fields['snapshotId'] : fields['logId'];
  const id = typeof named === 'string' ? named : '';
  if ((kind === 'snapshot' || kind === 'log') && join(folder, `${fileName(id)}.json`) !== path)
    throw new StoreCorruptError(path, 0, 'its name is that of another one');
  if (kind === 'snapshot') await loadSnapshot(files, folder, id);
  if (kind === 'log') await readLog(files, folder, id);
}

async function writeBytes(files: Files, path: string, bytes: Buffer): Promise<void> {
  try {
    const file = files.create(path);
    try {
      for (let done = 0; done < bytes.length;) {
        const count = files.write(file, bytes.subarray(done), done);
        if (count === 0) throw new Error('nothing was written');
        done += count;
      }
      await files.sync(file);
    } finally {
      files.close(file);
    }
  } catch (error) {
    throw new StorageError('write', path, error);
  }
}

function checkFolders(files: Files, from: Layout, to: Layout): void {
  const way = relative(from.folder, to.folder);
  if (way === '' || !(way.startsWith('..') || isAbsolute(way)))
    throw new StorageError('salvage into', to.folder, 'it lies in the damaged store', 'name another folder');
  const there = storing('look at', to.folder, () => files.kind(to.folder));
  if (there !== undefined && (there !== 'folder' || files.list(to.folder).length > 0))
    throw new StorageError('salvage into', to.folder, 'something is there already', 'name an empty folder');
}

/** Whether this is a folder that belongs to the store, not a link out of it. */
function isFolder(files: Files, path: string, leave: Leave): boolean {
  const kind = storing('look at', path, () => files.kind(path));
  if (kind !== 'folder' && kind !== undefined) leave(path, 0, 'it is no folder of its own');
  return kind === 'folder';
}

/** What was read; undefined, and told, when it is damaged or cannot be read. */
async function intact<T>(
  path: string,
  leave: Leave,
  read: () => Promise<T | undefined>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StoreFormatError) throw error;
    if (error instanceof StoreCorruptError) leaveDamage(error, leave);
    else leave(path, 0, error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

function leaveDamage(error: unknown, leave: Leave): StoreCorruptError {
  if (!(error instanceof StoreCorruptError)) throw error;
  leave(error.file, error.offset, error.why);
  return error;
}

function leftOutCounter(leave: Leave): { readonly leave: Leave; count(): number } {
  let count = 0;
  return {
    leave(file, offset, reason) {
      count += 1;
      leave(file, offset, reason);
    },
    count: () => count,
  };
}

/** The id of the run in a file whose name does not tell it. */
async function runIdIn(files: Files, path: string, name: string): Promise<string | undefined> {
  const fields = await readChecked(files, path, 'run');
  const { runId } = (fields?.['state'] ?? {}) as { readonly runId?: unknown };
  if (typeof runId !== 'string' || `${fileName(runId)}.json` !== name)
    throw new StoreCorruptError(path, 0, 'its name is that of another run');
  return runId;
}

/** Number and store of the record a file of the journal begins with; undefined when that is damaged. */
function headerOf(bytes: Buffer | undefined): { readonly seq: number; readonly store: string } | undefined {
  const record = bytes === undefined ? undefined : decodeRecord(bytes, 0, bytes.indexOf(0x0a));
  if (record === undefined) return undefined;
  try {
    const { store } = JSON.parse(record.json) as { readonly store?: unknown };
    return typeof store === 'string' ? { seq: record.seq, store } : undefined;
  } catch {
    return undefined;
  }
}
