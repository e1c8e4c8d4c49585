import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '../..');

describe('examples/research-assistant.ts', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-research-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** Starts the example as a reader would; kills it as soon as it has said `killAt`. */
  async function start(args: readonly string[], killAt?: string) {
    const child = spawn(
      process.execPath,
      ['-r', 'ts-node/register/transpile-only', join(root, 'examples/research-assistant.ts'), ...args],
      { cwd: root, env: { ...process.env, NODE_ENV: '', MILLRACE_STATE: folder } },
    );
    let stdout = '';
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (killAt !== undefined && stdout.includes(killAt)) child.kill('SIGKILL');
    });
    const status = await new Promise<string | number | null>((resolve) => {
      child.on('close', (code, signal) => {
        resolve(signal ?? code);
      });
    });
    return { stdout, stderr, status };
  }

  it('is killed while it writes, goes on, waits for an answer, and publishes', async () => {
    const killed = await start(['Who has a right to rest and education?'], 'check: Article 24 exists');
    expect(killed.status).toBe('SIGKILL');
    expect(killed.stdout).toContain('plan/look up rest done\n');
    expect(killed.stdout).toContain('headline/remote model failed: no key for the remote model\n');
    // What it writes is read before it has been written.
    expect(killed.stdout).not.toContain('write done');

    const waiting = await start([]);
    expect({ stderr: waiting.stderr, status: waiting.status }).toEqual({ stderr: '', status: 0 });
    expect(waiting.stdout).toMatch(/^the run goes on: life 2, \d+ steps reused\n/);
    expect(waiting.stdout).not.toMatch(/^(plan|articles)/m);
    expect(waiting.stdout.match(/check: Article \d+ exists/g)).toHaveLength(5);
    expect(waiting.stdout).toMatch(/waiting for "publish": start me again with yes or no\n$/);

    const published = await start(['yes']);
    expect({ stderr: published.stderr, status: published.status }).toEqual({ stderr: '', status: 0 });
    expect(published.stdout).toMatch(
      /^the run goes on: life 3, 15 steps reused\npublish done\nreport done\n/,
    );
    expect(published.stdout).toContain('RIGHT, REST, LEISURE\n');
    expect(published.stdout).toContain('Everyone has the right to education. [Article 26]\n');
    expect(published.stdout).toMatch(/\(5 sources\)\n$/);
  }, 60_000);
});
