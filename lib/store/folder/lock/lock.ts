import { dirname } from 'node:path';

import { StorageError, StoreLockedError, systemCodeOf } from '../../../errors/storageErrors';
import { realTimers } from '../../../streams/realTimers';
import type { Files } from '../files/files';
import { writeBytes } from '../files/nodeFiles';
import type { Owner, Owners, Presence, Sign } from './owner';
import { socketName } from './owner';

/** The right to write to a store. */
export interface Lock {
  /** Names this owner, as the file of the lock does. */
  readonly token: string;
  /**
   * Makes sure that nobody else has the right by now: asked before anything is acknowledged, and before the name of a file is
   * changed.
   *
   * @throws StorageError when the lock, or its folder, has been taken away.
   */
  readonly check: () => void;
  /**
   * The same for what is acknowledged many times in one go: a look counts until the microtasks that were queued before it have run,
   * and for a millisecond at most.
   */
  readonly checkInTurn: () => void;
  release(): void;
}

/** Who holds a lock, as its file says. */
export interface Holder {
  readonly number: number;
  /** Nobody, when the file has been emptied. */
  readonly owner: Owner | undefined;
  /** Counts the signs of life of an owner that the kernel cannot prove alive. */
  readonly beat: number;
}

/**
 * Takes the right to write to a store: at once where it is free or the kernel proves its owner dead, and otherwise from an
 * owner that has given no sign of life for a lease.
 *
 * Every lock is a file with the next number, made complete under another name and then linked, which only one can do. The
 * file with the highest number is never removed, so numbers only grow, and a slow starter that has looked at an old file
 * finds out: after linking, whoever sees a higher number steps back. A lock is given back by emptying its file.
 *
 * @throws StoreLockedError when the owner lives.
 */
export async function takeLock(files: Files, folder: string, store: string, owners: Owners): Promise<Lock> {
  files.makeFolder(folder);
  const presence = await owners.appear(folder);
  try {
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const holder = holderOf(files, folder);
      if (holder.owner !== undefined && (await lives(files, folder, owners, holder)))
        throw lockedBy(store, holder.owner, presence.owner, `${folder}/${String(holder.number)}`);
      const taken = takeAfter(files, folder, holder.number, presence.owner);
      if (taken === undefined) continue;
      if (holder.owner !== undefined) removeQuietly(files, `${folder}/${socketName(holder.owner.token)}`);
      return heldLock(files, taken, store, owners, presence);
    }
    throw new StorageError('lock', folder, 'others keep taking it', 'try again');
  } catch (error) {
    presence.leave();
    // Where a lock of ours may have stayed, the socket must stay too: it proves that nobody holds that lock.
    if (error instanceof StoreLockedError)
      removeQuietly(files, `${folder}/${socketName(presence.owner.token)}`);
    throw error;
  }
}

/** Each lost round means that somebody else has had the lock meanwhile: of four who do nothing else, 16 were not enough. */
const MOST_ROUNDS = 256;

/** Whether somebody holds the lock, as far as one can see at once. */
export async function isLocked(files: Files, folder: string, owners: Owners): Promise<boolean> {
  const { owner } = holderOf(files, folder);
  return owner !== undefined && (await owners.sign(folder, owner)) !== 'dead';
}

/** Whether the holder lives; waits for its beat where the kernel proves nothing. */
async function lives(files: Files, folder: string, owners: Owners, holder: Holder): Promise<boolean> {
  const begun = owners.now();
  for (;;) {
    const sign: Sign = await owners.sign(folder, holder.owner as Owner);
    if (sign !== 'unknown') return sign === 'alive';
    const now = holderOf(files, folder);
    if (now.number !== holder.number || now.owner === undefined) return false; // The next round looks at the new one.
    if (now.beat !== holder.beat) return true;
    const left = owners.leaseMs - (owners.now() - begun);
    if (left <= 0) return false;
    await owners.sleep(Math.min(left, owners.leaseMs / 20));
  }
}

/** The file with the highest number, and who is named in it; number 0 when there is none. */
export function holderOf(files: Files, folder: string): Holder {
  const number = numbers(files, folder).at(-1) ?? 0;
  const held = number === 0 ? undefined : readHolder(files, `${folder}/${String(number)}`);
  return { number, owner: held?.owner, beat: held?.beat ?? 0 };
}

/** A lock that was taken: its file, kept open. As long as it is, no other file gets its id, and no beat needs a descriptor. */
interface Taken {
  readonly path: string;
  readonly file: number;
  readonly id: string | undefined;
}

/**
 * Takes the lock after this number, whose owner is known to be dead or gone; undefined when somebody else was faster.
 *
 * @throws StorageError; what may have stayed of the lock then is that of an owner who does not answer.
 */
export function takeAfter(files: Files, folder: string, number: number, me: Owner): Taken | undefined {
  const path = `${folder}/${String(number + 1)}`;
  const taken = linkNew(files, folder, path, me);
  if (taken === undefined) return undefined;
  try {
    const held = numbers(files, folder);
    if (held.at(-1) === number + 1) {
      for (const older of held) if (older <= number) files.remove(`${folder}/${String(older)}`);
      return taken;
    }
    files.remove(path);
  } catch (error) {
    files.close(taken.file);
    removeQuietly(files, path);
    throw error;
  }
  files.close(taken.file);
  return undefined;
}

/** For so long a look at the file counts for those who ask in the same turn. */
const SAME_LOOK_MS = 1;

