import { StorageError, StoreLockedError, storing } from '../../../errors/storageErrors';
import type { Files } from '../files/files';
import type { Owner, Owners } from './owner';

/** The right to write to a store. */
export interface Lock {
  release(): void;
}

/**
 * Takes the right to write to a store, at once, also from an owner that has died.
 *
 * Every lock is a file with the next number, made complete under another name and then linked, which only one can do. The
 * file with the highest number is never removed, so numbers only grow, and a slow starter that has looked at an old file
 * finds out: after linking, whoever sees a higher number steps back. A lock is given back by emptying its file.
 *
 * @throws StoreLockedError when the owner lives.
 */
export function takeLock(files: Files, folder: string, store: string, owners: Owners): Lock {
  storing('make', folder, () => {
    files.makeFolder(folder);
  });
  const me = owners.self();
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    const highest = numbers(files, folder).at(-1) ?? 0;
    const owner = highest === 0 ? undefined : readOwner(files, `${folder}/${highest}`);
    if (owner !== undefined && owners.isAlive(owner))
      throw lockedBy(store, owner, me, `${folder}/${highest}`);
    const mine = highest + 1;
    if (!linkNew(files, folder, mine, me)) continue;
    const held = numbers(files, folder);
    if (held.at(-1) !== mine) {
      files.remove(`${folder}/${mine}`);
      continue;
    }
    for (const number of held) if (number < mine) files.remove(`${folder}/${number}`);
    return {
      release() {
        const file = storing('open', `${folder}/${mine}`, () => files.open(`${folder}/${mine}`));
        try {
          files.cut(file, 0);
        } finally {
          files.close(file);
        }
      },
    };
  }
  throw new StorageError('lock', folder, 'others keep taking it', 'try again');
}

/** Each lost round means that somebody else has had the lock meanwhile: of four who do nothing else, 16 were not enough. */
const MOST_ROUNDS = 256;

/** Whether a living process holds the lock. */
export function isLocked(files: Files, folder: string, owners: Owners): boolean {
  const highest = numbers(files, folder).at(-1);
  const owner = highest === undefined ? undefined : readOwner(files, `${folder}/${highest}`);
  return owner !== undefined && owners.isAlive(owner);
}

/** Makes lock number `number`; false when somebody else has it. */
function linkNew(files: Files, folder: string, number: number, me: Owner): boolean {
  const beside = `${folder}/${me.token}.tmp`;
  try {
    const file = files.create(beside);
    const bytes = Buffer.from(JSON.stringify(me));
    try {
      if (files.write(file, bytes, 0) !== bytes.length) throw new Error('not all of it was written');
    } finally {
      files.close(file);
    }
    files.link(beside, `${folder}/${number}`);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new StorageError('lock', folder, error);
  } finally {
    files.remove(beside);
  }
}

function numbers(files: Files, folder: string): readonly number[] {
  const names = storing('list', folder, () => files.list(folder));
  return names
    .filter((name) => /^[1-9]\d{0,14}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * Who holds the lock; nobody when its file has been emptied, or holds no lock: names are given to whole files only, so a
 * power loss has taken the rest, and the owner with it.
 */
function readOwner(files: Files, file: string): Owner | undefined {
  const bytes = storing('read', file, () => files.readNow(file));
  if (bytes === undefined || bytes.length === 0) return undefined;
  try {
    const { pid, host, boot, started, token } = JSON.parse(bytes.toString()) as Partial<Owner>;
    const isWhole =
      typeof pid === 'number' && [host, boot, started, token].every((text) => typeof text === 'string');
    return isWhole ? ({ pid, host, boot, started, token } as Owner) : undefined;
  } catch {
    return undefined;
  }
}

function lockedBy(store: string, owner: Owner, me: Owner, file: string): StoreLockedError {
  const isHere = owner.host === me.host && owner.boot === me.boot;
  const isMine = isHere && owner.pid === me.pid && owner.started === me.started;
  const advice = isMine
    ? 'that is this process: use one store object for a folder, or call close() on the other one'
    : isHere
      ? 'wait for its end, or call close() there'
      : `if it has ended, remove ${file}: whether a process of another machine or container lives cannot be seen`;
  return new StoreLockedError(store, owner.pid, owner.host, advice);
}
