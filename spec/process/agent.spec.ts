import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

describe('examples/agent.ts', () => {
  let folder = '';
  let program: ChildProgram;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-agent-'));
    const env = {
      NODE_ENV: '',
      MILLRACE_STATE: folder,
      OPENAI_API_KEY: '',
      OPENAI_BASE_URL: '',
      ANTHROPIC_API_KEY: '',
    };
    program = childProgram(join(__dirname, '../../examples/agent.ts'), { env });
  });
  afterAll(() => {
    program.remove();
    rmSync(folder, { recursive: true });
  });

  it('is killed behind its first tool, goes on without it, and answers', async () => {
    const killed = await program.run('--die');
    expect(killed.signal).toBe('SIGKILL');
    // Which of the tools side by side ends first is a matter of chance.
    const [, first] =
      /^I measure them\.\nround\[0\].+"species":"(Adelie|Gentoo)","count":/.exec(killed.stdout) ?? [];
    expect(first).toBeDefined();

    const answered = await program.run();
    expect({ stderr: answered.stderr, code: answered.code }).toEqual({ stderr: '', code: 0 });
    expect(answered.stdout).toMatch(/^the run goes on: life 2\n/);
    expect(answered.stdout).not.toContain(`"species":"${String(first)}"`);
    expect(answered.stdout).toContain('Gentoo penguins are the heaviest, at about 5.1 kg.\n9 messages\n');
    // The README shows it; which tools of the first round are left is a matter of chance.
    const shown = readFileSync(join(__dirname, '../../README.md'), 'utf8');
    for (const line of answered.stdout.split('\n'))
      if (!line.startsWith('round[0]')) expect(shown).toContain(`${line}\n`);
  });
});
