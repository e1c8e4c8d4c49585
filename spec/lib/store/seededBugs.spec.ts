import type * as Library from '../../../index';
import { MendsInPlace, NoRollback, StealsLocks, TornTailStays } from './support/buggyFiles';
import type { Acknowledged } from './support/crash';
import { fault, storeOn, work, workUntil } from './support/crash';
import { folded, life } from './support/life';
import { winners } from './support/lockRace';
import type { Ignored } from './support/memoryFiles';
import { errno, MemoryFiles } from './support/memoryFiles';
import { random } from './support/random';

const isJournal = (path: string) => path.includes('/journal');
const isRun = (path: string) => path.includes('/runs');
const isHistory = (path: string) => path.includes('/history.json');

/** The power-loss test of crash.spec.ts, until it finds something. */
async function firstFault(ignored: Ignored): Promise<string | undefined> {
  const whole = new MemoryFiles(ignored);
  const store = storeOn(whole);
  await work(store).catch(() => undefined);
  await store.close().catch(() => undefined);
  const draw = random(23);
  for (let at = 1; at <= whole.calls + 1; at += 1) {
    const files = new MemoryFiles(ignored);
    const acknowledged = await workUntil(files, at, 'disk', false);
    for (const loss of ['nothing survives' as const, draw]) {
      const found = await fault(files.afterPowerLoss(loss), acknowledged);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

describe('the power-loss test finds a store (promises test 23)', () => {
  it.each<[string, Ignored]>([
    ['that does not sync its journal', { sync: isJournal }],
    ['that does not sync the folder of its journal', { syncFolder: isJournal }],
    ['that removes the journal of runs whose files are not synced', { sync: isRun }],
    ['that removes the journal of runs whose names are not synced', { syncFolder: isRun }],
    ['that does not sync history.json before its name', { sync: isHistory }],
    ['that acknowledges before it writes', { write: isJournal }],
  ])('%s', async (_, ignored) => {
    expect(await firstFault(ignored)).toBeDefined();
  });

  it('and nothing in the store as it is', async () => {
    expect(await firstFault({})).toBeUndefined();
  });
});

type Kind = new () => MemoryFiles;

/** The kill test of crash.spec.ts, until it finds something: the second life is ended too, and the power goes with it. */
async function firstFaultAfterKills(Kind: Kind): Promise<string | undefined> {
  const draw = random(5);
  for (let at = 1; at < 400; at += 1) {
    const files = new Kind();
    const acknowledged = await workUntil(files, at, 'disk', true);
    const once = files.afterKill();
    const again = await workUntil(once, 1 + Math.floor(draw() * 60), 'disk', true);
    const left = at % 2 === 0 ? once.afterKill() : once.afterPowerLoss(draw);
    const found = await fault(left, new Map([...acknowledged, ...again]));
    if (found !== undefined) return found;
  }
  return undefined;
}

describe('the kill test finds a store (promises test 23)', () => {
  it.each<[string, Kind]>([
    ['that does not cut a torn tail', TornTailStays],
    ['that mends a torn file in place', MendsInPlace],
  ])('%s', async (_, Kind) => {
    expect(await firstFaultAfterKills(Kind)).toBeDefined();
  });

  it('and nothing in the store as it is, also when the power fails in the life after a kill', async () => {
    expect(await firstFaultAfterKills(MemoryFiles)).toBeUndefined();
  });
});

/** A write that stops half-way, once, at every call; the same store goes on with the run, then the process is killed. */
async function firstFaultAfterShortWrites(Kind: Kind): Promise<string | undefined> {
  for (let at = 1; at < 200; at += 1) {
    const files = new Kind();
    files.fate = ({ number, path }) =>
      number === at ? { error: errno('ENOSPC', path), isHalfDone: true } : undefined;
    const acknowledged: Acknowledged = new Map();
    const store = storeOn(files, 'disk', 1 << 20);
    for (let attempt = 0; attempt < 2; attempt += 1) await work(store, acknowledged).catch(() => undefined);
    const found = await fault(files.afterKill(), acknowledged);
    if (found !== undefined) return found;
  }
  return undefined;
}

describe('the short-write test finds a store (promises test 23)', () => {
  it('that does not roll back a failed append', async () => {
    expect(await firstFaultAfterShortWrites(NoRollback)).toBeDefined();
  });

  it('and nothing in the store as it is (P7)', async () => {
    expect(await firstFaultAfterShortWrites(MemoryFiles)).toBeUndefined();
  });
});

describe('the race for a lock finds a store (promises test 23)', () => {
  const most = (Kind: Kind) =>
    Math.max(...Array.from({ length: 19 }, (_, call) => winners(new Kind(), call + 1)));

  it('that steals locks by removing their files', () => {
    expect(most(StealsLocks)).toBe(2);
  });

  it('and nothing in the store as it is', () => {
    expect(most(MemoryFiles)).toBe(1);
  });
});

/** The power is lost after every call while snapshots are saved: those acknowledged load, and all that are listed. */
async function firstLostSnapshot(ignored: Ignored): Promise<string | undefined> {
  const draw = random(9);
  for (let at = 1; at < 80; at += 1) {
    const files = new MemoryFiles(ignored);
    files.fate = ({ number, path }) => (number < at ? undefined : { error: errno('EIO', path) });
    const store = storeOn(files);
    const saved: string[] = [];
    for (let step = 1; step <= 3; step += 1) {
      const state = folded(life('book', 3).slice(0, 1 + 2 * step));
      await store.snapshots.save(`checkpoint_${step}`, state).then(
        ({ snapshotId }) => saved.push(snapshotId),
        () => undefined,
      );
    }
    files.fate = () => undefined;
    for (const loss of ['nothing survives' as const, draw, draw]) {
      const left = storeOn(files.afterPowerLoss(loss));
      try {
        const listed = (await left.snapshots.list()).map(({ snapshotId }) => snapshotId);
        for (const snapshotId of new Set([...saved, ...listed])) await left.snapshots.load(snapshotId);
      } catch (error) {
        return `${at}: ${String(error)}`;
      }
    }
  }
  return undefined;
}

describe('the power-loss test of snapshots finds a store (promises test 23)', () => {
  it.each<[string, Ignored]>([
    ['that does not sync a snapshot', { sync: (path) => path.includes('/snapshots') }],
    ['that does not sync the name of a snapshot', { syncFolder: (path) => path.includes('/snapshots') }],
  ])('%s', async (_, ignored) => {
    expect(await firstLostSnapshot(ignored)).toBeDefined();
  });

  it('and nothing in the store as it is', async () => {
    expect(await firstLostSnapshot({})).toBeUndefined();
  });
});

/** Whether a run freezes what an agent was given or gave. */
async function freezes({ agent, execute }: typeof Library): Promise<boolean> {
  const input = { words: ['a'] };
  const output = { words: ['b'] };
  await execute(
    agent('echo', () => output),
    input,
  );
  return [input, input.words, output, output.words].some(Object.isFrozen);
}

describe('the test of values finds a library (promises test 23)', () => {
  const library = (): typeof Library => {
    let loaded: typeof Library | undefined;
    jest.isolateModules(() => {
      loaded = jest.requireActual('../../../index');
    });
    return loaded!;
  };

  it('that freezes the values of users', async () => {
    jest.doMock('immer', () => {
      const actual = jest.requireActual('immer');
      const { Immer } = actual;
      return {
        ...actual,
        Immer: class extends Immer {
          constructor() {
            super({ autoFreeze: true });
          }
        },
      };
    });
    const buggy = library();
    jest.dontMock('immer');

    expect(await freezes(buggy)).toBe(true);
  });

  it('and nothing in the library as it is', async () => {
    expect(await freezes(library())).toBe(false);
  });
});
