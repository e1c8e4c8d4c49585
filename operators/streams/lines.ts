import { watch } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';

import type { Positioned, ReadFrom } from './fromOffset';

/** Where in a file a line ends. */
export interface LineOffset {
  /** Bytes from the beginning of the file. */
  readonly byte: number;
  /** Number of the file in its file system: it stays when the file is renamed. */
  readonly inode: number;
  /** Checksum of the first bytes, at most 256 and no more than were read: another one is another content under the same number. */
  readonly head: number;
}

/** How a file is read. */
export interface LinesOptions {
  /** Whether to wait for more at the end of the file, and for a file that is not there yet; true when left out. */
  readonly follow?: boolean;
  /** How often to look for more, in milliseconds, where the system does not tell; 250 when left out. */
  readonly pollMs?: number;
}

/**
 * Reads a text file line by line, as `fromOffset` asks: from its beginning, or from behind a line on. UTF-8, with `\n` or `\r\n`.
 *
 * While it follows, it goes on with the file that takes the name when the old one is renamed (log rotation), after the rest of the old
 * one; it begins again when the content is replaced or cut (copy and truncate). A last line without its end is waited for; where it
 * does not follow, it is a line too. A rotated file that is renamed while nobody reads is found by its number in the same folder.
 */
export function lines(file: string, options: LinesOptions = {}): ReadFrom<string, LineOffset> {
  const { follow = true, pollMs = 250 } = options;
  return (offset) => ({
    [Symbol.asyncIterator]: () => new LineReader(file, offset, follow, pollMs),
  });
}

const CHUNK = 64 * 1024;
const HEAD = 256;
const NEWLINE = 0x0a;

class LineReader implements AsyncIterator<Positioned<string, LineOffset>> {
  readonly #file: string;
  readonly #follow: boolean;
  readonly #pollMs: number;
  #from: LineOffset | undefined;
  #open: FileHandle | undefined;
  #inode = 0;
  /** Bytes that have been read. */
  #read = 0;
  /** Bytes up to the end of the latest line. */
  #byte = 0;
  #head = Buffer.alloc(0);
  #rest: Buffer = Buffer.alloc(0);
  #isOver = false;
  #wake: (() => void) | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(file: string, from: LineOffset | undefined, follow: boolean, pollMs: number) {
    this.#file = file;
    this.#from = from;
    this.#follow = follow;
    this.#pollMs = pollMs;
  }

  next(): Promise<IteratorResult<Positioned<string, LineOffset>>> {
    const line = this.#turn.then(() => this.#next());
    this.#turn = line.catch(() => undefined);
    return line;
  }

  async return(): Promise<IteratorResult<Positioned<string, LineOffset>>> {
    this.#isOver = true;
    this.#wake?.();
    await this.#turn;
    await this.#close();
    return { done: true, value: undefined };
  }

  async #next(): Promise<IteratorResult<Positioned<string, LineOffset>>> {
    while (!this.#isOver) {
      const end = this.#rest.indexOf(NEWLINE);
      if (end !== -1) return this.#line(end, end + 1);
      if (this.#open === undefined && !(await this.#begin())) {
        if (!this.#follow) break;
        await this.#wait();
        continue;
      }
      if (await this.#more()) continue;
      if (await this.#isReplaced()) {
        // The rest of a file that will get no more is a line.
        if (this.#rest.length > 0) return this.#line(this.#rest.length, this.#rest.length);
        await this.#close();
        continue;
      }
      if (this.#follow) await this.#wait();
      else if (this.#rest.length > 0) return this.#line(this.#rest.length, this.#rest.length);
      else break;
    }
    await this.#close();
    return { done: true, value: undefined };
  }

  #line(end: number, used: number): IteratorResult<Positioned<string, LineOffset>> {
    const value = this.#rest.toString('utf8', 0, end > 0 && this.#rest[end - 1] === 0x0d ? end - 1 : end);
    this.#rest = this.#rest.subarray(used);
    this.#byte += used;
    const offset = { byte: this.#byte, inode: this.#inode, head: crc32(this.#head.subarray(0, this.#byte)) };
    return { done: false, value: { offset, value } };
  }

  /** Opens the file that comes next; false when it is not there. */
  async #begin(): Promise<boolean> {
    const from = this.#from;
    this.#from = undefined;
    const left = from === undefined ? undefined : await this.#find(from);
    const path = left ?? this.#file;
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      this.#from = from;
      return false;
    }
    this.#open = handle;
    this.#inode = (await handle.stat()).ino;
    this.#byte = left === undefined ? 0 : (from?.byte ?? 0);
    this.#read = this.#byte;
    this.#rest = Buffer.alloc(0);
    this.#head = await headOf(handle, Math.min(HEAD, this.#byte));
    return true;
  }

  /** The file in which an offset lies: ours, or one that ours has been renamed to. */
  async #find(from: LineOffset): Promise<string | undefined> {
    const folder = dirname(this.#file);
    const names = await readdir(folder).catch(() => [] as string[]);
    const own = basename(this.#file);
    for (const name of [
      own,
      ...names.filter((each) => each !== own && each.startsWith(own.split('.')[0] ?? own)),
    ]) {
      const path = join(folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found?.ino !== from.inode || found.size < from.byte) continue;
      const handle = await open(path, 'r');
      try {
        if (crc32(await headOf(handle, Math.min(HEAD, from.byte))) === from.head) return path;
      } finally {
        await handle.close();
      }
    }
    return undefined;
  }

  /** Reads on; false when there is nothing at the moment. */
  async #more(): Promise<boolean> {
    const handle = this.#open;
    if (handle === undefined) return false;
    const chunk = Buffer.alloc(CHUNK);
    const { bytesRead } = await handle.read(chunk, 0, CHUNK, this.#read);
    if (bytesRead === 0) return false;
    const bytes = chunk.subarray(0, bytesRead);
    if (this.#head.length < HEAD && this.#read === this.#head.length) {
      this.#head = Buffer.concat([this.#head, bytes.subarray(0, HEAD - this.#head.length)]);
    }
    this.#read += bytesRead;
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    return true;
  }

  /** Whether the open file will get no more: another one has its name, or it was cut and filled anew. */
  async #isReplaced(): Promise<boolean> {
    const handle = this.#open;
    if (handle === undefined) return false;
    const own = await handle.stat();
    if (own.size < this.#read) return true;
    if (!this.#head.equals(await headOf(handle, this.#head.length))) return true;
    const named = await stat(this.#file).catch(() => undefined);
    // A file without a name may still be written to; what takes its name ends it.
    return named !== undefined && named.ino !== this.#inode && own.size <= this.#read;
  }

  /** Waits until the system tells of a change, or for a while. */
  async #wait(): Promise<void> {
    await new Promise<void>((resolve) => {
      let watcher: ReturnType<typeof watch> | undefined;
      const timer = setTimeout(done, this.#pollMs);
      function done(): void {
        clearTimeout(timer);
        watcher?.close();
        resolve();
      }
      this.#wake = done;
      try {
        // A hint only: not every file system tells.
        watcher = watch(this.#open === undefined ? dirname(this.#file) : this.#file, done);
        watcher.on('error', () => undefined);
      } catch {
        // The timer remains.
      }
    });
    this.#wake = undefined;
  }

  async #close(): Promise<void> {
    const handle = this.#open;
    this.#open = undefined;
    await handle?.close();
  }
}

async function headOf(handle: FileHandle, length: number): Promise<Buffer<ArrayBuffer>> {
  const head = Buffer.alloc(length);
  const { bytesRead } = await handle.read(head, 0, length, 0);
  return head.subarray(0, bytesRead);
}
