import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

/** So many for each shape; `npm run torture` asks for more. */
const KILLS = Number(process.env['KILLS'] ?? 20);

/** A small generator of numbers in [0, 1), so that a failing run can be had again (Mulberry32, Tommy Ettinger 2017). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const linesOf = (file: string): string[] =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];

describe('a process killed with SIGKILL', () => {
  let steady: ChildProgram;
  beforeAll(() => {
    steady = childProgram(join(__dirname, 'children/steady.ts'));
  });
  afterAll(() => {
    steady.remove();
  });

  /** One life; killed so many milliseconds after its first acknowledgement, or never. */
  const live = (folder: string, shape: string, killAfterMs: number | undefined) =>
    new Promise<string>((resolve, reject) => {
      const child = steady.start(folder, shape);
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
    'at %s: what was acknowledged never runs again, and the result is that of the uninterrupted run',
    async (shape) => {
      const seed = Number(process.env['SEED'] ?? 20_261_122);
      const random = seeded(seed);
      const undisturbed = mkdtempSync(join(tmpdir(), 'millrace-'));
      await live(undisturbed, shape, undefined);
      const expected = readFileSync(join(undisturbed, 'output'), 'utf8');

      let kills = 0;
      while (kills < KILLS) {
        const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
        const acknowledged = new Map<string, string>();
        while (!existsSync(join(folder, 'output'))) {
          const before = linesOf(join(folder, 'effects')).length;
          const ended = await live(folder, shape, kills < KILLS ? random() * 90 : undefined);
          if (ended === 'SIGKILL') kills += 1;
          const again = linesOf(join(folder, 'effects')).slice(before);
          expect(again.filter((path) => acknowledged.has(path))).toEqual([]);
          for (const line of linesOf(join(folder, 'acknowledged'))) {
            const [path = '', value = ''] = line.split(' ');
            expect(acknowledged.get(path) ?? value).toBe(value);
            acknowledged.set(path, value);
          }
        }
        expect({ seed, output: readFileSync(join(folder, 'output'), 'utf8') }).toEqual({
          seed,
          output: expected,
        });
        rmSync(folder, { recursive: true });
      }
      rmSync(undisturbed, { recursive: true });
    },
    60_000 + KILLS * 2_000,
  );
});
