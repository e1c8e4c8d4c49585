import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

describe('examples/research-assistant.ts', () => {
  let folder = '';
  let program: ChildProgram;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-research-'));
    program = childProgram(join(__dirname, '../../examples/research-assistant.ts'), {
      env: { NODE_ENV: '', MILLRACE_STATE: folder },
    });
  });
  afterAll(() => {
    program.remove();
    rmSync(folder, { recursive: true });
  });

  it('is killed while it writes, goes on, waits for an answer, and publishes', async () => {
    const read = 'check: Article 24 exists';
    const begin = () => program.runUntil(read, 'SIGKILL', 'Who has a right to rest and education?');
    let killed = await begin();
    // Whoever is held up may kill it too late: then again, from the beginning.
    for (let late = 0; killed.stdout.includes('write done') && late < 5; late += 1) {
      expect(killed.stdout.indexOf(read)).toBeLessThan(killed.stdout.indexOf('write done'));
      for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
      killed = await begin();
    }
    expect(killed.signal).toBe('SIGKILL');
    expect(killed.stdout).toContain('plan/look up rest done\n');
    expect(killed.stdout).toContain('headline/remote model failed: no key for the remote model\n');
    // What it writes is read before it has been written.
    expect(killed.stdout).not.toContain('write done');

    const waiting = await program.run();
    expect({ stderr: waiting.stderr, code: waiting.code }).toEqual({ stderr: '', code: 0 });
    expect(waiting.stdout).toMatch(/^the run goes on: life 2, \d+ steps reused\n/);
    expect(waiting.stdout).not.toMatch(/^(plan|articles)/m);
    expect(waiting.stdout.match(/check: Article \d+ exists/g)).toHaveLength(5);
    expect(waiting.stdout).toMatch(/waiting for "publish": start me again with yes or no\n$/);

    const published = await program.run('yes');
    expect({ stderr: published.stderr, code: published.code }).toEqual({ stderr: '', code: 0 });
    expect(published.stdout).toMatch(
      /^the run goes on: life 3, 15 steps reused\npublish done\nreport done\n/,
    );
    expect(published.stdout).toContain('RIGHT, REST, LEISURE\n');
    expect(published.stdout).toContain('Everyone has the right to education. [Article 26]\n');
    expect(published.stdout).toMatch(/\(5 sources\)\n$/);
  }, 300_000);
});
