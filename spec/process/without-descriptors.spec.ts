import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { childProgram } from '../support/child';

describe('a process that has no descriptor left for a moment', () => {
  it('completes all of its runs once they are tried again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    const program = childProgram(join(__dirname, 'children/withoutDescriptors.ts'), { isWhole: true });
    const { stdout, stderr } = await program.runIn('ulimit -n 64; exec "$@"', folder);
    program.remove();
    rmSync(folder, { recursive: true });

    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toEqual(['EMFILE', JSON.stringify([40, 40, 40, 40, 40, 40])]);
  });
});
