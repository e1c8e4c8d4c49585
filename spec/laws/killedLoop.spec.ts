import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';
import { amount, seedOr, tally } from '../support/torture';

/** So many deaths: a few in `npm test`, 30 in the laws, many in the long form. */
const CASES = amount(Math.ceil(Number(process.env['LAW_CASES'] ?? 50) / 20), 300);

describe('a toolLoop that is killed with SIGKILL repeats no call of a model or a tool whose end was told', () => {
  let program: ChildProgram;
  let undisturbed: string;
  beforeAll(async () => {
    program = childProgram(join(__dirname, 'children/killedLoop.ts'), { isWhole: true });
    undisturbed = (await lived(['never'])).output;
  });
  afterAll(() => {
    program.remove();
  });

  /** Goes through lives of the given lengths, and one to the end. */
  async function lived(
    lengths: readonly (number | 'never')[],
  ): Promise<{ readonly output: string; readonly kills: number }> {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-loop-'));
    try {
      let kills = 0;
      for (const ms of lengths) {
        const { code, signal, stderr } = await program.run(folder, String(ms));
        expect([stderr, signal ?? code]).toEqual(['', signal === null ? 0 : 'SIGKILL']);
        if (signal !== null) kills += 1;
      }
      return { output: checked(join(folder, 'effects')), kills };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it('and ends with the transcript of one that was left alone', async () => {
    let deaths = 0;
    // Not three, because a call in which the process died three times is blamed for it.
    const drawn = fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(drawn, async (lengths) => {
        const { output, kills } = await lived([...lengths, 'never']);
        expect(output).toBe(undisturbed);
        deaths += kills;
      }),
      { numRuns: CASES, seed: seedOr(11), endOnFailure: true },
    );
    expect(deaths).toBeGreaterThan(0);
    tally('deaths of a toolLoop', deaths);
  }, 7_200_000);
});

/** What the run gave; fails when something began again after its end had been told. */
function checked(file: string): string {
  const told = new Set<string>();
  let output = '';
  for (const line of existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []) {
    const [, what = '', rest = ''] = /^(\w+) (.*)$/.exec(line) ?? [];
    if (what === 'told') told.add(rest);
    if (what === 'output') output = rest;
    if (what === 'begins' && told.has(rest)) throw new Error(`${rest} began again after its end was told`);
  }
  return output;
}
