import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

describe('examples/clickstream.ts', () => {
  let example: ChildProgram;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-clicks-'));
  beforeAll(() => {
    example = childProgram(join(__dirname, '../../examples/clickstream.ts'), { isWhole: true });
  });
  afterAll(() => {
    example.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('tells the same sessions and lists, each under one id, when it is killed twice and started again', async () => {
    const linesOf = (text: string): string[] => text.trim().split('\n');
    const whole = await example.run(join(folder, 'whole'));
    expect([whole.code, whole.stderr]).toEqual([0, '']);

    const state = join(folder, 'killed');
    const told: string[] = [];
    for (const killAfter of ['500', '700', 'Infinity']) {
      const { signal, stdout, stderr } = await example.run(state, killAfter);
      expect([signal, stderr]).toEqual([killAfter === 'Infinity' ? null : 'SIGKILL', '']);
      told.push(...linesOf(stdout));
    }

    const expected = linesOf(whole.stdout);
    expect(new Set(expected.map((line) => line.split(': ')[0])).size).toBe(expected.length);
    expect([...new Set(told)].sort()).toEqual([...expected].sort());
    // The second quake of each pair is kept out: a week has 1707 of them, and each is in one list.
    expect(expected).toContain('lists 1517961600000: from 2018-02-07T00 h on Alaska 8, CA 6');
  });
});
