import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { takeLock } from '../../../lib/store/lock';
import { StoreLockedError } from '../../../lib/store/storeLockedError';
import { owners, winners } from './support/lockRace';
import { MemoryFiles } from './support/memoryFiles';

describe('takeLock() (P8)', () => {
  it('is refused while the owner lives, and given when it has let go or died', () => {
    const files = new MemoryFiles();
    const first = takeLock(files, '/s/lock', '/s', owners(1));
    expect(() => takeLock(files, '/s/lock', '/s', owners(2))).toThrow(StoreLockedError);
    first.release();
    takeLock(files, '/s/lock', '/s', owners(2));

    expect(() => takeLock(files, '/s/lock', '/s', owners(3))).toThrow('process 2 on here');
    takeLock(files, '/s/lock', '/s', owners(3, [2]));
  });

  it('lets exactly one of two break the lock of a dead owner, at whatever call the other one comes between', () => {
    for (let at = 1; at < 20; at += 1) expect([at, winners(new MemoryFiles(), at)]).toEqual([at, 1]);
  });

  it('is never held by two of four processes, some of which die holding it (promises test 11)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-lock-'));
    const child = join(__dirname, 'support', 'lockFighter.ts');
    const fight = (mayDie: string) =>
      new Promise<string>((resolve) => {
        const args = ['-r', 'ts-node/register/transpile-only', child, folder, '1500', mayDie];
        const fighter = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
        let said = '';
        fighter.stdout.on('data', (text: Buffer) => (said += text.toString()));
        fighter.on('close', (_code, signal) => resolve(`${said.trim()} ${signal ?? ''}`.trim()));
      });
    const said = await Promise.all(['', 'die', 'die', ''].map(fight));
    rmSync(folder, { recursive: true, force: true });

    for (const text of said) expect(text).toMatch(/^(held \d+|SIGKILL)$/);
    expect(said.filter((text) => text.startsWith('held ')).length).toBeGreaterThanOrEqual(2);
  });
});
