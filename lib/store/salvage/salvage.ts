import { randomBytes } from 'node:crypto';
import { isAbsolute, relative, resolve } from 'node:path';

import { StorageError } from '../../errors/storageErrors';
import { pauses } from '../../streams/yieldOften';
import type { Files } from '../folder/files/files';
import { GuardedFiles } from '../folder/files/guardedFiles';
import { nodeFiles } from '../folder/files/nodeFiles';
import type { Layout } from '../folder/layout';
import { layoutOf } from '../folder/layout';
import { takeLock } from '../folder/lock/lock';
import { processOwners } from '../folder/lock/owner';
import { writeRunFile } from '../folder/records/runFile';
import type { HistoryLine } from '../folder/records/runIndex';
import { writeHistoryFile } from '../folder/records/runIndex';
import { summaryOf } from '../summary';
import type { LeftOut } from './leftOut';
import { copyIntactFiles } from './salvagedFiles';
import { findRuns, salvagedState } from './salvagedRuns';
import { copyIntactStreams } from './salvagedStreams';

/**
 * Copies what is intact of a damaged store into a new folder, and says what it left out; nothing when all was intact.
 *
 * Kept are run files, snapshots, logs, messages, queued runs, signals and kept answers that are as they were written, and what the
 * journal says before its first damage; streams likewise: what came after it is read again from their sources. A run whose later events are lost stands as it stood before them: resumed, it calls the steps
 * that ended since once more. The damaged folder is only read; nobody should write to it meanwhile.
 *
 * @param target - A folder that is empty or does not exist yet.
 * @throws StorageError when there is no store, when `target` holds something, or when the system refuses an access.
 * @throws StoreFormatError when a newer release wrote the store.
 */
export async function salvage(folder: string, target: string): Promise<readonly LeftOut[]>;
/** @internal With a file system of a test. */
export async function salvage(
  folder: string,
  target: string,
  // eslint-disable-next-line @typescript-eslint/unified-signatures -- this one is not among the published types
  options: { readonly files: Files },
): Promise<readonly LeftOut[]>;
export async function salvage(
  folder: string,
  target: string,
  options: { readonly files?: Files } = {},
): Promise<readonly LeftOut[]> {
  const from = layoutOf(resolve(folder));
  const to = layoutOf(resolve(target));
  const files = new GuardedFiles(options.files ?? nodeFiles, [from, to]);
  const pause = pauses();
  checkFolders(files, from, to);
  const leftOut: LeftOut[] = [];
  const leave = (file: string, offset: number, reason: string): void => {
    leftOut.push({ file, offset, reason });
  };
  const found = await findRuns(files, from, leave, pause);

  for (const made of [to.folder, to.runs, to.journal]) {
    files.makeFolder(made);
  }
  const lock = await takeLock(files, to.lock, to.folder, processOwners);
  try {
    for (const [made, kind] of [
      ['snapshots', 'snapshot'],
      ['logs', 'log'],
      ['inbox', 'message'],
      ['cache', 'answer'],
      ['queue', 'queued'],
      ['signals', 'signal'],
    ] as const) {
      await copyIntactFiles(files, from[made], to[made], kind, leave, pause);
    }
    await copyIntactStreams(files, from.streams, to.streams, leave, pause);
    const lines: HistoryLine[] = [];
    for (const runId of found.runIds) {
      const left = await salvagedState(files, from, runId, found, leave);
      if (left === undefined) continue;
      const { state, log } = left;
      await writeRunFile(files, to.run(runId), { upTo: 0, state, events: log?.text() }, pause);
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

function checkFolders(files: Files, from: Layout, to: Layout): void {
  const way = relative(from.folder, to.folder);
  if (way === '' || !(way.startsWith('..') || isAbsolute(way)))
    throw new StorageError('salvage into', to.folder, 'it lies in the damaged store', 'name another folder');
  const there = files.look(to.folder)?.kind;
  if (there !== undefined && (there !== 'folder' || files.list(to.folder).length > 0))
    throw new StorageError('salvage into', to.folder, 'something is there already', 'name an empty folder');
}
