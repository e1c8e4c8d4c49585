import { dirname } from 'node:path';

import type { Found } from '../../../../lib/store/folder/files/files';
import { MemoryFiles } from './memoryFiles';

/*
 * Seeded bugs of the tests of the tests: each class makes the store behave as if a line of it were wrong, by what it does with
 * the calls that line makes.
 */

const isMended = (path: string): boolean => path.endsWith('.ndjson.tmp');
const original = (path: string): string => path.slice(0, -'.tmp'.length);

/** As if a torn tail were not cut: the mended file never takes the place of the torn one. */
export class TornTailStays extends MemoryFiles {
  override rename(from: string, to: string): void {
    if (isMended(from)) this.remove(from);
    else super.rename(from, to);
  }
}

/** As if a torn file were mended in place: emptied and written again under its own name. */
export class MendsInPlace extends MemoryFiles {
  override create(path: string): number {
    if (!isMended(path)) return super.create(path);
    const file = this.open(original(path));
    this.cut(file, 0);
    return file;
  }

  override rename(from: string, to: string): void {
    if (!isMended(from)) super.rename(from, to);
  }
}

/** As if a failed append were not rolled back: what it left stays, and the next record follows it. */
export class NoRollback extends MemoryFiles {
  readonly #lengths = new Map<number, number>();

  override write(file: number, bytes: Uint8Array, position: number): number {
    const end = Math.max(position, this.#lengths.get(file) ?? 0);
    this.#lengths.set(file, end + (bytes.length >> 1)); // What a write that fails half-way leaves.
    const count = super.write(file, bytes, end);
    this.#lengths.set(file, end + count);
    return count;
  }

  override create(path: string): number {
    const file = super.create(path);
    this.#lengths.delete(file);
    return file;
  }

  override cut(): void {}
}

/** As if a lock were taken by removing the file of whoever has it. */
export class StealsLocks extends MemoryFiles {
  override link(from: string, to: string): void {
    this.remove(to);
    super.link(from, to);
  }
}

/** As if a run counted as forgotten before the record that says so was on the disk. */
export class ForgetsTooSoon extends MemoryFiles {
  #isForgetting = false;

  override write(file: number, bytes: Uint8Array, position: number): number {
    this.#isForgetting = Buffer.from(bytes).includes('store.deleted');
    return super.write(file, bytes, position);
  }

  override async sync(file: number): Promise<void> {
    if (!this.#isForgetting) await super.sync(file);
  }
}

/** As if the file of a run that is forgotten were removed before the record that says so is on the disk. */
export class RemovesTooSoon extends MemoryFiles {
  override write(file: number, bytes: Uint8Array, position: number): number {
    const count = super.write(file, bytes, position);
    for (const [, runId] of Buffer.from(bytes)
      .toString()
      .matchAll(/"store.deleted","runId":"(\w+)"/g)) {
      const path = `/state/runs/${String(runId)}.json`;
      if (this.remove(path)) void this.syncFolder(dirname(path)).catch(() => undefined);
    }
    return count;
  }
}

/** As if what was written while a sync was under way counted as synced: the latest record is not on the disk. */
export class CountsTooMuch extends MemoryFiles {
  readonly #ends = new Map<number, number>();

  override write(file: number, bytes: Uint8Array, position: number): number {
    this.#ends.set(file, position);
    return super.write(file, bytes, position);
  }

  override async sync(file: number): Promise<void> {
    await super.sync(file);
    this.losesAfter(file, this.#ends.get(file) ?? 0);
  }
}

/** As if nobody looked whether the lock is still there. */
export class NeverLooks extends MemoryFiles {
  override look(path: string): Found | undefined {
    return path.includes('/lock/') ? { kind: 'file', id: 'as ever', stamp: 0 } : super.look(path);
  }
}

/** As if every file in the folder of the store were its own. */
export class TakesAllForOurs extends MemoryFiles {
  override async read(path: string, limit?: number, from?: number): Promise<Buffer | undefined> {
    const bytes = await super.read(path, limit, from);
    if (limit === undefined || !path.includes('/cache/')) return bytes;
    return Buffer.from('{\n"format": 4,\n"kind": "answer"');
  }
}

/** As if used messages stayed. */
export class KeepsMessages extends MemoryFiles {
  override remove(path: string): boolean {
    return path.includes('/inbox/') && path.endsWith('.json') ? false : super.remove(path);
  }
}