/** The lock with this file, which is ours now. */
function heldLock(
  files: Files,
  { path, file, id }: Taken,
  store: string,
  owners: Owners,
  presence: Presence,
): Lock {
  const isStale = (): boolean => owners.now() - latest > owners.leaseMs / 2;
  let latest = owners.now();
  let beats = 0;
  let isHeld = true;
  const lost = (): StorageError =>
    new StorageError(
      'write to',
      store,
      'the right to has been lost: its lock was taken over or removed',
      'nothing more is acknowledged here; resume the run where the store is open now',
    );
  const check = (): void => {
    if (!isHeld) throw lost();
    // Opening asks a file server anew, where looking may be answered from a cache.
    if (!presence.isProven && isStale()) {
      if (readHolder(files, path)?.owner.token !== presence.owner.token) isHeld = false;
      else beat();
    }
    if (isHeld && files.look(path)?.id === id) return;
    isHeld = false;
    throw lost();
  };
  let seenAt = -Infinity;
  const forget = (): void => {
    seenAt = -Infinity;
  };
  const checkInTurn = (): void => {
    // Whoever must beat is looked at each time: a lease may end meanwhile.
    if (isHeld && presence.isProven && owners.now() - seenAt < SAME_LOOK_MS) return;
    check();
    seenAt = owners.now();
    queueMicrotask(forget);
  };
  const beat = (): void => {
    beats += 1;
    writeBytes(files, file, contentOf(presence.owner, beats), 0);
    latest = owners.now();
  };
  const beatOrWait = (): void => {
    try {
      check();
      beat();
    } catch {
      // A check before the next acknowledgement says so; a full disk may be gone at the next beat.
    }
  };
  const timer = presence.isProven
    ? undefined
    : realTimers.setInterval(beatOrWait, owners.leaseMs / 4).unref();
  return {
    token: presence.owner.token,
    check,
    checkInTurn,
    release() {
      realTimers.clearInterval(timer);
      presence.leave();
      try {
        if (isHeld) files.cut(file, 0);
        removeQuietly(files, `${dirname(path)}/${socketName(presence.owner.token)}`);
      } catch {
        // A file that still names us holds nobody up: the socket beside it says that we have gone.
      } finally {
        isHeld = false;
        files.close(file);
      }
    },
  };
}

/** Removes what is of no use any more; left where it is, it holds nobody up. */
function removeQuietly(files: Files, path: string): void {
  try {
    files.remove(path);
  } catch {
    // The next owner removes it.
  }
}

/** Makes a lock of this path; undefined when somebody else has it. */
function linkNew(files: Files, folder: string, path: string, me: Owner): Taken | undefined {
  const beside = `${folder}/${me.token}.tmp`;
  const file = files.create(beside);
  try {
    writeBytes(files, file, contentOf(me, 0), 0);
    const id = files.look(beside)?.id;
    files.link(beside, path);
    return { path, file, id };
  } catch (error) {
    files.close(file);
    if (systemCodeOf(error) === 'EEXIST') return undefined;
    throw error;
  } finally {
    removeQuietly(files, beside);
  }
}

/** Always of the same length: a beat is written over the one before. */
function contentOf(owner: Owner, beat: number): Buffer {
  return Buffer.from(`${JSON.stringify({ ...owner, beat: String(beat).padStart(12, '0') })}\n`);
}

function numbers(files: Files, folder: string): readonly number[] {
  return files
    .list(folder)
    .filter((name) => /^[1-9]\d{0,14}$/.test(name))
    .map((name) => {
      if (Number(name) < MOST_LOCKS) return Number(name);
      throw new StorageError('lock', `${folder}/${name}`, 'no store has made this file', 'remove it');
    })
    .sort((a, b) => a - b);
}

/** No store has been opened so often. */
const MOST_LOCKS = 1e14;

/**
 * Who holds the lock; nobody when its file has been emptied, or when a power loss has taken what stood there, and the owner
 * with it.
 *
 * @throws StorageError when somebody else has made the file.
 */
function readHolder(
  files: Files,
  path: string,
): { readonly owner: Owner; readonly beat: number } | undefined {
  const bytes = files.readNow(path);
  if (bytes === undefined || bytes.length === 0 || bytes.includes(0)) return undefined;
  const text = bytes.toString();
  let content: Partial<Owner & { readonly beat: unknown }> | null = null as typeof content;
  try {
    content = JSON.parse(text) as typeof content;
  } catch {
    if (text.startsWith(BEGIN) || BEGIN.startsWith(text)) return undefined;
  }
  const { pid, host, token, beat }: Partial<Owner & { readonly beat: unknown }> = content ?? {};
  if (typeof pid !== 'number' || typeof host !== 'string' || typeof token !== 'string')
    throw new StorageError('lock', path, 'no store has made this file', 'remove it');
  return { owner: { pid, host, token }, beat: Number(beat ?? 0) };
}

/** How the file of a lock begins. */
const BEGIN = '{"pid":';

function lockedBy(store: string, owner: Owner, me: Owner, file: string): StoreLockedError {
  const isMine = owner.host === me.host && owner.pid === me.pid;
  const advice = isMine
    ? 'that is this process: use one store object for a folder, or call close() on the other one'
    : `wait for its end, or call close() there; only if it is certain to have ended, remove ${file}`;
  return new StoreLockedError(store, owner.pid, owner.host, advice);
}
