import { watch } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
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
  /** Checksum of the last bytes before the offset, at most 256. */
  readonly tail: number;
  /** How many contents the name has had so far, as far as they were read: the same line in the next one is another line. */
  readonly content: number;
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
 * one; it begins again when the content is replaced or cut, after the rest of a copy that was made of it (copy and truncate). Where the
 * file was rotated several times while nobody read, it reads all of them, oldest first, as long as they lie in the same folder, are
 * called like it with a number or a date (`app.log.1`, `app-2026-11-28.log`), and are not compressed. A last line without its end is
 * waited for; where it does not follow, and where a file will get no more, it is a line too.
 *
 * The lag it tells is the number of bytes behind the line in its file.
 */
export function lines(file: string, options: LinesOptions = {}): ReadFrom<string, LineOffset> {
  const { follow = true, pollMs = 250 } = options;
  return (offset) => ({
    [Symbol.asyncIterator]: () => new LineReader(file, offset, follow, pollMs),
  });
}

const CHUNK = 64 * 1024;
const SAMPLE = 256;
const MOST_LOOKS = 20;
const NEWLINE = 0x0a;

interface Named {
  readonly path: string;
  readonly inode: number;
}

/** A class, because every line changes where it stands. */
class LineReader implements AsyncIterator<Positioned<string, LineOffset>> {
  readonly #file: string;
  readonly #follow: boolean;
  readonly #pollMs: number;
  /** Where it was left, until that place is found. */
  #from: LineOffset | undefined;
  /** The file behind which the next one comes, where that is not simply the one with the name. */
  #after: number | undefined;
  /** The file behind which the open one came, until it is sure that it did. */
  #came: number | undefined;
  #open: FileHandle | undefined;
  #inode = 0;
  #content: number;
  /** Bytes that have been read. */
  #read = 0;
  /** Bytes up to the end of the latest line. */
  #byte = 0;
  /** Bytes that the file held when it was looked at last. */
  #size = 0;
  /** The first bytes that were read, and the last ones before the end of the latest line, at most `SAMPLE` of each. */
  #head: Buffer = Buffer.alloc(0);
  #told: Buffer = Buffer.alloc(0);
  #rest: Buffer = Buffer.alloc(0);
  #replacedAt: number | undefined;
  #isOver = false;
  #wake: (() => void) | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(file: string, from: LineOffset | undefined, follow: boolean, pollMs: number) {
    this.#file = file;
    this.#from = from;
    this.#content = from?.content ?? 1;
    this.#follow = follow;
    this.#pollMs = pollMs;
  }

  next(): Promise<IteratorResult<Positioned<string, LineOffset>>> {
    // Nobody calls return() of an iterator that has failed.
    const line = this.#turn
      .then(() => this.#next())
      .catch(async (error: unknown) => {
        this.#isOver = true;
        await this.#close();
        throw error;
      });
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
      if (this.#came !== undefined && (await this.#isOvertaken(this.#came))) continue;
      const isCut = await this.#isCut();
      if (isCut ? await this.#goOnInCopy() : await this.#more()) continue;
      const isLeft = !isCut && this.#nextTo(this.#inode, await this.#chain()) !== undefined;
      if (isLeft && (await this.#mayGrow())) continue;
      // The rest of a file that will get no more is a line.
      const isLast = isCut || isLeft || !this.#follow;
      if (isLast && this.#rest.length > 0) return this.#line(this.#rest.length, this.#rest.length);
      if (isCut || isLeft) await this.#goOn(isCut ? undefined : this.#inode);
      else if (this.#follow) await this.#wait();
      else break;
    }
    await this.#close();
    return { done: true, value: undefined };
  }

  #line(end: number, used: number): IteratorResult<Positioned<string, LineOffset>> {
    const value = this.#rest.toString('utf8', 0, end > 0 && this.#rest[end - 1] === 0x0d ? end - 1 : end);
    this.#told = lastOf(this.#told, this.#rest.subarray(0, used));
    this.#rest = this.#rest.subarray(used);
    this.#byte += used;
    const offset: LineOffset = {
      byte: this.#byte,
      inode: this.#inode,
      head: crc32(this.#head.subarray(0, this.#byte)),
      tail: crc32(this.#told),
      content: this.#content,
    };
    return { done: false, value: { offset, value, lag: Math.max(0, this.#size - this.#byte) } };
  }

  /** Opens the file that comes next; false when it is not there. */
  async #begin(): Promise<boolean> {
    const from = this.#from;
    const left = from === undefined ? undefined : await this.#find(from);
    const handle = left ?? (await this.#openNext());
    if (handle === undefined) return false;
    // The content that was read is gone: this is another one.
    if (from !== undefined && left === undefined) this.#content += 1;
    this.#from = undefined;
    this.#came = this.#after;
    this.#after = undefined;
    this.#open = handle;
    this.#replacedAt = undefined;
    const { ino, size } = await handle.stat();
    this.#inode = ino;
    this.#size = size;
    this.#byte = left === undefined ? 0 : (from?.byte ?? 0);
    this.#read = this.#byte;
    this.#rest = Buffer.alloc(0);
    this.#head = await bytesOf(handle, 0, Math.min(SAMPLE, this.#byte));
    this.#told = await bytesOf(handle, Math.max(0, this.#byte - SAMPLE), this.#byte);
    return true;
  }

  async #openNext(): Promise<FileHandle | undefined> {
    const after = this.#after;
    if (after === undefined) return openFile(this.#file);
    // Looked up again: the one that came next may have been renamed, or cut behind a copy, meanwhile.
    const found = await this.#look(async (chain) => {
      const named = this.#nextTo(after, chain);
      const handle = named === undefined ? undefined : await openFile(named.path);
      if (handle === undefined || (await handle.stat()).ino === named?.inode) return handle;
      await handle.close();
      return undefined;
    });
    return found ?? openFile(this.#file);
  }

  /** The file in which an offset lies: ours, one that ours was renamed to, or a copy of it. */
  async #find({ byte, inode, head, tail }: LineOffset): Promise<FileHandle | undefined> {
    const folder = dirname(this.#file);
    return this.#look(async (chain) => {
      const copies = chain.map(({ path }) => path).reverse();
      const sameFile: string[] = [];
      for (const name of await readdir(folder).catch(() => [] as string[])) {
        const path = join(folder, name);
        if ((await inodeOf(path)) === inode) sameFile.push(path);
      }
      for (const path of [...sameFile, ...copies]) {
        const handle = await openIf(
          path,
          byte,
          (first, last) => crc32(first) === head && crc32(last) === tail,
        );
        if (handle !== undefined) return handle;
      }
      return undefined;
    });
  }

  /** Looks for something among the files until it is found, or nobody has renamed any meanwhile. */
  async #look<T>(find: (chain: readonly Named[]) => Promise<T | undefined>): Promise<T | undefined> {
    let chain = await this.#chain();
    for (let tries = 0; tries < MOST_LOOKS; tries += 1) {
      const found = await find(chain);
      if (found !== undefined) return found;
      const now = await this.#chain();
      if (isSame(chain, now)) return undefined;
      chain = now;
    }
    return undefined;
  }

  /** Whether the open file was copied and cut before anything of it was read: then the copy comes first. */
  async #isOvertaken(came: number): Promise<boolean> {
    await this.#more();
    const next = this.#nextTo(came, await this.#chain());
    const isOvertaken = next !== undefined && next.inode !== this.#inode;
    if (isOvertaken) {
      await this.#close();
      this.#rest = Buffer.alloc(0);
      this.#after = came;
    } else if (this.#read > 0) this.#came = undefined;
    return isOvertaken;
  }

  /** Reads on; false when there is nothing at the moment. */
  async #more(): Promise<boolean> {
    const handle = this.#open;
    if (handle === undefined) return false;
    // A line that is longer than a chunk is not put together from many small ones.
    const length = Math.max(CHUNK, this.#rest.length);
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, this.#read);
    if (bytesRead === 0) return false;
    const bytes = buffer.subarray(0, bytesRead);
    if (this.#head.length < SAMPLE && this.#read === this.#head.length) {
      this.#head = Buffer.concat([this.#head, bytes.subarray(0, SAMPLE - this.#head.length)]);
    }
    this.#read += bytesRead;
    this.#size = Math.max(this.#size, this.#read);
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    this.#replacedAt = undefined;
    return true;
  }

  /** Whether the open file no longer holds what was read of it: it was cut, and maybe filled anew. */
  async #isCut(): Promise<boolean> {
    const handle = this.#open;
    if (handle === undefined) return false;
    const { size } = await handle.stat();
    this.#size = size;
    if (size < this.#read) return true;
    const tail = lastOf(this.#told, this.#rest);
    return !(
      this.#head.equals(await bytesOf(handle, 0, this.#head.length)) &&
      tail.equals(await bytesOf(handle, this.#read - tail.length, this.#read))
    );
  }

  /** Goes on in a copy that was made before the file was cut; false when there is none. */
  async #goOnInCopy(): Promise<boolean> {
    const tail = lastOf(this.#told, this.#rest);
    const copy = await this.#look(async (chain) => {
      for (const { path, inode } of chain.toReversed()) {
        if (inode === this.#inode) continue;
        const handle = await openIf(
          path,
          this.#read,
          (first, last) => first.equals(this.#head.subarray(0, first.length)) && last.equals(tail),
        );
        if (handle !== undefined) return handle;
      }
      return undefined;
    });
    if (copy === undefined) return false;
    await this.#close();
    this.#open = copy;
    this.#inode = (await copy.stat()).ino;
    return true;
  }

  /** The file that came after one; undefined where there is none yet. */
  #nextTo(inode: number, chain: readonly Named[]): Named | undefined {
    const place = chain.findIndex((named) => named.inode === inode);
    if (place !== -1) return chain[place + 1];
    // It has been removed, or moved out of sight.
    const newest = chain.at(-1);
    return newest?.path === this.#file ? newest : undefined;
  }

  /** Whoever writes to a file that was renamed may take a while to notice. */
  async #mayGrow(): Promise<boolean> {
    if (!this.#follow) return false;
    this.#replacedAt ??= performance.now();
    const left = this.#replacedAt + this.#pollMs - performance.now();
    if (left <= 0) return false;
    await this.#wait(left);
    return true;
  }

  /** The file with the name and those that had it before, oldest first. */
  async #chain(): Promise<Named[]> {
    let chain = await this.#listed();
    // Somebody may rename one after the other while this looks: what is seen twice was there at one moment.
    for (let tries = 0; tries < MOST_LOOKS; tries += 1) {
      const again = await this.#listed();
      const isSame =
        again.length === chain.length && again.every(({ inode }, at) => inode === chain[at]?.inode);
      chain = again;
      if (isSame) break;
    }
    return chain;
  }

  async #listed(): Promise<Named[]> {
    const folder = dirname(this.#file);
    const own = basename(this.#file);
    const extension = extname(own);
    const stem = own.slice(0, own.length - extension.length);
    const numberOf = (name: string): string | undefined =>
      partBetween(name, own, '') ?? (extension === '' ? undefined : partBetween(name, stem, extension));
    const names = await readdir(folder).catch(() => [] as string[]);
    const older = names
      .flatMap((name) => {
        const number = numberOf(name);
        return number === undefined ? [] : [{ name, number }];
      })
      .sort((a, b) => byAge(a.number, b.number));
    const chain: Named[] = [];
    for (const name of [...older.map((one) => one.name), own]) {
      const path = join(folder, name);
      const inode = await inodeOf(path);
      if (inode !== undefined) chain.push({ path, inode });
    }
    return chain;
  }

  async #goOn(after: number | undefined): Promise<void> {
    await this.#close();
    this.#after = after;
    this.#content += 1;
  }

  /** Waits until the system tells of a change, or for a while. */
  async #wait(ms = this.#pollMs): Promise<void> {
    if (this.#isOver) return;
    await new Promise<void>((resolve) => {
      let watcher: ReturnType<typeof watch> | undefined;
      const timer = setTimeout(done, ms);
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

/** What stands between two parts of a name, where that is a number or a date. */
function partBetween(name: string, before: string, after: string): string | undefined {
  if (!name.startsWith(before) || !name.endsWith(after)) return undefined;
  const part = name.slice(before.length, name.length - after.length);
  return /^[.\-_]\d[\d.\-_T:]*$/.test(part) ? part.slice(1) : undefined;
}

/** Oldest first: small numbers count back from now, and dates forward. */
function byAge(a: string, b: string): number {
  const isCount = (part: string): boolean => /^\d{1,4}$/.test(part);
  if (isCount(a) && isCount(b)) return Number(b) - Number(a);
  if (isCount(a) !== isCount(b)) return isCount(a) ? 1 : -1;
  return a < b ? -1 : 1;
}

async function inodeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.ino;
}

function isSame(one: readonly Named[], other: readonly Named[]): boolean {
  return one.length === other.length && one.every(({ inode }, at) => inode === other[at]?.inode);
}

/** Opens a file; undefined where it is not there. */
async function openFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Opens a file that has at least so many bytes, where the first and the last of them are these. */
async function openIf(
  path: string,
  length: number,
  areThese: (first: Buffer, last: Buffer) => boolean,
): Promise<FileHandle | undefined> {
  const handle = await openFile(path);
  if (handle === undefined) return undefined;
  const found = await handle.stat();
  if (found.isFile() && found.size >= length) {
    const first = await bytesOf(handle, 0, Math.min(SAMPLE, length));
    if (areThese(first, await bytesOf(handle, Math.max(0, length - SAMPLE), length))) return handle;
  }
  await handle.close();
  return undefined;
}

async function bytesOf(handle: FileHandle, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc(to - from);
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, from);
  return bytes.subarray(0, bytesRead);
}

/** The last bytes of two pieces, at most `SAMPLE`. A copy, so that it keeps no chunk alive. */
function lastOf(before: Buffer, piece: Buffer): Buffer {
  if (piece.length >= SAMPLE) return Buffer.from(piece.subarray(piece.length - SAMPLE));
  return Buffer.concat([before, piece]).subarray(-SAMPLE);
}
