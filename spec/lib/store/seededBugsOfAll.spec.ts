import type { Store } from '../../../index';
import { execute } from '../../../index';
import type { Durability } from '../../../lib/store/durability';
import { everyNth, seedOr } from '../../support/torture';
import {
  CountsTooMuch,
  ForgetsTooSoon,
  KeepsMessages,
  NeverLooks,
  RemovesTooSoon,
  TakesAllForOurs,
} from './support/buggyFiles';
import { Ended, storeOn } from './support/crash';
import { append, life } from './support/life';
import type { Ignored } from './support/memoryFiles';
import { MemoryFiles } from './support/memoryFiles';
import { agentsOf, mixedWork, outcome, right, Told } from './support/mixedWork';
import { random } from './support/random';

let warned: jest.SpyInstance;
beforeAll(() => {
  warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
});
afterAll(() => {
  warned.mockRestore();
});

type Kind = new (ignored?: Ignored) => MemoryFiles;

/** The power is lost while everything a store does goes on: what is not as it must be afterwards, until something is. */
async function firstLoss(Kind: Kind, ignored: Ignored = {}, step = 1): Promise<string | undefined> {
  const whole = new Kind(ignored);
  await mixedWork(storeOn(whole), new Told());
  const draw = random(seedOr(31));
  for (let at = whole.calls + 1; at > 0; at -= step) {
    const files = new Kind(ignored);
    files.fate = ({ number }) => (number < at ? undefined : { error: new Ended('the power is lost') });
    const told = new Told();
    await mixedWork(storeOn(files, 'disk', 4_000), told);
    for (const loss of ['nothing survives' as const, draw]) {
      const left = files.afterPowerLoss(loss);
      try {
        const found = JSON.stringify(await outcome(left, told));
        if (found !== JSON.stringify(right)) return `${String(at)}: ${found}`;
      } catch (error) {
        return `${String(at)}: ${String(error)}`;
      }
    }
  }
  return undefined;
}

describe('the power-loss test of everything a store does finds a store (promises test 23)', () => {
  const within = (folder: string) => (path: string) => path.includes(`/${folder}/`);
  const names = (folder: string) => (path: string) => path === `/state${folder}`;
  it.each<[string, Kind, Ignored]>([
    ['that never syncs the names of its folders', MemoryFiles, { syncFolder: names('') }],
    ['that does not sync an answer', MemoryFiles, { sync: within('inbox') }],
    ['that does not sync the name of an answer', MemoryFiles, { syncFolder: names('/inbox') }],
    ['that does not sync an execution log', MemoryFiles, { sync: within('logs') }],
    ['that does not sync the name of an execution log', MemoryFiles, { syncFolder: names('/logs') }],
    ['that forgets a run before that is on the disk', ForgetsTooSoon, {}],
    ['that counts as synced what was written during a sync', CountsTooMuch, {}],
  ])(
    '%s',
    async (_, Kind, ignored) => {
      expect(await firstLoss(Kind, ignored)).toBeDefined();
    },
    600_000,
  );

  it('and nothing in the store as it is', async () => {
    expect(await firstLoss(MemoryFiles, {}, everyNth(9))).toBeUndefined();
  }, 600_000);
});

/** A disk on which runs stand in files of their own. */
async function withRuns(Kind: Kind): Promise<MemoryFiles> {
  const files = new Kind();
  const store = storeOn(files);
  const { old } = agentsOf(new Told());
  for (const runId of ['gone', 'kept']) await execute(old, 1, { store, runId });
  await store.close();
  return files;
}

