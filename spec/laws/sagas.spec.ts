import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as fc from 'fast-check';

import { lowdbStore } from '../../index';
import { amount, seedOr, tally } from '../support/torture';
import type { Booking } from './support/bookings';
import { arbitraryBooking } from './support/bookings';
import type { History } from './support/sagaHistories';
import { checkSagas, faultsOf, history } from './support/sagaHistories';
import { World } from './support/sagaWorld';

/** 50 cases, or as many as `LAW_CASES` says; 10,000 in the long form. */
const CASES = amount(Number(process.env['LAW_CASES'] ?? 50), 10_000);

/** A tenth of that in folders. */
const IN_FOLDERS = Math.ceil(CASES / 10);

/** The same history in a folder of its own. */
async function faultsInFolder(shape: Booking, made: History): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-sagas-'));
  const store = lowdbStore(folder, { durability: 'process' });
  try {
    return await faultsOf(shape, made, new World(shape, made.isWhole, store, true));
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

describe('sagas, whatever they are made of and whatever happens to them', () => {
  it('keep what a saga that has completed has booked, undo once what any other one has, and touch nothing else', async () => {
    await checkSagas(CASES, CASES > 50 ? 40 : 4, seedOr(22));
    tally('histories of sagas', CASES);
  }, 3_600_000);

  it('do so in a folder', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryBooking, history, async (shape, made) => {
        expect(await faultsInFolder(shape, made)).toEqual([]);
      }),
      { numRuns: IN_FOLDERS, seed: seedOr(22) + 1, endOnFailure: IN_FOLDERS > 100 },
    );
    tally('histories of sagas in folders', IN_FOLDERS);
  }, 3_600_000);
});
