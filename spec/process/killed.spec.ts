import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lowdbStore } from '../../index';
import { faultIn } from '../lib/store/support/foldedEvents';
import { random } from '../lib/store/support/random';
import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';
import { amount, seedOr, tally } from '../support/torture';

/** So many for each shape. */
const KILLS = amount(20, 1_500);
/** A child mostly waits for its steps and for the disk. */
const AT_ONCE = 4;

const textOf = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '');

const linesOf = (file: string): string[] => textOf(file).split('\n').slice(0, -1);

describe('a process killed with SIGKILL', () => {
  let steady: ChildProgram;
  beforeAll(() => {
    steady = childProgram(join(__dirname, 'children/steady.ts'), { isWhole: true });
  });
  afterAll(() => {
    steady.remove();
  });

  /** One life; killed so many milliseconds after its first acknowledgement, or never. */
  const live = (args: readonly string[], killAfterMs: number | undefined) =>
    new Promise<string>((resolve, reject) => {
      const child = steady.start(...args);
      let problems = '';
      child.stderr?.on('data', (chunk: Buffer) => (problems += chunk.toString()));
      child.stdout?.once('data', () => {
        if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
      });
      child.on('error', reject);
      child.on('close', (code, signal) => {
        if (problems !== '') reject(new Error(problems));
        else resolve(signal ?? String(code));
      });
    });

  it.each(['chain', 'dag'])(
    'at %s: what was acknowledged never runs again, and the result is that of the uninterrupted run (promises test 1)',
    async (shape) => {
      const seed = seedOr(20_261_122);
      const undisturbed = mkdtempSync(join(tmpdir(), 'millrace-'));
      await live([undisturbed, shape, 'process'], undefined);
      const expected = readFileSync(join(undisturbed, 'output'), 'utf8');
      rmSync(undisturbed, { recursive: true });

      let runs = 0;
      let kills = 0;
      /** A run, life after life, until it has completed. */
      const carryOn = async (): Promise<void> => {
        const which = `seed ${String(seed)}, run ${String(runs)}`;
        const draw = random(seed + runs);
        const durability = runs % 2 === 0 ? 'disk' : 'process';
        runs += 1;
        const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
        const acknowledged = new Map<string, string>();
        // A process may die between making this file and writing into it; the next one tells the end once more.
        while (textOf(join(folder, 'output')) === '') {
          const before = linesOf(join(folder, 'effects')).length;
          const ended = await live([folder, shape, durability], kills < KILLS ? draw() * 120 : undefined);
          if (ended === 'SIGKILL') kills += 1;
          const left = lowdbStore(join(folder, 'state'));
          const ids = (await left.listRuns()).map(({ runId }) => runId);
          expect([which, await faultIn(left, ids)]).toEqual([which, undefined]);
          const again = linesOf(join(folder, 'effects')).slice(before);
          expect([which, again.filter((path) => acknowledged.has(path))]).toEqual([which, []]);
          for (const line of linesOf(join(folder, 'acknowledged'))) {
            const [path = '', value = ''] = line.split(' ');
            expect([which, acknowledged.get(path) ?? value]).toEqual([which, value]);
            acknowledged.set(path, value);
          }
        }
        const output = textOf(join(folder, 'output'));
        expect([which, output]).toEqual([which, expected]);
        rmSync(folder, { recursive: true });
      };
      const lane = async (): Promise<void> => {
        while (kills < KILLS) await carryOn();
      };
      await Promise.all(Array.from({ length: AT_ONCE }, lane));
      tally('kills', kills);
      tally('runs', runs);
    },
    300_000 + KILLS * 10_000,
  );
});
