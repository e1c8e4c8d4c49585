import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { StoreLockedError } from '../../../lib/errors/storageErrors';
import { takeLock } from '../../../lib/store/folder/lock/lock';
import { childProgram } from '../../support/child';
import type { Owners } from '../../../lib/store/folder/lock/owner';
import { amount, seedOr, tally } from '../../support/torture';
import { ownersOf, winners } from './support/lockRace';
import { MemoryFiles } from './support/memoryFiles';
import { random } from './support/random';

const FIGHT_MS = amount(3_000, 60_000);

describe('takeLock() (P8)', () => {
  it('is refused while the owner lives, and given when it has let go or died', async () => {
    const files = new MemoryFiles();
    const take = (pid: number, ...dead: readonly number[]) =>
      takeLock(
        files,
        '/s/lock',
        '/s',
        ownersOf(pid, (other) => dead.includes(other)),
      );
    const first = await take(1);
    await expect(take(2)).rejects.toThrow(StoreLockedError);
    first.release();
    await take(2);

    await expect(take(3)).rejects.toThrow('process 2 on here');
    const third = await take(3, 2);
    expect(() => {
      third.check();
    }).not.toThrow();
  });

  describe('asked in turn', () => {
    let files: MemoryFiles;
    let now: number;
    const take = (isProven: boolean) => {
      const owners: Owners = { ...ownersOf(1, () => false), now: () => now };
      const appear: Owners['appear'] = async (folder) => ({ ...(await owners.appear(folder)), isProven });
      return takeLock(files, '/s/lock', '/s', { ...owners, appear });
    };
    const remove = (): void => {
      for (const path of files.all().keys()) files.put(path, undefined);
    };
    beforeEach(() => {
      files = new MemoryFiles();
      now = 1_000;
    });

    it('looks once for all that ask in one turn within a millisecond', async () => {
      const { checkInTurn, check, release } = await take(true);
      checkInTurn();
      remove();
      now += 0.9;
      checkInTurn();

      expect(check).toThrow('the right to has been lost');
      expect(checkInTurn).toThrow('the right to has been lost');
      release();
    });

    it.each<[string, boolean, () => unknown]>([
      ['after a turn', true, () => Promise.resolve()],
      ['after a millisecond of the same turn', true, () => (now += 1)],
      ['each time where the kernel does not prove the owner alive', false, () => undefined],
    ])('looks again %s', async (_, isProven, wait) => {
      const { checkInTurn, release } = await take(isProven);
      checkInTurn();
      remove();
      const waited = wait();
      if (waited instanceof Promise) await waited;

      expect(checkInTurn).toThrow('the right to has been lost');
      release();
    });
  });

  it('lets exactly one of two break the lock of a dead owner, at whatever call the other one comes between', () => {
    for (let at = 1; at < 20; at += 1) expect([at, winners(new MemoryFiles(), at)]).toEqual([at, 1]);
  });

  it('is never held by two of four processes, some of which die holding it (promises test 11)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-lock-'));
    const fighters = childProgram(join(__dirname, 'support', 'lockFighter.ts'));
    const said: string[] = [];
    const end = performance.now() + FIGHT_MS;
    // Where processes take long to begin, so that none has died by then, the fight goes on.
    const goesOn = (): boolean => {
      const left = end - performance.now();
      return left > 0 || (left > -60_000 && !said.includes('SIGKILL'));
    };
    const fight = async (diesAfter: () => number) => {
      do {
        const left = String(Math.max(1_000, Math.ceil(end - performance.now())));
        const { stdout, stderr, signal } = await fighters.run(folder, left, String(diesAfter()));
        said.push(`${stderr}${stdout.trim()} ${signal ?? ''}`.trim());
      } while (goesOn());
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
