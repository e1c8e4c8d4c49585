import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import * as library from '../../index';
import { lowdbStore } from '../../index';
import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';
import { amount, seedOr, tally } from '../support/torture';
import { arbitraryCase, Lives } from './support/lives';

/** So many processes are killed, each with so many runs under way. */
const KILLS = amount(4, 300);
const RUNS = 20;

describe('one resume is enough after a process was killed behind a failed step (P21)', () => {
  let struck: ChildProgram;
  beforeAll(() => {
    struck = childProgram(join(__dirname, 'children/struck.ts'), { isWhole: true });
  });
  afterAll(() => {
    struck.remove();
  });

  it('for each of many structures in one folder', async () => {
    let kills = 0;
    let runs = 0;
    for (let round = 0; round < KILLS; round += 1) {
      const seed = seedOr(4) + round;
      const durability = round % 2 === 0 ? 'disk' : 'process';
      const folder = mkdtempSync(join(tmpdir(), 'millrace-struck-'));
      const given = [folder, seed, RUNS, 1 + ((round * 7) % 23), durability].map(String);
      const { signal, stderr } = await struck.run(...given);
      expect([seed, stderr]).toEqual([seed, '']);
      if (signal === 'SIGKILL') kills += 1;
      const store = lowdbStore(folder, { durability });
      const drawn = fc.sample(arbitraryCase, { seed, numRuns: RUNS });
      const ended = await Promise.allSettled(
        drawn.map(async (one, index) => {
          const name = `r${String(index)}`;
          const before = await store.loadRun(name);
          if (before === undefined) return;
          runs += 1;
          await new Lives(library, one.shape, name).goesOn(store, before).catch((error: unknown) => {
            throw new Error(`seed ${String(seed)}, ${name}: ${JSON.stringify(one)}`, { cause: error });
          });
        }),
      );
      await store.close();
      for (const one of ended) if (one.status === 'rejected') throw one.reason;
      rmSync(folder, { recursive: true });
    }
    expect(kills).toBeGreaterThan(KILLS / 2);
    tally('kills', kills);
    tally('runs', runs);
  }, 7_200_000);
});
