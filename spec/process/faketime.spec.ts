import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { childProgram } from '../support/child';
import { amount, tally } from '../support/torture';

/** Debian's package faketime; it turns the wall clock of a process from outside, and leaves the monotonic one alone. */
const LIBRARY = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
  .find((file) => existsSync(file));

const RUNS = amount(3, 100);
const JUMPS = ['+1d', '-1h', '+2d', '-3h', '+0'];

// The package has to be there: apt-get install faketime.
(LIBRARY === undefined ? describe.skip : describe)(
  'a process whose clock jumps (promises test 19, P15)',
  () => {
    it(
      'neither fails nor hangs, and measures what passed',
      async () => {
        const folder = mkdtempSync(join(tmpdir(), 'millrace-faketime-'));
        const clock = join(folder, 'clock');
        writeFileSync(clock, '+0');
        const clocked = childProgram(join(__dirname, 'children', 'clocked.ts'), {
          env: {
            LD_PRELOAD: LIBRARY ?? '',
            FAKETIME_TIMESTAMP_FILE: clock,
            FAKETIME_NO_CACHE: '1',
            FAKETIME_DONT_FAKE_MONOTONIC: '1',
          },
        });
        let jumps = 0;
        const turning = setInterval(() => {
          writeFileSync(clock, JUMPS[jumps % JUMPS.length] ?? '+0');
          jumps += 1;
        }, 67); // So that the jumps fall everywhere in a run.
        const began = performance.now();
        const { code, stdout, stderr } = await clocked.run(join(folder, 'state'), String(RUNS));
        const seconds = (performance.now() - began) / 1_000;
        clearInterval(turning);
        clocked.remove();
        rmSync(folder, { recursive: true });

        expect([code, stderr]).toEqual([0, '']);
        const lines = stdout.trim().split('\n');
        expect(lines.filter((line) => line.startsWith('COMPLETED 3 '))).toHaveLength(RUNS);
        for (const line of lines.slice(0, RUNS)) {
          const [least, most] = line.split(' ').slice(2).map(Number);
          expect(least).toBeGreaterThan(0);
          expect(most).toBeLessThan(seconds);
        }
        // Otherwise nobody has turned the clock.
        expect(Number(lines.at(-1)?.split(' ')[1])).toBeGreaterThan(1);
        tally('jumps under faketime', jumps);
      },
      RUNS * 15_000 + 100_000,
    );
  },
);