/** The power is lost at each call while a run that has a file of its own is forgotten: what is wrong with what is left. */
async function firstHalfForgotten(
  Kind: Kind,
  forget: (store: Store) => Promise<unknown>,
): Promise<string | undefined> {
  const draw = random(seedOr(32));
  const whole = await withRuns(Kind);
  const before = whole.calls;
  const other = storeOn(whole);
  await forget(other);
  await other.close();
  for (let at = before + 1; at <= whole.calls + 1; at += 1) {
    const files = await withRuns(Kind);
    files.fate = ({ number }) => (number < at ? undefined : { error: new Ended('the power is lost') });
    const store = storeOn(files);
    const isForgotten = await acknowledged(() => forget(store));
    await acknowledged(() => store.close());
    for (const loss of ['nothing survives' as const, 'everything survives' as const, draw, draw]) {
      const left = storeOn(files.afterPowerLoss(loss));
      try {
        const listed = (await left.listRuns()).map(({ runId }) => runId).sort();
        const loaded = await Promise.all(['gone', 'kept'].map((runId) => left.loadRun(runId)));
        const outputs = loaded.map((state) => state?.output);
        const found = JSON.stringify([listed, outputs]);
        const isThere = found === '[["gone","kept"],[2,2]]';
        const isGone = found === '[["kept"],[null,2]]';
        if (!isGone && (isForgotten || !isThere)) return `${String(at)}: ${found}`;
      } catch (error) {
        return `${String(at)}: ${String(error)}`;
      }
    }
  }
  return undefined;
}

describe.each<[string, (store: Store) => Promise<unknown>]>([
  ['deleteRun', (store) => store.deleteRun('gone')],
  ['prune', (store) => store.prune({ keep: 1 })],
])('the power-loss test of %s() finds a store (promises test 23)', (_, forget) => {
  it.each<[string, Kind]>([
    ['that removes the file of a run before it is forgotten on the disk', RemovesTooSoon],
    ['that forgets a run before that is on the disk', ForgetsTooSoon],
  ])('%s', async (_what, Kind) => {
    expect(await firstHalfForgotten(Kind, forget)).toBeDefined();
  });

  it('and nothing in the store as it is', async () => {
    expect(await firstHalfForgotten(MemoryFiles, forget)).toBeUndefined();
  });
});

/** Somebody else removes the lock and opens the folder. */
async function takeOver(files: MemoryFiles): Promise<Store> {
  for (const path of files.all().keys()) if (path.includes('/lock/')) files.put(path, undefined);
  const other = storeOn(files);
  await (await other.claim('other')).release(undefined);
  return other;
}

const acknowledged = (work: () => unknown): Promise<boolean> =>
  Promise.resolve()
    .then(work)
    .then(
      () => true,
      () => false,
    );

/** Whether a store acknowledges an event after somebody else has taken its lock. */
async function acknowledgesLate(files: MemoryFiles, durability: Durability): Promise<boolean> {
  const [first, ...rest] = life('book', 3);
  const claim = await storeOn(files, durability).claim('book');
  await claim.append(first!);
  const other = await takeOver(files);
  const late = await acknowledged(() => append(claim, rest));
  await other.close();
  return late;
}

/** Whether a store acknowledges a change of a stream after somebody else has taken its lock. */
async function commitsLate(files: MemoryFiles, durability: Durability): Promise<boolean> {
  const stream = await storeOn(files, durability).streams.claim('orders');
  const change = { at: 1, offsets: [], rows: [] };
  await stream.commit(change);
  const other = await takeOver(files);
  const late = await acknowledged(() => stream.commit(change));
  await other.close();
  return late;
}

describe.each([
  ['run', acknowledgesLate],
  ['stream', commitsLate],
] as const)('the test of a lost lock, of a %s, finds a store (promises test 23)', (_, isLate) => {
  it.each(['disk', 'process'] as const)('that never looks for its lock again: %s', async (durability) => {
    expect(await isLate(new NeverLooks(), durability)).toBe(true);
  });

  it.each(['disk', 'process'] as const)('and nothing in the store as it is: %s', async (durability) => {
    expect(await isLate(new MemoryFiles(), durability)).toBe(false);
  });
});

/** What is left of a stranger's file, and of messages, after the work and a prune. */
async function leftovers(files: MemoryFiles): Promise<readonly string[]> {
  files.makeFolder('/state/cache');
  files.put('/state/cache/notes.json', Buffer.from('mine'));
  await mixedWork(storeOn(files), new Told());
  return [...files.all().keys()].filter((path) => /inbox|notes/.test(path));
}

describe('the test of what is removed finds a store (promises test 23)', () => {
  it('that removes files of others', async () => {
    expect(await leftovers(new TakesAllForOurs())).toEqual([]);
  });

  it('that keeps messages it has used', async () => {
    expect((await leftovers(new KeepsMessages())).length).toBeGreaterThan(1);
  });

  it('and nothing in the store as it is', async () => {
    expect(await leftovers(new MemoryFiles())).toEqual(['/state/cache/notes.json']);
  });
});
