import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';

import { agent, approval, chain, execute, lowdbStore, memoryStore } from '../../../index';

const work = chain(
  'work',
  // Long enough to be checked and written in slices, with pauses between them.
  agent('many', (n: number) => Array.from({ length: 100_000 }, (_, i) => i + n), { cache: {} }),
  agent('count', (all: readonly number[]) => all.length),
);
const asks = chain(
  'asks',
  approval('ok', t.boolean),
  agent('after', (said: boolean) => said),
);

/** What a test of a user may do, while no faked timer ever fires. */
describe('a store whose user has faked all timers', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ['lowdbStore()', () => lowdbStore(folder)],
    ['memoryStore()', () => memoryStore()],
  ])(
    'runs, answers, saves, lists, forgets and closes: %s',
    async (_, open) => {
      const store = open();
      const state = await execute(work, 1, { store, runId: 'r' });
      expect(state.output).toBe(100_000);
      expect((await execute(work, 1, { store, runId: 'cached' })).output).toBe(100_000);
      await execute(asks, 1, { store, runId: 'asking' });
      await store.post('asking', { kind: 'answer', path: 'ok', value: true });
      expect((await execute(asks, 1, { store, runId: 'asking' })).output).toBe(true);
      const { snapshotId } = await store.snapshots.save('mine', state);
      expect((await store.snapshots.load(snapshotId)).name).toBe('mine');
      expect(await store.listRuns()).toHaveLength(3);
      await store.deleteRun('cached');
      expect(await store.prune({ keep: 1 })).toHaveLength(1);
      await store.close();
    },
    20_000,
  );

  it('is opened anew by another one in the same folder', async () => {
    const first = lowdbStore(folder);
    await execute(work, 1, { store: first, runId: 'r' });
    await first.close();
    const second = lowdbStore(folder);

    expect((await second.loadRun('r'))?.output).toBe(100_000);
    expect((await execute(asks, 1, { store: second, runId: 's' })).status).toBe('SUSPENDED');
    await second.close();
  }, 20_000);
});
