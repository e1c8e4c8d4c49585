import * as fs from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

/** A socket on which a process answers, as long as it lives. */
export interface SocketServer {
  /** Answers no longer. Its name stays: who asks there is refused, which proves that nobody lives. */
  close(): void;
}

/** What whoever asked at a socket was told: somebody listens, nobody does any more, or nothing that proves anything. */
export type SocketAnswer = 'accepted' | 'refused' | 'none';

/**
 * Listens on a socket in this folder; undefined where the system has no such sockets, or none for so long a path.
 *
 * It holds no process open, and whoever comes and leaves does no harm.
 */
export async function listenAt(folder: string, name: string): Promise<SocketServer | undefined> {
  // Renamed once it listens: whoever closes a socket also removes the name that it was given first.
  return atShortPath(folder, `${name}.tmp`, (path, release) => {
    return new Promise((resolve) => {
      const server = createServer((caller) => {
        caller.on('error', () => undefined); // Whoever asked has left already.
        caller.destroy();
      });
      const end = (): void => {
        server.close();
        release();
      };
      server.once('error', () => {
        release();
        resolve(undefined);
      });
      server.listen(path, () => {
        server.removeAllListeners('error').on('error', () => undefined); // It listens on.
        server.unref();
        try {
          fs.renameSync(join(folder, `${name}.tmp`), join(folder, name));
          resolve({ close: end });
        } catch {
          end();
          resolve(undefined); // Then only the beat proves that we live.
        }
      });
    });
  });
}

/** Asks at a socket in this folder whether anybody listens. */
export async function answersAt(folder: string, name: string): Promise<SocketAnswer> {
  const answer = await atShortPath<SocketAnswer>(folder, name, (path, release) => {
    return new Promise((resolve) => {
      const caller = connect(path);
      const end = (told: SocketAnswer): void => {
        caller.destroy();
        release();
        resolve(told);
      };
      caller.once('connect', () => {
        end('accepted');
      });
      caller.on('error', (error: NodeJS.ErrnoException) => {
        end(error.code === 'ECONNREFUSED' ? 'refused' : 'none');
      });
    });
  });
  return answer ?? 'none';
}

/** Longest path of a socket that all systems take; libuv cuts a longer one without a word. */
const LONGEST = 100;

/** A path to the socket that is short enough: through an open folder where the real one is too long. */
async function atShortPath<T>(
  folder: string,
  name: string,
  use: (path: string, release: () => void) => Promise<T | undefined>,
): Promise<T | undefined> {
  const path = join(folder, name);
  if (process.platform === 'win32') return undefined; // Pipes there stand in no folder.
  if (Buffer.byteLength(path) <= LONGEST) return use(path, () => undefined);
  if (process.platform !== 'linux') return undefined;
  let opened: number;
  try {
    opened = fs.openSync(folder, fs.constants.O_RDONLY);
  } catch {
    return undefined; // No descriptor left: then nothing is proven.
  }
  let isOpen = true;
  return use(`/proc/self/fd/${String(opened)}/${name}`, () => {
    if (isOpen) fs.closeSync(opened);
    isOpen = false;
  });
}
