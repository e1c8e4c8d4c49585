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

  const linesOf = (text: string): string[] => text.trim().split('\n');

  it.each([
    ['360', 'quakes/lists 1517961600000: from 2018-02-07T00:00 on Alaska 8, CA 6'],
    // Three quakes within one minute: the most there are.
    ['1', 'quakes/lists 1517554260000: from 2018-02-02T06:51 on CA 2, Montana 1'],
  ])(
    'tells the same sessions and lists of %s min, each under one id, when it is killed twice',
    async (minutes, list) => {
      const whole = await example.run(join(folder, `whole ${minutes}`), minutes);
      expect([whole.code, whole.stderr]).toEqual([0, '']);

      const state = join(folder, `killed ${minutes}`);
      const told: string[] = [];
      for (const killAfter of ['500', '700', 'Infinity']) {
        const { signal, stdout, stderr } = await example.run(state, minutes, killAfter);
        expect([signal, stderr]).toEqual([killAfter === 'Infinity' ? null : 'SIGKILL', '']);
        told.push(...linesOf(stdout));
      }

      const expected = linesOf(whole.stdout);
      expect(new Set(expected.map((line) => line.split(': ')[0])).size).toBe(expected.length);
      expect([...new Set(told)].sort()).toEqual([...expected].sort());
      // The second quake of each pair is kept out: a week has 1707 of them, and each is in one session.
      const inSessions = expected.flatMap(
        (line) => /^quakes\/sessions .*: (\d+) in /.exec(line)?.slice(1) ?? [],
      );
      expect(inSessions.reduce((sum, count) => sum + Number(count), 0)).toBe(1707);
      expect(expected).toContain(list);
    },
  );
});
