import type { StorageError } from '../../../errors/storageErrors';
import { storageErrorOf } from '../../../errors/storageErrors';
import { nextTurn } from '../../../streams/realTimers';
import type { Files } from '../files/files';
import type { JournalFile } from './journalFile';
import { beginJournalFile } from './journalFile';

/** The journal being written: records in files of a bounded size, oldest first. */
export interface Journal {
  /** Number of the latest record. */
  readonly lastSeq: number;
  /** Why nothing can be written any more; undefined while it can. */
  readonly failure: StorageError | undefined;
  /** Writes a record into the page cache: it survives the process. Returns its number. */
  write(json: string): number;
  /** Resolves when everything written so far survives a power loss; all who wait share the next sync. */
  sync(): Promise<void>;
  /** Makes the next record begin a new file, soon. */
  rotate(): void;
  /** The files in use and their last records; the file being written comes last. */
  generations(): readonly { readonly file: string; readonly lastSeq: number }[];
  /** Removes the files whose last record is not after `seq`, except the one being written. */
  trim(seq: number): void;
  close(): Promise<void>;
  /** Lets go of the files as they are. */
  abandon(): void;
}

/** Where a journal is written, and how. */
export interface JournalOptions {
  readonly files: Files;
  readonly folder: string;
  readonly store: string;
  /** Number of the latest record there is. */
  readonly lastSeq: number;
  /** The files there are, all of them synced. */
  readonly older: readonly { readonly file: string; readonly number: number; readonly lastSeq: number }[];
  readonly rotateBytes: number;
  /** Makes sure that the journal still is ours to write; asked before anything is acknowledged. @throws StorageError */
  readonly check: () => void;
  /** Called when a file is full and the next one has begun. */
  readonly onRotate: () => void;
}

/**
 * Begins to write a journal; its first file is made by the first record.
 *
 * One sync is under way at a time. After a failed one nothing is written any more: what the disk has is unknown then.
 */
export function writeJournal(options: JournalOptions): Journal {
  const { files, folder, store } = options;
  let older: { readonly file: string; readonly lastSeq: number }[] = [...options.older];
  let nextNumber = Math.max(0, ...options.older.map(({ number }) => number)) + 1;
  let lastSeq = options.lastSeq;
  let syncedSeq = options.lastSeq;
  let current: JournalFile | undefined;
  let full: JournalFile | undefined; // Written before `current` and not synced yet.
  let isNew = false; // The name of `current` is not synced yet.
  let isNameWanted = false;
  let isSyncing = false;
  let poison: StorageError | undefined;
  let waiting: { readonly seq: number; resolve: () => void; reject: (error: unknown) => void }[] = [];

  const begin = (): JournalFile => {
    const begun = beginJournalFile({
      files,
      folder,
      store,
      number: nextNumber,
      lastSeq,
      synced: syncedSeq,
      onTorn: (failure) => {
        poison = failure; // A torn record is the end of the journal until it is opened anew.
      },
    });
    nextNumber += 1;
    lastSeq = begun.lastSeq;
    isNew = true;
    return begun;
  };

  const pump = async (): Promise<void> => {
    while (poison === undefined && (waiting.length > 0 || full !== undefined || isNameWanted)) {
      await nextTurn(); // Steps that end in one turn share one sync.
      const upTo = lastSeq;
      const before = full;
      const now = current;
      const wasNew = isNew;
      try {
        if (before !== undefined) await before.sync();
        if (now !== undefined) await now.sync();
        if (wasNew) await files.syncFolder(folder);
        options.check();
      } catch (error) {
        poison = storageErrorOf(error, 'sync', now?.file ?? folder);
        break;
      }
      if (before !== undefined) {
        full = undefined;
        before.close();
      }
      if (wasNew && current === now) isNew = false;
      isNameWanted = false;
      syncedSeq = upTo;
      const done = waiting.filter(({ seq }) => seq <= upTo);
      waiting = waiting.filter(({ seq }) => seq > upTo);
      for (const { resolve } of done) resolve();
    }
    isSyncing = false;
    if (poison === undefined) return;
    const lost = waiting;
    waiting = [];
    for (const { reject } of lost) reject(poison);
  };

  const start = (): void => {
    if (isSyncing) return;
    isSyncing = true;
    void pump();
  };

  const wait = async (): Promise<void> => {
    if (poison !== undefined) throw poison;
    if (syncedSeq >= lastSeq && !isNew && full === undefined) return;
    await new Promise<void>((resolve, reject) => {
      waiting.push({ seq: lastSeq, resolve, reject });
      start();
    });
  };

  const rotate = (): void => {
    if (current === undefined || full !== undefined) return;
    if (isNew) {
      // A file in the middle must never be the one whose name gets lost.
      isNameWanted = true;
      start();
      return;
    }
    const next = begin();
    older.push({ file: current.file, lastSeq: current.lastSeq });
    full = current;
    current = next;
    start();
    options.onRotate();
  };

  const rotateIfFull = (): void => {
    if (current === undefined || current.size < options.rotateBytes) return;
    try {
      rotate();
    } catch {
      // The record is written; the next one tries again.
    }
  };

  const letGo = (): void => {
    const open = [full, current];
    if (current !== undefined) older.push({ file: current.file, lastSeq: current.lastSeq });
    full = undefined;
    current = undefined;
    for (const each of open) each?.close();
  };

  return {
    get lastSeq() {
      return lastSeq;
    },
    get failure() {
      return poison;
    },
    write(json) {
      if (poison !== undefined) throw poison;
      current ??= begin();
      current.append(syncedSeq, json);
      const seq = (lastSeq = current.lastSeq);
      rotateIfFull();
      return seq;
    },
    sync: wait,
    rotate,
    generations: () => [
      ...older,
      ...(current === undefined ? [] : [{ file: current.file, lastSeq: current.lastSeq }]),
    ],
    trim(seq) {
      for (const { file } of older.filter((each) => each.lastSeq <= seq && each.file !== full?.file))
        files.remove(file);
      older = older.filter((each) => each.lastSeq > seq || each.file === full?.file);
    },
    async close() {
      try {
        if (poison === undefined && (full !== undefined || current !== undefined)) await wait();
      } finally {
        letGo();
      }
    },
    abandon: letGo,
  };
}
