import { realpathSync } from 'node:fs';

import { StoreLockedError } from '../../errors/storageErrors';
import type { Session } from './session';

/** What the copies of this module in one process must know of each other's open folders. Other releases read it too. */
interface OpenFolder {
  /** Which copy of this module has opened it. */
  readonly copy: object;
  readonly close: () => Promise<void>;
}

const SHARED = Symbol.for('millrace.openFolders');

/** This copy of the module. */
const copy = {};

/**
 * Opens a folder for writing, also when another copy of this module in this process has it open: a development server that
 * reloads its modules, or a test that resets them, leaves such a copy behind, with nobody who could close its stores.
 *
 * That copy gives the folder back first, as `close()` does: what it still carries on ends there and can be resumed. Two stores
 * of one copy stay two writers, of which the second is refused.
 *
 * @throws StoreLockedError when somebody else writes there.
 */
export async function openInProcess(
  folder: string,
  store: { close(): Promise<void> },
  open: () => Promise<Session>,
): Promise<Session> {
  let session: Session;
  try {
    session = await open();
  } catch (error) {
    const other = error instanceof StoreLockedError ? openFolders().get(realPath(folder)) : undefined;
    if (other === undefined || other.copy === copy) throw error;
    await other.close();
    session = await open();
  }
  openFolders().set(realPath(folder), { copy, close: () => store.close() });
  return session;
}

/** Forgets a folder that has been closed. */
export function closedInProcess(folder: string): void {
  const open = openFolders().get(realPath(folder));
  if (open?.copy === copy) openFolders().delete(realPath(folder));
}

function openFolders(): Map<string, OpenFolder> {
  const known = Reflect.get(globalThis, SHARED) as Map<string, OpenFolder> | undefined;
  if (known !== undefined) return known;
  const made = new Map<string, OpenFolder>();
  Reflect.set(globalThis, SHARED, made);
  return made;
}

function realPath(folder: string): string {
  try {
    return realpathSync(folder);
  } catch {
    return folder; // Removed meanwhile, or in the memory of a test.
  }
}
