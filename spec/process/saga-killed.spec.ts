import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { childProgram } from '../support/child';
import { amount, isLong, tally } from '../support/torture';

/** How often a run is begun, and killed until it ends. */
const RUNS = amount(1, 150);
const MOST_KILLS = isLong ? 12 : 2;

const program = childProgram(join(__dirname, '../torture/children/saga.ts'));
afterAll(() => {
  program.remove();
});

/** How a run has ended. */
interface Said {
  readonly status: string;
  /** Keys of the bookings on record. */
  readonly done: readonly string[];
  /** Whether the saga has won the race. */
  readonly hasWon: boolean;
}

/** Kills one run again and again, and gives what it said in the end. */
async function killed(
  folder: string,
  effects: string,
  how: string,
): Promise<{ said: string; kills: number }> {
  for (let kills = 0; ; kills += 1) {
    const child = program.start(folder, effects, how);
    let said = '';
    child.stdout?.on('data', (text: Buffer) => (said += text.toString()));
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    if (kills < MOST_KILLS) void wait(80 + Math.random() * 160).then(() => child.kill('SIGKILL'));
    const code = await ended;
    if (code === 0) return { said, kills };
    expect(kills).toBeLessThan(MOST_KILLS);
  }
}

describe('a saga in a process that is killed with kill -9', () => {
  it.each(['ends', 'goes back'])(
    'has each booking undone under one key, or standing, when the last one %s',
    async (how) => {
      let all = 0;
      for (let index = 0; index < RUNS; index += 1) {
        const place = mkdtempSync(join(tmpdir(), 'millrace-saga-'));
        const effects = join(place, 'effects');
        const { said, kills } = await killed(join(place, 'store'), effects, how === 'ends' ? 'ends' : 'back');
        all += kills;
        const { status, done, hasWon } = JSON.parse(said) as Said;
        expect(status).toBe(how === 'ends' ? 'COMPLETED' : 'FAILED');
        const lines = readFileSync(effects, 'utf8').trim().split('\n');
        const undone = new Map<string, Set<string>>();
        for (const [what, key = '', under = ''] of lines.map((line) => line.split(' ')))
          if (what === 'undo') undone.set(key, (undone.get(key) ?? new Set()).add(under));
        for (const keys of undone.values()) expect(keys.size).toBe(1);
        const standing = done.filter((key) => !undone.has(key)).map((key) => key.slice(-2));
        expect(standing.sort()).toEqual([
          ...(hasWon ? ['b1', 'b2'] : []),
          ...(how === 'ends' ? ['b5', 'b6'] : []),
        ]);
        expect([...undone.keys()].filter((key) => !done.includes(key))).toEqual([]);
        rmSync(place, { recursive: true, force: true });
      }
      tally('kills of sagas', all);
    },
    3_600_000,
  );
});
