import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname } from 'node:os';

import { realDelay } from '../../../streams/realTimers';
import type { SocketServer } from './ownerSocket';
import { answersAt, listenAt } from './ownerSocket';

/** Who writes to a store. Pid and host are only there to be told to people: no decision rests on names. */
export interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Different for every lock taken; also names the socket on which the owner answers. */
  readonly token: string;
}

/** Whether somebody lives: proven alive or dead by the kernel, or out of its sight. */
export type Sign = 'alive' | 'dead' | 'unknown';

/** An owner that others can ask for a sign of life. */
export interface Presence {
  readonly owner: Owner;
  /** Whether the kernel alone tells when this owner ends; otherwise it must beat. */
  readonly isProven: boolean;
  leave(): void;
}

/** Tells who we are, and whether somebody else still lives. */
export interface Owners {
  /** Begins to answer those who ask whether we live, in the folder of the lock. */
  appear(folder: string): Promise<Presence>;
  sign(folder: string, owner: Owner): Promise<Sign>;
  /** Milliseconds after which an owner without a sign of life, and whose beat has stood still, is taken for dead. */
  readonly leaseMs: number;
  /** Waits for the next look at a beat. */
  sleep(ms: number): Promise<void>;
  /** Milliseconds on a clock that nobody sets. */
  now(): number;
}

/** Longest silence of an owner that only its beat can prove alive. */
const LEASE_MS = 10_000;

/**
 * The processes of this machine, proven by a socket in the folder: the kernel answers for whoever listens on it, from any
 * container, also while the process is stopped, and refuses once the process has ended.
 *
 * A refusal proves nothing about an owner under another kernel. It counts only on a file system that one kernel mounts at a
 * time; everywhere else an owner has to be silent for a whole lease.
 */
export const processOwners: Owners = {
  async appear(folder) {
    const token = randomBytes(12).toString('hex');
    const server = await listenAt(folder, socketName(token));
    return presence(token, server, isLocal(folder));
  },
  async sign(folder, { token }) {
    const answer = await answersAt(folder, socketName(token));
    if (answer === 'refused') return isLocal(folder) ? 'dead' : 'unknown';
    return answer === 'accepted' ? 'alive' : 'unknown';
  },
  leaseMs: LEASE_MS,
  sleep: realDelay,
  now: () => performance.now(),
};

function presence(token: string, server: SocketServer | undefined, isOneKernel: boolean): Presence {
  return {
    owner: { pid: process.pid, host: hostname(), token },
    isProven: server !== undefined && isOneKernel,
    leave() {
      server?.close();
    },
  };
}

/** The name of the socket of an owner, in the folder of the lock. */
export function socketName(token: string): string {
  return `${token}.sock`;
}

/**
 * Whether the folder lies on a file system that only one kernel can have mounted. The magic numbers are those of statfs(2):
 * ext, XFS, Btrfs, tmpfs, overlayfs, F2FS, ZFS, bcachefs, ramfs. Network file systems, FUSE and 9P are not among them, and
 * neither is what is not known.
 */
function isLocal(folder: string): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return LOCAL.has(fs.statfsSync(folder).type);
  } catch {
    return false; // Then the beat decides.
  }
}

const LOCAL: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010, 0x2fc12fc1, 0xca451a4e, 0x858458f6,
]);
