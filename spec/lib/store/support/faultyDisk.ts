import fs from 'node:fs';
import promises from 'node:fs/promises';
import { join } from 'node:path';

import type { Faulty } from './sweep';

/** The disk of this machine, of which each call that is made while it is watched can fail. */
export class FaultyDisk implements Faulty {
  calls = 0;
  fate: Faulty['fate'] = () => undefined;
  readonly folder: string;

  /** @param folder - Only used for one piece of work. */
  constructor(folder: string) {
    this.folder = folder;
  }

  /** Does something while calls are counted, and fail. */
  async watch(work: () => Promise<void>): Promise<void> {
    // Node keeps the functions that it finds when something is removed for the first time.
    await promises.rm(join(this.folder, 'none'), { force: true });
    const spies = [
      ...SYNC.map((name) =>
        this.#spy(fs, name, (error) => {
          throw error;
        }),
      ),
      ...WITH_CALLBACK.map((name) =>
        this.#spy(fs, name, (error, args) => {
          (args.at(-1) as (error: Error) => void)(error);
        }),
      ),
      ...PROMISED.map((name) => this.#spy(promises, name, (error) => Promise.reject(error))),
    ];
    try {
      await work();
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  }

  #spy(
    where: object,
    name: string,
    fail: (error: Error, args: readonly unknown[]) => unknown,
  ): jest.SpyInstance {
    const known = where as Record<string, (...args: unknown[]) => unknown>;
    const real = known[name] as (...args: unknown[]) => unknown;
    return jest.spyOn(known, name).mockImplementation((...args: unknown[]) => {
      this.calls += 1;
      const fate = this.fate({ number: this.calls, name, path: String(args[0]) });
      return fate === undefined ? real.apply(where, args) : fail(fate.error, args);
    });
  }
}

const SYNC = ['openSync', 'writeSync', 'statSync', 'fstatSync', 'mkdirSync', 'fsyncSync', 'closeSync'];
const WITH_CALLBACK = ['open', 'write', 'fsync', 'close', 'chmod', 'rename', 'realpath', 'unlink'];
const PROMISED = ['open', 'stat', 'lstat', 'readFile', 'rm'];
