import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { childProgram } from '../support/child';
import type { Ended } from '../support/child';
import { amount, tally } from '../support/torture';

const ENDS = amount(4, 10, 10);

describe('a step that kills its process', () => {
  const program = childProgram(join(__dirname, 'children/dying.ts'), { isWhole: true });
  const folder = mkdtempSync(join(tmpdir(), 'millrace-poison-'));
  afterAll(() => {
    program.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const untilItEnds = async (...args: readonly string[]): Promise<{ ended: Ended; deaths: number }> => {
    for (let deaths = 0; deaths < 20; deaths += 1) {
      const ended = await program.run(...args);
      if (ended.signal === null) return { ended, deaths };
    }
    throw new Error('it never ended');
  };

  it('is named, and the items beside it keep their results', async () => {
    const { ended, deaths } = await untilItEnds(join(folder, 'killing'), 'killing');
    const { status, output } = JSON.parse(ended.stdout) as {
      readonly status: string;
      readonly output: readonly { readonly right?: number; readonly left?: object }[];
    };
    expect(status).toBe('COMPLETED');
    expect(output.map(({ right, left }) => right ?? left)).toEqual([
      1,
      expect.objectContaining({ name: 'PoisonStepError', path: '[1]/work' }),
      3,
      4,
      5,
      6,
    ]);
    expect(deaths).toBe(5);
    tally('kills', deaths);
  });

  it('is named also beside a long step and many short ones', async () => {
    const { ended, deaths } = await untilItEnds(join(folder, 'both'), 'both', 'last');
    expect(JSON.parse(ended.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({
      status: 'FAILED',
      error: { name: 'PoisonStepError', path: 'killer' },
      failed: ['killer'],
    });
    tally('kills', deaths);
  });

  it('is no long step beside others that SIGTERM ends again and again', async () => {
    const args = [join(folder, 'long'), 'long'];
    for (let end = 1; end <= ENDS; end += 1) {
      // In later lives it may have to wait until the others have ended.
      const ended = await program.runUntil('long', 'SIGTERM', ...args);
      expect(ended.signal).toBe('SIGTERM');
    }
    const { stdout } = await program.run(...args, 'last');
    expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({
      status: 'COMPLETED',
      output: { long: 'long', killer: 'tame' },
    });
    tally('ends by SIGTERM', ENDS);
  });
});
