import { holderOf, takeAfter } from '../../../../lib/store/folder/lock/lock';
import type { Owner, Owners } from '../../../../lib/store/folder/lock/owner';
import type { MemoryFiles } from './memoryFiles';

let tokens = 0;

/** Process `pid`, for which the kernel proves these others dead, and all the rest alive. */
export function ownersOf(pid: number, isDead: (pid: number) => boolean): Owners {
  return {
    appear: () => Promise.resolve({ owner: ownerOf(pid), isProven: true, leave: () => undefined }),
    sign: (_, owner) => Promise.resolve(isDead(owner.pid) ? 'dead' : 'alive'),
    leaseMs: 10_000,
    sleep: () => Promise.resolve(),
    now: () => performance.now(),
  };
}

function ownerOf(pid: number): Owner {
  tokens += 1;
  return { pid, host: 'here', token: `t${String(tokens)}` };
}

/** How many of two processes get the lock of a dead one, when the second does all of its work before call `at` of the first. */
export function winners(files: MemoryFiles, at: number): number {
  files.makeFolder('/s/lock');
  takeAfter(files, '/s/lock', 0, ownerOf(1));
  const before = files.calls;
  let won = 0;
  const attempt = (pid: number): void => {
    const { number, owner } = holderOf(files, '/s/lock');
    if (owner !== undefined && owner.pid !== 1) return;
    if (takeAfter(files, '/s/lock', number, ownerOf(pid)) !== undefined) won += 1;
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
