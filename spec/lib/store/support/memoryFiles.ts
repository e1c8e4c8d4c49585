import { dirname } from 'node:path';

import type { Files, Found } from '../../../../lib/store/folder/files/files';

/** A call to the file system: how often anything was called before, what, and on which path. */
export interface Call {
  readonly number: number;
  readonly name: string;
  readonly path: string;
}

/** What happens to a call: nothing, an error instead, or a write that stops half-way and then fails or ends the process. */
export type Fate = undefined | { readonly error: Error; readonly isHalfDone?: boolean };

/** How much of what was not synced survives a power loss. */
export type Loss = 'nothing survives' | 'everything survives' | (() => number);

interface Inode {
  content: Buffer;
  synced: Buffer;
}

/** What a folder has by its names: files, and folders, which stand in a list of their own. */
type Names = Map<string, Inode>;

/** Stands in a folder for a folder within it. */
const FOLDER: Inode = { content: Buffer.alloc(0), synced: Buffer.alloc(0) };

/** Calls that do nothing and say they did, by their paths. */
export interface Ignored {
  readonly write?: (path: string) => boolean;
  readonly sync?: (path: string) => boolean;
  readonly syncFolder?: (path: string) => boolean;
}

/** A file system in memory that knows what was synced. A power loss gives one of the states that may be left then. */
export class MemoryFiles implements Files {
  calls = 0;
  /** Whether looking counts as a call: an end of the process there is the same as one at the next call. */
  countsLooks = false;
  fate: (call: Call) => Fate = () => undefined;
  /** Seeded bugs of the tests of the tests. */
  readonly ignores: Ignored;
  readonly #folders = new Map<string, { names: Names; history: Names[] }>([
    ['/', { names: new Map(), history: [] }],
  ]);
  /** Tells inodes apart, as `look` does. */
  readonly #ids = new Map<Inode, number>();
  /** Counts the changes of names. */
  #changes = 0;
  readonly #open = new Map<number, { path: string; inode: Inode }>();
  #nextFile = 3;

  constructor(ignores: Ignored = {}) {
    this.ignores = ignores;
  }

  /** What a machine finds after the power was lost now. */
  afterPowerLoss(loss: Loss): MemoryFiles {
    const left = this.#another();
    const inodes = new Map<Inode, Inode>([[FOLDER, FOLDER]]);
    const survive = (inode: Inode): Inode => {
      const known = inodes.get(inode);
      if (known !== undefined) return known;
      const content = contentAfter(inode, loss);
      const next = { content, synced: content };
      inodes.set(inode, next);
      return next;
    };
    // Those above come first. A folder whose name is lost is lost with all that it holds.
    const folders = [...this.#folders].sort(([a], [b]) => a.length - b.length);
    for (const [folder, { history, names }] of folders) {
      if (folder !== '/' && left.#folders.get(dirname(folder))?.names.get(nameOf(folder)) !== FOLDER)
        continue;
      const states = [...history, names];
      const pick = loss === 'nothing survives' ? 0 : loss === 'everything survives' ? 1 : loss();
      const chosen = states[Math.round(pick * (states.length - 1))] ?? names;
      left.#folders.set(folder, {
        names: new Map([...chosen].map(([name, inode]) => [name, survive(inode)])),
        history: [],
      });
    }
    return left;
  }

  /** The same disk as another process sees it after this one was killed. */
  afterKill(): MemoryFiles {
    const left = this.#another();
    for (const [folder, state] of this.#folders)
      left.#folders.set(folder, {
        names: new Map(state.names),
        history: state.history.map((names) => new Map(names)),
      });
    return left;
  }

  /** All files and their bytes. */
  all(): Map<string, Buffer> {
    const found = new Map<string, Buffer>();
    for (const [folder, { names }] of this.#folders)
      for (const [name, inode] of names) if (inode !== FOLDER) found.set(`${folder}/${name}`, inode.content);
    return found;
  }

  /** Puts bytes in a file, as if they had always been there. */
  put(path: string, content: Buffer | undefined): void {
    this.#changes += 1;
    const names = this.#namesOf(dirname(path));
    if (content === undefined) names.delete(nameOf(path));
    else names.set(nameOf(path), { content, synced: content });
  }

  makeFolder(path: string): void {
    this.#meet('makeFolder', path);
    const missing: string[] = [];
    for (let folder = path; !this.#folders.has(folder); folder = dirname(folder)) missing.unshift(folder);
    for (const folder of missing) {
      this.#folders.set(folder, { names: new Map(), history: [] });
      this.#change(dirname(folder), (names) => names.set(nameOf(folder), FOLDER));
    }
  }

  list(folder: string): readonly string[] {
    this.#meet('list', folder);
    return [...(this.#folders.get(folder)?.names.keys() ?? [])];
  }

  look(path: string): Found | undefined {
    if (this.countsLooks) this.#meet('look', path);
    if (this.#folders.has(path)) return { kind: 'folder', id: path, stamp: this.#changes };
    const inode = this.#folders.get(dirname(path))?.names.get(nameOf(path));
    if (inode === undefined) return undefined;
    const id = this.#ids.get(inode) ?? this.#ids.size;
    this.#ids.set(inode, id);
    return { kind: 'file', id: String(id), stamp: this.#changes };
  }

  async read(path: string, limit = Number.POSITIVE_INFINITY, from = 0): Promise<Buffer | undefined> {
    await Promise.resolve();
    return this.readNow(path)?.subarray(from, from + limit);
  }

  readNow(path: string): Buffer | undefined {
    this.#meet('read', path);
    const content = this.#folders.get(dirname(path))?.names.get(nameOf(path))?.content;
    return content === undefined ? undefined : Buffer.from(content);
  }

  create(path: string): number {
    this.#meet('create', path);
    const names = this.#namesOf(dirname(path));
    if (names.has(nameOf(path))) throw errno('EEXIST', path);
    this.#change(dirname(path), (after) =>
      after.set(nameOf(path), { content: Buffer.alloc(0), synced: Buffer.alloc(0) }),
    );
    return this.open(path, true);
  }

  open(path: string, isMade = false): number {
    if (!isMade) this.#meet('open', path);
    const inode = this.#namesOf(dirname(path)).get(nameOf(path));
    if (inode === undefined) throw errno('ENOENT', path);
    this.#open.set(this.#nextFile, { path, inode });
    this.#nextFile += 1;
    return this.#nextFile - 1;
  }

  write(file: number, bytes: Uint8Array, position: number): number {
    const { path, inode } = this.#file(file);
    const fate = this.#ask('write', path);
    if (this.ignores.write?.(path) === true) return bytes.length;
    const length = fate === undefined ? bytes.length : fate.isHalfDone === true ? bytes.length >> 1 : 0;
    const content = Buffer.alloc(Math.max(inode.content.length, position + length));
    inode.content.copy(content);
    content.set(bytes.subarray(0, length), position);
    inode.content = content;
    if (fate !== undefined) throw fate.error;
    return length;
  }

  cut(file: number, length: number): void {
    const { path, inode } = this.#file(file);
    this.#meet('cut', path);
    inode.content = inode.content.subarray(0, length);
  }

  async sync(file: number): Promise<void> {
    const { path, inode } = this.#file(file);
    const { content } = inode;
    await Promise.resolve();
    this.#meet('sync', path);
    if (this.ignores.sync?.(path) !== true) inode.synced = content;
  }

  /** A seeded bug: what was synced of a journal does not reach beyond this length. */
  protected losesAfter(file: number, length: number): void {
    const { path, inode } = this.#file(file);
    if (path.includes('/journal/')) inode.synced = inode.synced.subarray(0, length);
  }

  close(file: number): void {
    this.#open.delete(file);
  }

  rename(from: string, to: string): void {
    this.#meet('rename', to);
    const inode = this.#namesOf(dirname(from)).get(nameOf(from));
    if (inode === undefined) throw errno('ENOENT', from);
    this.#change(dirname(to), (names) => {
      names.delete(nameOf(from));
      names.set(nameOf(to), inode);
    });
  }

  link(from: string, to: string): void {
    this.#meet('link', to);
    const inode = this.#namesOf(dirname(from)).get(nameOf(from));
    if (inode === undefined) throw errno('ENOENT', from);
    if (this.#namesOf(dirname(to)).has(nameOf(to))) throw errno('EEXIST', to);
    this.#change(dirname(to), (names) => names.set(nameOf(to), inode));
  }

  remove(path: string): boolean {
    this.#meet('remove', path);
    if (this.#folders.get(dirname(path))?.names.has(nameOf(path)) !== true) return false;
    this.#change(dirname(path), (names) => names.delete(nameOf(path)));
    return true;
  }

  async syncFolder(folder: string): Promise<void> {
    const entry = this.#folders.get(folder);
    const length = entry?.history.length ?? 0;
    await Promise.resolve();
    this.#meet('syncFolder', folder);
    if (this.ignores.syncFolder?.(folder) !== true) entry?.history.splice(0, length);
  }

  /** The same file system, the same bugs included, with nothing in it. */
  #another(): MemoryFiles {
    return new (this.constructor as typeof MemoryFiles)(this.ignores);
  }

  #meet(name: keyof Files, path: string): void {
    const fate = this.#ask(name, path);
    if (fate !== undefined) throw fate.error;
  }

  #ask(name: keyof Files, path: string): Fate {
    this.calls += 1;
    return this.fate({ number: this.calls, name, path });
  }

  #file(file: number): { path: string; inode: Inode } {
    const open = this.#open.get(file);
    if (open === undefined) throw errno('EBADF', String(file));
    return open;
  }

  #namesOf(folder: string): Names {
    const entry = this.#folders.get(folder);
    if (entry === undefined) throw errno('ENOENT', folder);
    return entry.names;
  }

  /** Every change of names is one step of the folder's history since it was synced. */
  #change(folder: string, edit: (names: Names) => unknown): void {
    const entry = this.#folders.get(folder);
    if (entry === undefined) throw errno('ENOENT', folder);
    this.#changes += 1;
    entry.history.push(entry.names);
    entry.names = new Map(entry.names);
    edit(entry.names);
  }
}

/** An error as the system gives it. */
export function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: made up, '${path}'`), { code });
}

function contentAfter({ content, synced }: Inode, loss: Loss): Buffer {
  if (loss === 'nothing survives' || content === synced) return synced;
  if (loss === 'everything survives') return content;
  // Half of the time a prefix of what was added, otherwise any of its sectors; a lost sector reads as zeros.
  if (loss() < 0.5) {
    const common = Math.min(content.length, synced.length);
    return content.subarray(0, common + Math.floor(loss() * (content.length - common + 1)));
  }
  const size =
    loss() < 0.7
      ? content.length
      : synced.length + Math.floor(loss() * Math.max(0, content.length - synced.length));
  const left = Buffer.alloc(size);
  for (let sector = 0; sector < size; sector += 512) {
    const from = loss() < 0.6 ? content : synced;
    if (sector < from.length) from.copy(left, sector, sector, Math.min(sector + 512, size));
  }
  return left;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
