/** What stands at a path. */
export interface Found {
  readonly kind: 'file' | 'folder' | 'link' | 'socket' | 'other';
  /** Names the file itself, whatever its path: two of them are never the same while both exist. */
  readonly id: string;
  /** Changes when the content does, as finely as the file system counts: of a folder when names come or go. */
  readonly stamp: number;
}

/**
 * The few things a store asks of a file system. One object stands for all access, so that tests can let calls fail, count
 * them, or lose what was not synced.
 *
 * Symbolic links are never followed in the last part of a path. Errors are those of `node:fs`, with their `code`.
 */
export interface Files {
  /** Makes the folder and those above it, only for the owner; nothing when it exists. */
  makeFolder(path: string): void;
  /** The names in a folder; none when it does not exist. */
  list(folder: string): readonly string[];
  /** What stands at this path, links not followed; undefined when nothing does. */
  look(path: string): Found | undefined;
  /** All bytes of a file from byte `from` on, or the first `limit` of them; undefined when there is no file. */
  read(path: string, limit?: number, from?: number): Promise<Buffer | undefined>;
  /** The same at once; for files of a few hundred bytes. */
  readNow(path: string): Buffer | undefined;
  /** Makes a new file for writing, only for the owner; fails with EEXIST when something is there. */
  create(path: string): number;
  /** Opens an existing file for writing. */
  open(path: string): number;
  /** Writes bytes at a position and says how many were written. */
  write(file: number, bytes: Uint8Array, position: number): number;
  /** Cuts an open file to this length. */
  cut(file: number, length: number): void;
  /** Makes the content of an open file survive a power loss. */
  sync(file: number): Promise<void>;
  close(file: number): void;
  /** Gives a file a new name, replacing what has it. */
  rename(from: string, to: string): void;
  /** Gives a file a second name; fails with EEXIST when the name is taken. */
  link(from: string, to: string): void;
  /** Removes a file; false when there was none. */
  remove(path: string): boolean;
  /** Makes the names in a folder survive a power loss. */
  syncFolder(folder: string): Promise<void>;
}
