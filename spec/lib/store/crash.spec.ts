import { amount, everyNth, seedOr, tally } from '../../support/torture';
import type { Acknowledged } from './support/crash';
import { fault, storeOn, work, workUntil } from './support/crash';
import { life } from './support/life';
import type { Loss } from './support/memoryFiles';
import { errno, MemoryFiles } from './support/memoryFiles';
import { random } from './support/random';

async function callsOfAll(): Promise<number> {
  const files = new MemoryFiles();
  const store = storeOn(files);
  await work(store);
  await store.close();
  return files.calls;
}

const everything: Acknowledged = new Map([
  ['first', 6],
  ['second', 30],
]);

describe('a process that ends at any call to the file system (promises test 2)', () => {
  it.each(['disk', 'process'] as const)(
    'loses nothing acknowledged with durability %s',
    async (durability) => {
      const calls = await callsOfAll();
      for (let at = 1; at <= calls; at += everyNth(1)) {
        tally('kills', 2);
        const files = new MemoryFiles();
        const acknowledged = await workUntil(files, at, durability, at % 2 === 0);
        const once = files.afterKill();
        // The second life is ended too, early on.
        const again = await workUntil(once, 1 + (at % 37), durability, at % 3 === 0);
        const known = new Map([...acknowledged, ...again]);
        const left = once.afterKill();

        expect([at, await fault(left, known)]).toEqual([at, undefined]);
        await work(storeOn(left.afterKill()));
      }
    },
  );
});

describe('a power loss after any call to the file system (promises test 3)', () => {
  it('loses nothing acknowledged, whatever of the rest survives, also twice', async () => {
    const calls = await callsOfAll();
    const draw = random(seedOr(7));
    const losses: Loss[] = ['nothing survives', draw];
    for (let at = 1; at <= calls; at += everyNth(1)) {
      const files = new MemoryFiles();
      const acknowledged = await workUntil(files, at, 'disk', false);
      for (const loss of losses) {
        const left = files.afterPowerLoss(loss);
        expect([at, await fault(left.afterKill(), acknowledged)]).toEqual([at, undefined]);
        const again = await workUntil(left, 1 + Math.floor(draw() * 60), 'disk', false);
        const known = new Map([...acknowledged, ...again]);
        const twice = left.afterPowerLoss(draw);
        expect([at, await fault(twice, known)]).toEqual([at, undefined]);
        tally('losses', 2);
      }
    }
  });

  it('loses nothing acknowledged in random runs of several lives, which end by a kill or a loss', async () => {
    const RUNS = amount(100, 10_000);
    const draw = random(seedOr(3));
    const upTo = (most: number): number => Math.floor(draw() * (most + 1));
    for (let round = 0; round < RUNS; round += 1) {
      const histories = [life('first', upTo(3)), life('second', 1 + upTo(13), () => 'x'.repeat(upTo(700)))];
      const rotateBytes = 500 + upTo(4_000);
      const known: Acknowledged = new Map();
      let files = new MemoryFiles();
      for (let lives = 1 + upTo(2); lives > 0; lives -= 1) {
        const options = { histories, rotateBytes };
        const told = await workUntil(files, 1 + upTo(120), 'disk', draw() < 0.5, options);
        for (const [runId, seq] of told) known.set(runId, seq);
        const sort = upTo(4);
        files =
          sort === 0
            ? files.afterKill()
            : files.afterPowerLoss(
                sort === 1 ? 'nothing survives' : sort === 2 ? 'everything survives' : draw,
              );
        expect([round, await fault(files.afterKill(), known, histories)]).toEqual([round, undefined]);
      }
      await work(storeOn(files), known, histories);
    }
    tally('random runs', RUNS);
  });
});

describe('an error at any call to the file system (promises test 4)', () => {
  const codes = ['ENOSPC', 'EIO', 'EACCES', 'EMFILE', 'short write'];
  it.each(codes)('%s: nothing acknowledged is lost', async (code) => {
    const calls = await callsOfAll();
    for (const isSticky of [false, true]) {
      const step = everyNth(1);
      for (let at = 1 + (codes.indexOf(code) % step); at <= calls; at += step) {
        tally('errors', 1);
        const files = new MemoryFiles();
        files.fate = ({ number, path }) => {
          const isHit = isSticky ? number >= at : number === at;
          if (!isHit) return undefined;
          return {
            error: errno(code === 'short write' ? 'EIO' : code, path),
            isHalfDone: code === 'short write',
          };
        };
        const acknowledged: Acknowledged = new Map();
        const store = storeOn(files, at % 2 === 0 ? 'disk' : 'process');
        let error: unknown;
        await work(store, acknowledged).catch((thrown: unknown) => (error = thrown));
        if (error !== undefined) expect([at, (error as Error).name]).toEqual([at, 'StorageError']);
        await store.close().catch(() => undefined);
        files.fate = () => undefined;

        expect([at, isSticky, await fault(files.afterKill(), acknowledged)]).toEqual([
          at,
          isSticky,
          undefined,
        ]);
        const healed = storeOn(files.afterKill());
        await work(healed);
        for (const runId of everything.keys())
          expect((await healed.loadRun(runId))?.status).toBe('COMPLETED');
        await healed.close();
      }
    }
  });
});
