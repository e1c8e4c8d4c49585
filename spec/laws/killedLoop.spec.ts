import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';
import { amount, seedOr, tally } from '../support/torture';

/** So many deaths by SIGKILL: a few in `npm test`, 30 among the laws, many in the long form. */
const DEATHS = amount(4, 300, 30);

describe('a toolLoop that is killed with SIGKILL repeats no call of a model or a tool whose end was told', () => {
  let program: ChildProgram;
  let undisturbed: Told;
  beforeAll(async () => {
    program = childProgram(join(__dirname, 'children/killedLoop.ts'), { isWhole: true });
    // The least of some lives: one that a busy machine has held up would let others end before they are killed.
    const lives: Told[] = [];
    for (let life = 0; life < 3; life += 1) lives.push(await lived(['never']));
    undisturbed = lives.reduce((least, life) => (life.ms < least.ms ? life : least));
  });
  afterAll(() => {
    program.remove();
  });

  /** Goes through lives of the given lengths in milliseconds. */
  async function lived(lengths: readonly (number | 'never')[]): Promise<Told & { readonly deaths: number }> {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-loop-'));
    try {
      let deaths = 0;
      for (const ms of lengths) {
        const { code, signal, stderr } = await program.run(folder, String(ms));
        expect([stderr, signal ?? code]).toEqual(['', signal === null ? 0 : 'SIGKILL']);
        if (signal !== null) deaths += 1;
      }
      return { ...checked(join(folder, 'effects')), deaths };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it(`and ends with the transcript of one that was left alone, through ${String(DEATHS)} deaths`, async () => {
    // Shares of the time that it takes undisturbed. Not three, because a call in which the process died three times is blamed for it.
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 2 });
    const drawn = fc.sample(shares, { numRuns: 10 * DEATHS, seed: seedOr(11) });
    let deaths = 0;
    for (const lives of drawn) {
      if (deaths >= DEATHS) break;
      const lengths = lives.map((share) => Math.round(share * undisturbed.ms));
      const whole = await lived([...lengths, 'never']);
      expect(whole.output).toBe(undisturbed.output);
      deaths += whole.deaths;
    }
    expect(deaths).toBeGreaterThanOrEqual(DEATHS);
    tally('deaths of a toolLoop', deaths);
  }, 7_200_000);
});

/** What the processes of a run have told. */
interface Told {
  /** What it gave. */
  readonly output: string;
  /** How long its last life took, from its first event. */
  readonly ms: number;
}

/** What the run gave; fails when something began again after its end had been told. */
function checked(file: string): Told {
  const told = new Set<string>();
  let output = '';
  let ms = 0;
  for (const line of existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []) {
    const [, what = '', rest = ''] = /^(\w+) (.*)$/.exec(line) ?? [];
    if (what === 'told') told.add(rest);
    if (what === 'output') output = rest;
    if (what === 'took') ms = Number(rest);
    if (what === 'begins' && told.has(rest)) throw new Error(`${rest} began again after its end was told`);
  }
  return { output, ms };
}
