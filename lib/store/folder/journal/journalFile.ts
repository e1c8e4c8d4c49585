import type { StorageError } from '../../../errors/storageErrors';
import { storageErrorOf } from '../../../errors/storageErrors';
import type { Files } from '../files/files';
import { writeBytes } from '../files/nodeFiles';
import { encodeRecord } from './journalRecord';
import type { JournalHeader } from './journalScan';
import { JOURNAL_FORMAT } from './journalScan';

/** A file of the journal that is being written. */
export interface JournalFile {
  readonly file: string;
  /** Number of its latest record. */
  readonly lastSeq: number;
  readonly size: number;
  /** Adds a record: whole, or not at all. @throws StorageError */
  append(synced: number, json: string): void;
  sync(): Promise<void>;
  close(): void;
}

/** Which file of the journal begins, and after what. */
export interface JournalFileStart {
  readonly files: Files;
  readonly folder: string;
  readonly store: string;
  readonly keepsNoEvents?: boolean;
  readonly number: number;
  /** Number of the record before its header. */
  readonly lastSeq: number;
  readonly synced: number;
  /** Called when a part of a record was written and cannot be cut off: nothing must follow it. */
  readonly onTorn: (failure: StorageError) => void;
}

/** Makes a file with its header as the first record. @throws StorageError, and there is no file then. */
export function beginJournalFile(start: JournalFileStart): JournalFile {
  const { files, folder, store, number } = start;
  const file = `${folder}/${String(number).padStart(8, '0')}.ndjson`;
  files.remove(file); // Left by an attempt that failed.
  const descriptor = files.create(file);
  let lastSeq = start.lastSeq;
  let size = 0;

  const append = (synced: number, json: string): void => {
    const bytes = encodeRecord(lastSeq + 1, synced, json);
    try {
      writeBytes(files, descriptor, bytes, size);
    } catch (error) {
      const failure = storageErrorOf(error, 'write to', file);
      try {
        files.cut(descriptor, size);
      } catch {
        start.onTorn(failure);
      }
      throw failure;
    }
    size += bytes.length;
    lastSeq += 1;
  };

  const close = (): void => {
    files.close(descriptor);
  };

  try {
    const header: JournalHeader = {
      type: 'store.journal',
      format: JOURNAL_FORMAT,
      store,
      generation: number,
      ...(start.keepsNoEvents === true && { events: 'none' }),
    };
    append(start.synced, JSON.stringify(header));
  } catch (error) {
    close();
    try {
      files.remove(file);
    } catch {
      // The next attempt begins with it.
    }
    throw error;
  }
  return {
    file,
    get lastSeq() {
      return lastSeq;
    },
    get size() {
      return size;
    },
    append,
    sync: () => files.sync(descriptor),
    close,
  };
}
