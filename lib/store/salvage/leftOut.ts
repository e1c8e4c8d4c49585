import { StoreCorruptError, StoreFormatError } from '../../errors/storageErrors';
import type { Files } from '../folder/files/files';

/** Something of a damaged store that was not copied. */
export interface LeftOut {
  /** The file it was in. */
  readonly file: string;
  /** Byte from which on the file was left out; 0 for all of it. */
  readonly offset: number;
  /** Why it could not be taken over. */
  readonly reason: string;
}

/** Told what is left out, and why. */
export type Leave = (file: string, offset: number, reason: string) => void;

/** @internal Whether this is a folder that belongs to the store, not a link out of it. */
export function isFolder(files: Files, path: string, leave: Leave): boolean {
  const kind = files.look(path)?.kind;
  if (kind !== 'folder' && kind !== undefined) leave(path, 0, 'it is no folder of its own');
  return kind === 'folder';
}

/** What was read; undefined, and told, when it is damaged or cannot be read. */
export async function intact<T>(
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

/** Tells a damage. @throws everything else. */
export function leaveDamage(error: unknown, leave: Leave): StoreCorruptError {
  if (!(error instanceof StoreCorruptError)) throw error;
  leave(error.file, error.offset, error.why);
  return error;
}
