import type { Acknowledged } from './support/crash';
import { fault, storeOn, work, workUntil } from './support/crash';
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

/** All points in the long form; `npm test` looks at some of them. */
const isLong = process.env['MILLRACE_TORTURE'] !== undefined;
const SEED = Number(process.env['SEED'] ?? 7);
if (isLong) jest.setTimeout(3_600_000);
const every = (short: number): number => (isLong ? 1 : short);

describe('a process that ends at any call to the file system (promises test 2)', () => {
  it.each(['disk', 'process'] as const)(
    'loses nothing acknowledged with durability %s',
    async (durability) => {
      const calls = await callsOfAll();
      for (let at = 1; at <= calls; at += every(3)) {
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
    const draw = random(SEED);
    const losses: Loss[] = isLong
      ? ['nothing survives', 'everything survives', draw, draw, draw, draw]
      : ['nothing survives', draw];
    for (let at = 1; at <= calls; at += 1) {
      const files = new MemoryFiles();
      const acknowledged = await workUntil(files, at, 'disk', false);
      for (const loss of losses) {
        const left = files.afterPowerLoss(loss);
        expect([at, await fault(left.afterKill(), acknowledged)]).toEqual([at, undefined]);
        const again = await workUntil(left, 1 + Math.floor(draw() * 60), 'disk', false);
        const known = new Map([...acknowledged, ...again]);
        const twice = left.afterPowerLoss(draw);
        expect([at, await fault(twice, known)]).toEqual([at, undefined]);
      }
    }
  });
});

describe('an error at any call to the file system (promises test 4)', () => {
  it.each(['ENOSPC', 'EIO', 'EACCES', 'EMFILE', 'short write'])(
    '%s: nothing acknowledged is lost',
    async (code) => {
      const calls = await callsOfAll();
      for (const isSticky of [false, true]) {
        for (let at = 1; at <= calls; at += every(code === 'ENOSPC' ? 2 : 9)) {
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
    },
  );
});
