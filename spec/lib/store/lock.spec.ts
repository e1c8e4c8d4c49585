import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { takeLock } from '../../../lib/store/lock';
import type { Owners } from '../../../lib/store/owner';
import { StoreLockedError } from '../../../lib/store/storeLockedError';
import { MemoryFiles } from './support/memoryFiles';

const owners = (pid: number, dead: readonly number[] = []): Owners => ({
  self: () => ({ pid, host: 'here', boot: 'b', started: '1', token: `t${pid}` }),
  isAlive: (owner) => !dead.includes(owner.pid),
});

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
    for (let at = 1; at < 20; at += 1) {
      const files = new MemoryFiles();
      takeLock(files, '/s/lock', '/s', owners(1));
      const before = files.calls;
      const won: number[] = [];
      const attempt = (pid: number) => {
        try {
          takeLock(files, '/s/lock', '/s', owners(pid, [1]));
          won.push(pid);
        } catch (error) {
          expect(error).toBeInstanceOf(StoreLockedError);
        }
      };
      files.fate = ({ number }) => {
        if (number !== before + at) return undefined;
        files.fate = () => undefined;
        attempt(3);
        return undefined;
      };
      attempt(2);
      files.fate = () => undefined;

      expect([at, won.length]).toEqual([at, 1]);
    }
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
