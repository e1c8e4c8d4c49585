import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Who writes to a store. A bare process id says little: the number is used again, and other machines have it too. */
export interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Names the boot of the machine and the process namespace; empty where the system does not tell. */
  readonly boot: string;
  /** When the process began, as the system counts; empty where the system does not tell. */
  readonly started: string;
  /** Different for every lock taken. */
  readonly token: string;
}

/** Tells who we are, and whether somebody else still lives. */
export interface Owners {
  self(): Owner;
  isAlive(owner: Owner): boolean;
}

/** The processes of this machine. An owner on another machine counts as alive. */
export const processOwners: Owners = {
  self: () => ({
    pid: process.pid,
    host: hostname(),
    boot: bootName(),
    started: ownStart(),
    token: randomBytes(12).toString('hex'),
  }),
  isAlive({ pid, host, boot, started }) {
    const here = bootName();
    if (boot !== here) {
      // Another boot of the same machine has ended; another machine, or another container, is out of sight.
      return host !== hostname() || boot === '' || here === '' || machineOf(boot) === machineOf(here);
    }
    if (boot === '' && host !== hostname()) return true;
    if (started !== '') {
      try {
        return startOf(pid) === started;
      } catch {
        // Too many open files, say: a lock is not taken away because nobody could look.
        return true;
      }
    }
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ESRCH';
    }
  },
};

function bootName(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

const machineOf = (boot: string): string => boot.split(' ')[0] ?? '';

/** When this process began; empty where the system does not tell. */
function ownStart(): string {
  try {
    return startOf(process.pid) ?? '';
  } catch {
    return '';
  }
}

/**
 * Field 22 of /proc/<pid>/stat; undefined when the process is gone, or a zombie.
 *
 * @throws what the system says when it could not look.
 */
function startOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program stands in brackets and may contain anything.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
