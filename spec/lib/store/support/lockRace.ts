import { StoreLockedError } from '../../../../lib/errors/storageErrors';
import { takeLock } from '../../../../lib/store/folder/lock/lock';
import type { Owners } from '../../../../lib/store/folder/lock/owner';
import type { MemoryFiles } from './memoryFiles';

/** Process `pid`, which takes these others for dead. */
export const owners = (pid: number, dead: readonly number[] = []): Owners => ({
  self: () => ({ pid, host: 'here', boot: 'b', started: '1', token: `t${pid}` }),
  isAlive: (owner) => !dead.includes(owner.pid),
});

/** How many of two processes get the lock of a dead one, when the second does all of its work before call `at` of the first. */
export function winners(files: MemoryFiles, at: number): number {
  takeLock(files, '/s/lock', '/s', owners(1));
  const before = files.calls;
  let won = 0;
  const attempt = (pid: number): void => {
    try {
      takeLock(files, '/s/lock', '/s', owners(pid, [1]));
      won += 1;
    } catch (error) {
      if (!(error instanceof StoreLockedError)) throw error;
    }
  };
  files.fate = ({ number }) => {
    if (number !== before + at) return undefined;
    files.fate = () => undefined;
    attempt(3);
    return undefined;
  };
  attempt(2);
  files.fate = () => undefined;
  return won;
}
