import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';

import { asStorageError, StorageError, storageErrorOf } from '../../errors/storageErrors';
import type { Pause } from '../../streams/yieldOften';
import type { Durability } from '../durability';
import type { KeptEvents } from '../store';
import type { Files } from './files/files';
import { GuardedFiles } from './files/guardedFiles';
import { writeNewFile } from './files/nodeFiles';
import { Journal } from './journal/journal';
import type { Layout } from './layout';
import type { Lock } from './lock/lock';
import { takeLock } from './lock/lock';
import type { Owners } from './lock/owner';
import { writeHistoryFile } from './records/runIndex';
import { finishGiving } from './records/signalFiles';
import { Session } from './session';
import type { View } from './view';
import { readView } from './view';

/** What a store needs to be opened for writing. */
export interface OpenOptions {
  readonly files: Files;
  readonly owners: Owners;
  readonly layout: Layout;
  readonly durability: Durability;
  readonly events: KeptEvents;
  readonly rotateBytes: number;
  readonly pause: Pause;
}

/**
 * Opens a store for writing: takes the lock, reads what is there, and makes what a crash has left safe to go on from.
 *
 * A store that is refused is left as it was.
 */
export async function openSession(
  options: OpenOptions,
  onWrite: () => void = () => undefined,
): Promise<Session> {
  const { layout, pause } = options;
  const lock = await lockFolder(options);
  const files = new GuardedFiles(options.files, [layout], lock.check);
  try {
    const view = await readView(files, layout, pause, options.events !== 'none');
    const store = view.store ?? randomBytes(12).toString('hex');
    if (view.store === undefined) {
      await writeHistoryFile(files, layout.history, { store, upTo: 0, runs: [] }, pause);
    } else {
      // Who was killed between a rename and its sync leaves names that a power loss would take back.
      await files.syncFolder(layout.runs);
      await files.syncFolder(layout.folder);
    }
    await syncAbove(options.files, layout.folder, view.store === undefined);
    const older = await mend(files, layout, view);
    let onRotate = (): void => undefined;
    const journal = new Journal({
      files,
      folder: layout.journal,
      store,
      keepsNoEvents: options.events === 'none',
      lastSeq: view.scan.lastSeq,
      older,
      rotateBytes: options.rotateBytes,
      check: lock.check,
      onRotate: () => {
        onRotate();
      },
    });
    await finishGiving({ files, layout });
    const session = new Session({
      files,
      layout,
      store,
      durability: options.durability,
      events: options.events,
      rotateBytes: options.rotateBytes,
      pause,
      journal,
      lines: new Map(view.lines),
      tail: view.tail,
      lock,
      onWrite,
    });
    onRotate = () => {
      session.checkpointAll();
    };
    return session;
  } catch (error) {
    try {
      lock.release();
    } catch {
      // The first error says more.
    }
    throw asStorageError(error, 'open', layout.folder);
  }
}

/** Makes the name of the store's folder last, and for a new one those of the folders above it. */
async function syncAbove(files: Files, folder: string, isNew: boolean): Promise<void> {
  for (let above = dirname(folder); ; above = dirname(above)) {
    await files.syncFolder(above).catch(() => undefined); // Not ours: may be out of reach.
    if (!isNew || above === dirname(above)) return;
  }
}

async function lockFolder({ files, layout, owners }: OpenOptions): Promise<Lock> {
  try {
    makeFolders(files, layout);
    return await takeLock(files, layout.lock, layout.folder, owners);
  } catch (error) {
    throw asStorageError(error, 'lock', layout.folder);
  }
}

function makeFolders(files: Files, layout: Layout): void {
  const there = files.look(layout.folder)?.kind;
  if (there !== undefined && there !== 'folder' && there !== 'link') {
    throw new StorageError('open a store in', layout.folder, 'it is no folder', 'name another one');
  }
  for (const folder of [layout.folder, layout.runs, layout.journal, layout.lock]) files.makeFolder(folder);
}

/**
 * Writes what can be trusted of each file of the journal anew, and removes the rest.
 *
 * Anew and not in place: after a crash or a failed sync the system may show bytes that the disk does not have and will
 * never get, and a crash in the middle must leave the old file.
 */
async function mend(files: Files, layout: Layout, { scan, generations, upTo }: View) {
  const needed = scan.ends.filter(({ lastSeq }) => lastSeq > upTo);
  for (const { generation, length } of needed) {
    const beside = `${generation.file}.tmp`;
    try {
      files.remove(beside);
      await writeNewFile(files, beside, generation.bytes.subarray(0, length));
      files.rename(beside, generation.file);
    } catch (error) {
      throw storageErrorOf(error, 'mend', generation.file);
    }
  }
  const keep = new Set(needed.map(({ generation }) => generation.file));
  for (const { file } of generations) if (!keep.has(file)) files.remove(file);
  if (generations.length > 0) await files.syncFolder(layout.journal);
  return needed.map(({ generation: { file, number }, lastSeq }) => ({ file, number, lastSeq }));
}
