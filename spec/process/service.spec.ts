import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

describe('examples/service.ts', () => {
  let folder: string;
  let program: ChildProgram;

  const made = (env: Readonly<Record<string, string>> = {}): void => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-service-'));
    program = childProgram(join(__dirname, '../../examples/service.ts'), {
      env: { NODE_ENV: '', MILLRACE_STATE: folder, ...env },
    });
  };
  afterEach(() => {
    program.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts the service, and waits for lines of it. */
  const start = () => {
    const child: ChildProcess = program.start();
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    const ended = new Promise<number | null>((resolve) => {
      child.on('close', resolve);
    });
    const says = async (text: string): Promise<void> => {
      const began = Date.now();
      while (!output.includes(text)) {
        if (Date.now() - began > 60_000) throw new Error(`it did not say "${text}", but: ${output}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    return { child, ended, says };
  };

  it('is killed, answered by another process, goes on, and drains on SIGTERM', async () => {
    made();
    const first = start();
    await first.says('order-1: waits for the manager');
    first.child.kill('SIGKILL');
    await first.ended;

    expect((await program.run('approve', 'order-1')).stdout).toBe('order-1 approved: kept\n');
    const second = start();
    await second.says('order-1: pack begins');
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);

    await second.says('order-1: shipped\ndrained');
    expect((await program.run('list')).stdout).toBe('order-1 COMPLETED\n');
  }, 240_000);

  it('hears an answer of another process, and runs its schedule', async () => {
    // Only the answer lets it go on.
    made({ DEADLINE_MS: '600000' });
    const service = start();
    await service.says('order-1: waits for the manager');
    await service.says('Z: 1');
    await program.run('approve', 'order-1');
    await service.says('order-1: shipped');
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(0);
  }, 240_000);

  it('keeps a deadline that passes while nobody serves', async () => {
    made({ DEADLINE_MS: '2500' });
    const first = start();
    await first.says('order-1: waits for the manager');
    first.child.kill('SIGKILL');
    await first.ended;
    await new Promise((resolve) => setTimeout(resolve, 2_600));

    const second = start();
    await second.says('order-1: sent back');
    second.child.kill('SIGTERM');
    expect(await second.ended).toBe(0);
  }, 240_000);
});
