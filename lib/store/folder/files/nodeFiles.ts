import * as fs from 'node:fs';
import { promisify } from 'node:util';

import type { Files, Found } from './files';

// Not taken apart: bundlers keep what is destructured outside of functions.
const flags = fs.constants;
// Absent on Windows, where `read` looks at the kind of the file instead.
const NO_FOLLOW = (flags as { readonly O_NOFOLLOW?: number }).O_NOFOLLOW ?? 0;
// A pipe put in place of a file must not hold the process.
const NO_WAIT = (flags as { readonly O_NONBLOCK?: number }).O_NONBLOCK ?? 0;

const fdatasync = promisify(fs.fdatasync);
const fsync = promisify(fs.fsync);

/** The file system of this machine. */
export const nodeFiles: Files = {
  makeFolder(path) {
    fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  },
  list(folder) {
    // Asked first: the error of a folder that is not there costs ten times the question.
    if (fs.lstatSync(folder, { throwIfNoEntry: false }) === undefined) return [];
    return orAbsent(() => fs.readdirSync(folder)) ?? [];
  },
  look(path) {
    const found = fs.lstatSync(path, { throwIfNoEntry: false });
    return (
      found && {
        kind: kindOf(found),
        id: `${String(found.dev)}:${String(found.ino)}`,
        stamp: found.mtimeMs,
      }
    );
  },
  async read(path, limit = Number.POSITIVE_INFINITY, from = 0) {
    const file = openForReading(path);
    if (file === undefined) return undefined;
    try {
      const bytes = Buffer.allocUnsafe(Math.min(Math.max(0, fs.fstatSync(file).size - from), limit));
      let length = 0;
      while (length < bytes.length) {
        const { bytesRead } = await readSome(
          file,
          bytes,
          length,
          Math.min(bytes.length - length, 1 << 22),
          from + length,
        );
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return bytes.subarray(0, length);
    } finally {
      fs.closeSync(file);
    }
  },
  readNow(path) {
    const file = openForReading(path);
    if (file === undefined) return undefined;
    try {
      return fs.readFileSync(file);
    } finally {
      fs.closeSync(file);
    }
  },
  create(path) {
    return fs.openSync(path, flags.O_CREAT | flags.O_EXCL | flags.O_RDWR | NO_FOLLOW, 0o600);
  },
  open(path) {
    return fs.openSync(path, flags.O_RDWR | NO_FOLLOW | NO_WAIT);
  },
  write(file, bytes, position) {
    return fs.writeSync(file, bytes, 0, bytes.length, position);
  },
  cut(file, length) {
    fs.ftruncateSync(file, length);
  },
  sync: (file) => fdatasync(file),
  close(file) {
    fs.closeSync(file);
  },
  rename(from, to) {
    fs.renameSync(from, to);
  },
  link(from, to) {
    fs.linkSync(from, to);
  },
  remove(path) {
    return (
      orAbsent(() => {
        fs.unlinkSync(path);
        return true;
      }) ?? false
    );
  },
  async syncFolder(folder) {
    if (process.platform === 'win32') return; // Windows keeps names safe by itself, and refuses to open folders.
    const opened = fs.openSync(folder, flags.O_RDONLY);
    try {
      await fsync(opened);
    } finally {
      fs.closeSync(opened);
    }
  },
};

const readSome = promisify(fs.read);

function kindOf(found: fs.Stats): Found['kind'] {
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'folder';
  if (found.isSymbolicLink()) return 'link';
  return found.isSocket() ? 'socket' : 'other';
}

function openForReading(path: string): number | undefined {
  const file = orAbsent(() => fs.openSync(path, flags.O_RDONLY | NO_FOLLOW | NO_WAIT));
  if (file === undefined) return undefined;
  if (fs.fstatSync(file).isFile() && (NO_FOLLOW !== 0 || fs.lstatSync(path).isFile())) return file;
  fs.closeSync(file);
  throw Object.assign(new Error(`EINVAL: not a regular file, open '${path}'`), { code: 'EINVAL' });
}

function orAbsent<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Writes bytes at a position of an open file; a system may take them in pieces. */
export function writeBytes(files: Files, file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    const count = files.write(file, done === 0 ? bytes : bytes.subarray(done), position + done);
    if (count === 0) throw new Error('nothing was written');
    done += count;
  }
}

/** Makes a file of these bytes; its content survives a power loss, its name only with the folder. */
export async function writeNewFile(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const file = files.create(path);
  try {
    writeBytes(files, file, bytes, 0);
    await files.sync(file);
  } finally {
    files.close(file);
  }
}
