import type { StorageError } from '../../../errors/storageErrors';
import { storageErrorOf } from '../../../errors/storageErrors';
import { nextTurn } from '../../../streams/realTimers';
import type { Files } from '../files/files';
import type { JournalFile } from './journalFile';
import { beginJournalFile } from './journalFile';

/** A file of the journal, and the number of its last record. */
export interface JournalPart {
  readonly file: string;
  readonly lastSeq: number;
}

/** Where a journal is written, and how. */
export interface JournalOptions {
  readonly files: Files;
  readonly folder: string;
  readonly store: string;
  /** Whether no events are kept beyond the journal: whoever reads it must know. */
  readonly keepsNoEvents?: boolean;
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

/** Somebody who waits until everything up to this record is synced. */
interface Waiting {
  readonly seq: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The journal being written: records in files of a bounded size, oldest first. Its first file is made by the first record.
 *
 * One sync is under way at a time. After a failed one nothing is written any more: what the disk has is unknown then.
 */
export class Journal {
  readonly #options: JournalOptions;
  #older: readonly JournalPart[];
  #nextNumber: number;
  #lastSeq: number;
  #syncedSeq: number;
  #current: JournalFile | undefined;
  /** Written before the current file and not synced yet. */
  #full: JournalFile | undefined;
  /** Whether the name of the current file is not synced yet. */
  #isNew = false;
  #isNameWanted = false;
  #isSyncing = false;
  #poison: StorageError | undefined;
  #waiting: Waiting[] = [];

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#older = [...options.older];
    this.#nextNumber = Math.max(0, ...options.older.map(({ number }) => number)) + 1;
    this.#lastSeq = options.lastSeq;
    this.#syncedSeq = options.lastSeq;
  }

  /** Number of the latest record. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Why nothing can be written any more; undefined while it can. */
  get failure(): StorageError | undefined {
    return this.#poison;
  }

  /** Writes a record into the page cache: it survives the process. Returns its number. */
  write(json: string): number {
    if (this.#poison !== undefined) throw this.#poison;
    const current = (this.#current ??= this.#begin());
    current.append(this.#syncedSeq, json);
    const seq = (this.#lastSeq = current.lastSeq);
    this.#rotateIfFull();
    return seq;
  }

  /** Resolves when everything written so far survives a power loss; all who wait share the next sync. */
  async sync(): Promise<void> {
    if (this.#poison !== undefined) throw this.#poison;
    if (this.#syncedSeq >= this.#lastSeq && !this.#isNew && this.#full === undefined) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ seq: this.#lastSeq, resolve, reject });
      this.#startSyncing();
    });
  }

  /** Makes the next record begin a new file, soon. */
  rotate(): void {
    const current = this.#current;
    if (current === undefined || this.#full !== undefined) return;
    if (this.#isNew) {
      // A file in the middle must never be the one whose name gets lost.
      this.#isNameWanted = true;
      this.#startSyncing();
      return;
    }
    const next = this.#begin();
    this.#older = [...this.#older, partOf(current)];
    this.#full = current;
    this.#current = next;
    this.#startSyncing();
    this.#options.onRotate();
  }

  /** The files in use and their last records; the file being written comes last. */
  generations(): readonly JournalPart[] {
    return this.#current === undefined ? [...this.#older] : [...this.#older, partOf(this.#current)];
  }

  /** Removes the files whose last record is not after `seq`, except the one being written. */
  trim(seq: number): void {
    const isNeeded = (part: JournalPart): boolean => part.lastSeq > seq || part.file === this.#full?.file;
    for (const part of this.#older) if (!isNeeded(part)) this.#options.files.remove(part.file);
    this.#older = this.#older.filter(isNeeded);
  }

  async close(): Promise<void> {
    try {
      const isOpen = this.#full !== undefined || this.#current !== undefined;
      if (this.#poison === undefined && isOpen) await this.sync();
    } finally {
      this.abandon();
    }
  }

  /** Lets go of the files as they are. */
  abandon(): void {
    const open = [this.#full, this.#current];
    if (this.#current !== undefined) this.#older = [...this.#older, partOf(this.#current)];
    this.#full = undefined;
    this.#current = undefined;
    for (const each of open) each?.close();
  }

  #begin(): JournalFile {
    const { files, folder, store, keepsNoEvents } = this.#options;
    const begun = beginJournalFile({
      files,
      folder,
      store,
      ...(keepsNoEvents === true && { keepsNoEvents }),
      number: this.#nextNumber,
      lastSeq: this.#lastSeq,
      synced: this.#syncedSeq,
      onTorn: (failure) => {
        this.#poison = failure; // A torn record is the end of the journal until it is opened anew.
      },
    });
    this.#nextNumber += 1;
    this.#lastSeq = begun.lastSeq;
    this.#isNew = true;
    return begun;
  }

  #rotateIfFull(): void {
    if (this.#current === undefined || this.#current.size < this.#options.rotateBytes) return;
    try {
      this.rotate();
    } catch {
      // The record is written; the next one tries again.
    }
  }

  #startSyncing(): void {
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    void this.#syncAll();
  }

  /** Syncs until nobody waits any more. */
  async #syncAll(): Promise<void> {
    while (
      this.#poison === undefined &&
      (this.#waiting.length > 0 || this.#full !== undefined || this.#isNameWanted)
    ) {
      await nextTurn(); // Steps that end in one turn share one sync.
      await this.#syncOnce();
    }
    this.#isSyncing = false;
    if (this.#poison === undefined) return;
    const lost = this.#waiting;
    this.#waiting = [];
    for (const { reject } of lost) reject(this.#poison);
  }

  /** Syncs what is written by now, and tells those who wait for it. */
  async #syncOnce(): Promise<void> {
    const { files, folder, check } = this.#options;
    const upTo = this.#lastSeq;
    const before = this.#full;
    const now = this.#current;
    const wasNew = this.#isNew;
    try {
      if (before !== undefined) await before.sync();
      if (now !== undefined) await now.sync();
      if (wasNew) await files.syncFolder(folder);
      check();
    } catch (error) {
      this.#poison = storageErrorOf(error, 'sync', now?.file ?? folder);
      return;
    }
    if (before !== undefined) {
      this.#full = undefined;
      before.close();
    }
    if (wasNew && this.#current === now) this.#isNew = false;
    this.#isNameWanted = false;
    this.#syncedSeq = upTo;
    const done = this.#waiting.filter(({ seq }) => seq <= upTo);
    this.#waiting = this.#waiting.filter(({ seq }) => seq > upTo);
    for (const { resolve } of done) resolve();
  }
}

function partOf({ file, lastSeq }: JournalFile): JournalPart {
  return { file, lastSeq };
}
