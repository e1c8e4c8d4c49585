import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lowdbStore } from '../../index';
import { random } from '../lib/store/support/random';
import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';
import { amount, isLong, seedOr, tally } from '../support/torture';
import type { Sample } from './children/manyItems';
import { sumsOf } from './children/numbered';

const ITEMS = amount(4_000, 1_000_000);
const KEYS = ITEMS / 10;
const KILLS = amount(1, 20);

function bytesIn(folder: string): number {
  let bytes = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    // A file may go while this looks.
    bytes += statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}

describe('a long stream that remembers (P28)', () => {
  let program: ChildProgram;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-stream-'));
  beforeAll(() => {
    program = childProgram(join(__dirname, 'children/manyItems.ts'), { isWhole: true });
  });
  afterAll(() => {
    program.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    `counts each of ${String(ITEMS)} items once over ${String(KILLS)} kills, in a small folder, little memory and linear time`,
    async () => {
      const draw = random(seedOr(20_261_128));
      const state = join(folder, 'state');
      const args = [state, String(ITEMS), String(KEYS)];
      let kills = 0;
      let largest = 0;
      for (let next = 1; next <= KILLS; next += 1) {
        const share = next / (KILLS + 1);
        // It waits some way behind that for whoever is held up and kills it late.
        const child = program.start(...args, String(Math.floor(ITEMS * (share + 0.1))));
        await new Promise<void>((resolve, reject) => {
          let told = '';
          child.stdout?.setEncoding('utf8').on('data', (text: string) => {
            told += text;
            const last = told.split('\n').at(-2);
            if (last === undefined || last === 'end') return;
            largest = Math.max(largest, bytesIn(state));
            // Some time after it has come so far, in the midst of whatever it does.
            if ((JSON.parse(last) as Sample).at >= ITEMS * share)
              setTimeout(() => child.kill('SIGKILL'), draw() * 30);
          });
          child.stderr?.on('data', (text: Buffer) => {
            reject(new Error(text.toString()));
          });
          child.on('close', (_code, signal) => {
            if (signal === 'SIGKILL') kills += 1;
            resolve();
          });
        });
      }
      const { stderr } = await program.run(...args);
      expect(stderr).toBe('');

      const store = lowdbStore(state);
      const claim = await store.streams.claim('numbers');
      const kept = claim.saved?.tables.get('by key') as Map<
        string,
        { state: { sum: number; count: number } }
      >;
      const sums = new Map([...kept].map(([key, { state: sum }]) => [key, sum]));
      expect([...(claim.saved?.tables.get('items')?.values() ?? [])]).toEqual([{ state: ITEMS }]);
      await claim.release();
      await store.close();
      const expected = sumsOf(ITEMS, KEYS);
      expect(sums.size).toBe(expected.size);
      expect(sums).toEqual(expected);
      largest = Math.max(largest, bytesIn(state));
      tally('items', ITEMS);
      tally('kills', kills);
      tally('kB of the folder at most', Math.round(largest / 1_000));
      expect(largest).toBeLessThan(50 * 2 ** 20);
      expect(kills).toBeGreaterThan(0);
    },
    600_000 + ITEMS,
  );

  // A short one says nothing about this.
  (isLong ? it : it.skip)(
    'holds no more memory, and takes no longer for an item, after many of them',
    async () => {
      // Without a kill: all in one process.
      const { stdout, stderr } = await program.run(join(folder, 'whole'), String(ITEMS), String(KEYS));
      expect(stderr).toBe('');
      const samples = stdout
        .trim()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Sample);
      // From the middle on all keys are there.
      const [first, middle, last] = [samples[4], samples[11], samples[19]] as [Sample, Sample, Sample];
      const cost = (from: Sample, to: Sample): number => (to.cpuMs - from.cpuMs) / (to.at - from.at);
      tally('MB of heap', Math.round(last.heapMb));
      expect(cost(middle, last)).toBeLessThan(2 * cost(first, middle));
      expect(last.heapMb).toBeLessThan(middle.heapMb * 1.2 + 5);
    },
    600_000 + ITEMS,
  );
});
