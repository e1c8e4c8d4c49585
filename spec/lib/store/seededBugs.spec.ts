import * as library from '../../../index';
import type * as Json from '../../../lib/codec/jsonValue';
import type * as Definition from '../../../lib/definition/definition';
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
  const calls = 400;
  for (let round = 1; round < 2 * calls; round += 1) {
    const at = round % calls;
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
async function freezes({ agent, execute }: typeof library): Promise<boolean> {
  const input = { words: ['a'] };
  const output = { words: ['b'] };
  await execute(
    agent('echo', () => output),
    input,
  );
  return [input, input.words, output, output.words].some(Object.isFrozen);
}

/** The library as it is when one of its modules is another one. */
function libraryWith(path: string, bug: (actual: never) => object): typeof library {
  jest.doMock(path, () => bug(jest.requireActual<never>(path)));
  let loaded: typeof library | undefined;
  jest.isolateModules(() => {
    loaded = jest.requireActual<typeof library>('../../../index');
  });
  jest.dontMock(path);
  return loaded!;
}

/** How a run ends whose step gives a value of so many levels, and how one of so many structures inside one another is refused. */
async function deepest({
  agent,
  chain,
  execute,
  memoryStore,
}: typeof library): Promise<readonly (string | undefined)[]> {
  const value = Array.from({ length: 5_000 }).reduce<unknown>((inner) => [inner], 1);
  const { status, error } = await execute(
    agent('deep', () => value),
    1,
    { store: memoryStore() },
  );
  let nested = chain(
    'c',
    agent('one', (n: number) => n),
  );
  let refusal: string | undefined;
  try {
    for (let depth = 0; depth < 300; depth += 1) nested = chain('c', nested);
  } catch (thrown) {
    refusal = (thrown as Error).name;
  }
  return [error?.name ?? status, refusal];
}

describe('the test of values finds a library (promises test 23)', () => {
  it('that freezes the values of users', async () => {
    const buggy = libraryWith('immer', (actual: { Immer: new (options: object) => object }) => ({
      ...actual,
      Immer: class extends actual.Immer {
        constructor() {
          super({ autoFreeze: true });
        }
      },
    }));

    expect(await freezes(buggy)).toBe(true);
  });

  it('and nothing in the library as it is', async () => {
    expect(await freezes(library)).toBe(false);
  });
});

describe('the test of depth finds a library (promises test 23)', () => {
  it('that does not guard the depth of values', async () => {
    const buggy = libraryWith('../../../lib/codec/jsonValue', (actual: typeof Json) => ({
      ...actual,
      jsonValue: (value: unknown, path: string) => actual.jsonValue(value, path, { depth: Infinity }),
    }));

    expect((await deepest(buggy))[0]).not.toBe('StateValueError');
  });

  it('that does not guard the depth of structures', async () => {
    const buggy = libraryWith('../../../lib/definition/definition', (actual: typeof Definition) => ({
      ...actual,
      depthOf: () => 1,
    }));

    expect((await deepest(buggy))[1]).not.toBe('DefinitionError');
  });

  it('and nothing in the library as it is', async () => {
    expect(await deepest(library)).toEqual(['StateValueError', 'DefinitionError']);
  });
});
