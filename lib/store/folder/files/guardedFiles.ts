import { dirname } from 'node:path';

import { asStorageError, StorageError } from '../../../errors/storageErrors';
import type { Layout } from '../layout';
import type { Files, Found } from './files';

/**
 * The one way in which a store touches its folder.
 *
 * - Whatever the system refuses is a `StorageError` that names the action and the path.
 * - The folders inside a store are folders of their own: a link, a pipe or a file in the place of one is refused by name
 *   before anything in it is read, written or removed.
 * - With a fence, nothing changes its name or appears once the fence refuses: who has lost the lock must not overwrite what
 *   the next owner writes.
 */
export class GuardedFiles implements Files {
  readonly #files: Files;
  readonly #folders: ReadonlySet<string>;
  readonly #fence: () => void;
  readonly #paths = new Map<number, string>();

  /**
   * @param layouts - Whose folders are looked at; the folder of a store itself may be a link.
   * @param fence - Throws when the right to change anything is lost; asked right before each change of a name.
   */
  constructor(files: Files, layouts: readonly Layout[], fence: () => void = () => undefined) {
    this.#files = files instanceof GuardedFiles ? files.#files : files;
    this.#folders = new Set(
      layouts.flatMap(
        ({ runs, snapshots, logs, cache, journal, inbox, lock, streams, signals, requests, queue }) => [
          runs,
          snapshots,
          logs,
          cache,
          journal,
          inbox,
          lock,
          streams,
          signals,
          requests,
          queue,
        ],
      ),
    );
    this.#fence = fence;
  }

  makeFolder(path: string): void {
    this.#fence();
    this.#checkFolder(path);
    this.#try('make', path, () => {
      this.#files.makeFolder(path);
    });
  }

  list(folder: string): readonly string[] {
    this.#checkFolder(folder);
    return this.#try('list', folder, () => this.#files.list(folder));
  }

  look(path: string): Found | undefined {
    return this.#try('look at', path, () => this.#files.look(path));
  }

  async read(path: string, limit?: number, from?: number): Promise<Buffer | undefined> {
    this.#checkFolder(dirname(path));
    try {
      return await this.#files.read(path, limit, from);
    } catch (error) {
      throw asStorageError(error, 'read', path);
    }
  }

  readNow(path: string): Buffer | undefined {
    this.#checkFolder(dirname(path));
    return this.#try('read', path, () => this.#files.readNow(path));
  }

  create(path: string): number {
    this.#fence();
    this.#checkFolder(dirname(path));
    return this.#opened(
      path,
      this.#try('make', path, () => this.#files.create(path)),
    );
  }

  open(path: string): number {
    this.#checkFolder(dirname(path));
    return this.#opened(
      path,
      this.#try('open', path, () => this.#files.open(path)),
    );
  }

  write(file: number, bytes: Uint8Array, position: number): number {
    try {
      return this.#files.write(file, bytes, position);
    } catch (error) {
      throw asStorageError(error, 'write to', this.#pathOf(file));
    }
  }

  cut(file: number, length: number): void {
    this.#try('cut', this.#pathOf(file), () => {
      this.#files.cut(file, length);
    });
  }

  async sync(file: number): Promise<void> {
    try {
      await this.#files.sync(file);
    } catch (error) {
      throw asStorageError(error, 'sync', this.#pathOf(file));
    }
  }

  close(file: number): void {
    const path = this.#pathOf(file);
    this.#paths.delete(file);
    this.#try('close', path, () => {
      this.#files.close(file);
    });
  }

  rename(from: string, to: string): void {
    this.#checkFolder(dirname(to));
    this.#fence();
    this.#try('write', to, () => {
      this.#files.rename(from, to);
    });
  }

  link(from: string, to: string): void {
    this.#checkFolder(dirname(to));
    this.#fence();
    this.#try('write', to, () => {
      this.#files.link(from, to);
    });
  }

  remove(path: string): boolean {
    this.#checkFolder(dirname(path));
    this.#fence();
    return this.#try('remove', path, () => this.#files.remove(path));
  }

  async syncFolder(folder: string): Promise<void> {
    this.#checkFolder(folder);
    try {
      await this.#files.syncFolder(folder);
    } catch (error) {
      throw asStorageError(error, 'sync', folder);
    }
  }

  #try<T>(action: string, path: string, act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw asStorageError(error, action, path);
    }
  }

  #opened(path: string, file: number): number {
    this.#paths.set(file, path);
    return file;
  }

  #pathOf(file: number): string {
    return this.#paths.get(file) ?? 'a file';
  }

  #checkFolder(folder: string): void {
    // Each stream has a folder of its own below one of these.
    if (!this.#folders.has(folder) && !this.#folders.has(dirname(folder))) return;
    const found = this.look(folder);
    if (found === undefined || found.kind === 'folder') return;
    const what = found.kind === 'link' ? 'a link' : found.kind === 'file' ? 'a file' : 'not a folder';
    throw new StorageError('use', folder, `it is ${what}`, 'put a folder of its own in its place');
  }
}
