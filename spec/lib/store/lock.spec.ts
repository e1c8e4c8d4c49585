import type * as Fs from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { StoreLockedError } from '../../../lib/errors/storageErrors';
import { takeLock } from '../../../lib/store/folder/lock/lock';
import { processOwners } from '../../../lib/store/folder/lock/owner';
import { childProgram } from '../../support/child';
import { amount, seedOr, tally } from '../../support/torture';
import { owners, winners } from './support/lockRace';
import { errno, MemoryFiles } from './support/memoryFiles';
import { random } from './support/random';

const FIGHT_MS = amount(3_000, 60_000);

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

  it('is refused when nobody can look whether the owner lives', () => {
    const me = processOwners.self();
    const look = jest
      .spyOn(jest.requireActual<typeof Fs>('node:fs'), 'readFileSync')
      .mockImplementation((path) => {
        if (String(path).includes(String(me.pid))) throw errno('EMFILE', String(path));
        return 'the boot';
      });
    const owner = { ...me, boot: processOwners.self().boot };
    const isAlive = processOwners.isAlive(owner);
    look.mockRestore();

    expect(isAlive).toBe(true);
  });

  it('lets exactly one of two break the lock of a dead owner, at whatever call the other one comes between', () => {
    for (let at = 1; at < 20; at += 1) expect([at, winners(new MemoryFiles(), at)]).toEqual([at, 1]);
  });

  it('is never held by two of four processes, some of which die holding it (promises test 11)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-lock-'));
    const fighters = childProgram(join(__dirname, 'support', 'lockFighter.ts'));
    const said: string[] = [];
    const end = performance.now() + FIGHT_MS;
    const fight = async (diesAfter: () => number) => {
      do {
        const left = String(Math.ceil(end - performance.now()));
        const { stdout, stderr, signal } = await fighters.run(folder, left, String(diesAfter()));
        said.push(`${stderr}${stdout.trim()} ${signal ?? ''}`.trim());
      } while (performance.now() < end);
    };
    const draw = random(seedOr(11));
    const dies = () => 1 + Math.floor(draw() * 40);
    const lives = () => Number.POSITIVE_INFINITY;
    await Promise.all([lives, dies, dies, lives].map(fight));
    fighters.remove();
    rmSync(folder, { recursive: true, force: true });
    const killed = said.filter((text) => text === 'SIGKILL').length;
    tally('ms', FIGHT_MS);
    tally('killed', killed);
    for (const text of said) tally('locks held', Number(/^held (\d+)/.exec(text)?.[1] ?? 0));

    for (const text of said) expect(text).toMatch(/^(held \d+|SIGKILL)$/);
    expect(said.length - killed).toBeGreaterThanOrEqual(2);
    expect(killed).toBeGreaterThan(0);
  });
});
