import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import * as lib from '../../index';
import { amount, seedOr, tally } from '../support/torture';
import { belongs, histories, World } from './support/histories';

/** 100 histories, 5/3 of what `LAW_CASES` says, or 20,000 in the long form; every fifth in a folder. */
const HISTORIES = amount(Math.round((Number(process.env['LAW_CASES'] ?? 60) * 5) / 3), 20_000);

describe('what is recorded is used for nothing but what it was made for (P22)', () => {
  it('in memory, after any history of operations', async () => {
    const numRuns = Math.ceil(HISTORIES * 0.8);
    await fc.assert(
      fc.asyncProperty(histories, (history) => belongs(history, new World(lib, lib.memoryStore), false)),
      { numRuns, seed: seedOr(20_261_128), endOnFailure: numRuns > 1000 },
    );
    tally('histories in memory', numRuns);
  }, 7_200_000);

  it('in a folder, opened again now and then', async () => {
    const numRuns = Math.ceil(HISTORIES * 0.2);
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const folder = mkdtempSync(join(tmpdir(), 'millrace-belongs-'));
        const world = new World(lib, () => lib.lowdbStore(folder, { durability: 'process' }));
        try {
          await belongs(history, world, true);
        } finally {
          await world.store.close();
          rmSync(folder, { recursive: true });
        }
      }),
      { numRuns, seed: seedOr(20_261_128) + 1, endOnFailure: numRuns > 1000 },
    );
    tally('histories in folders', numRuns);
  }, 7_200_000);
});
