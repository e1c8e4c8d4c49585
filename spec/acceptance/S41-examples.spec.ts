import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Ended } from '../support/child';
import { childProgram } from '../support/child';

const root = join(__dirname, '../..');

/** Runs an example as a reader would, only without checking its types again. */
async function example(
  name: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Ended> {
  const program = childProgram(join(root, 'examples', name), { env: { NODE_ENV: '', ...env } });
  try {
    return await program.run(...args);
  } finally {
    program.remove();
  }
}

describe('S41 examples', () => {
  it('text-processing.ts tells live events, both summaries and real results', async () => {
    const { stdout, stderr, code } = await example('text-processing.ts');
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(stdout).toContain('udhr-eng  step.started load');
    expect(stdout.match(/text processing: COMPLETED/g)).toHaveLength(2);
    expect(stdout).toContain('1723 words, 504 of them distinct, in 134 sentences');
    expect(stdout).toMatch(/most frequent: 권리 \(54\), 자유 \(25\)/);
  });

  it('text-processing.ts names a file that does not exist, and ends with 1', async () => {
    const { stdout, code } = await example('text-processing.ts', ['nowhere.txt']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/failed at load: ENOENT: no such file or directory, open 'nowhere.txt'/);
  });

  it('data-chain.ts cleans the penguins and reports the rows it rejects', async () => {
    const { stdout, stderr, code } = await example('data-chain.ts');
    expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
    expect(stdout).toContain('Gentoo, male           61     5485 g');
    expect(stdout).toContain('11 rows rejected:');
    expect(stdout).toContain('row 336: .Sex expected "MALE" | "FEMALE", got string');
  });

  it('data-chain.ts refuses a file that holds no list before it validates rows', async () => {
    const { stderr, code } = await example('data-chain.ts', [join(root, 'package.json')]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/step "validate".*expected.*Array.*got object/i);
  });

  it('resume-after-crash.ts is killed half-way, and goes on when it is started again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    try {
      const first = await example('resume-after-crash.ts', [], { MILLRACE_STATE: folder });
      expect(first.signal).toBe('SIGKILL');
      expect(first.stdout).toMatch(/a new run\n.*count {2}runs\nrank {3}runs\n/s);

      const second = await example('resume-after-crash.ts', [], { MILLRACE_STATE: folder });
      expect({ stderr: second.stderr, code: second.code }).toEqual({ stderr: '', code: 0 });
      expect(second.stdout).toMatch(
        /life 2\nload {3}reused\nsplit {2}reused\ncount {2}reused\nrank {3}runs\nselect runs\nprint {2}runs\n/,
      );
      expect(second.stdout).toContain('Article 26: 121 words');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
