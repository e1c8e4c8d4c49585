import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { childProgram } from '../support/child';
import { amount, tally } from '../support/torture';

const KILLS = amount(2, 40, 5);
const AT_ONCE = 3;

describe('budget() over a run whose process is killed again and again', () => {
  const program = childProgram(join(__dirname, 'children/spending.ts'), { isWhole: true });
  const folder = mkdtempSync(join(tmpdir(), 'millrace-spending-'));
  afterAll(() => {
    program.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('passes the limit over all lives by no more than what was in flight', async () => {
    const ledger = join(folder, 'ledger');
    const calls = (): number => {
      try {
        return readFileSync(ledger, 'utf8').split('\n').length - 1;
      } catch {
        return 0;
      }
    };
    const limit = 10 * (KILLS + 1) * 8;
    const args = [join(folder, 'state'), ledger, String(limit)];
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const child = program.start(...args);
      const gone = new Promise((resolve) => child.once('exit', resolve));
      const poll = setInterval(() => {
        if (calls() >= kill * 8) child.kill('SIGKILL');
      }, 1);
      await gone;
      clearInterval(poll);
    }
    const { stdout } = await program.run(...args);
    const [error, listed = '', used = ''] = stdout.trim().split('\n');

    expect(error).toBe('BudgetExceededError');
    expect(JSON.parse(used)).toEqual({ tokens: expect.any(Number) as number });
    // What the list says is what the run says of itself.
    expect(JSON.parse(listed)).toEqual(JSON.parse(used));
    const { tokens } = JSON.parse(used) as { readonly tokens: number };
    // What is on record is over the limit by no more than what ended at once.
    expect(tokens).toBeGreaterThan(limit);
    expect(tokens).toBeLessThanOrEqual(limit + 10 * AT_ONCE);
    // What was spent besides was in flight at a kill, or at the end.
    expect(10 * calls()).toBeLessThanOrEqual(limit + 10 * AT_ONCE * (KILLS + 2));
    // A life after that calls nothing more.
    const before = calls();
    expect((await program.run(...args)).stdout).toContain('BudgetExceededError');
    expect(calls()).toBe(before);
    tally('kills', KILLS);
  });
});
