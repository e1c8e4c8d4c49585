import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { RunState, Store } from '../../index';
import { agent, chain, execute, lowdbStore, StorageError } from '../../index';
import { StateValueError } from '../../lib/errors/runErrors';
import { StoreCorruptError, UnknownSnapshotError } from '../../lib/errors/storageErrors';
import { nodeFiles } from '../../lib/store/folder/files/nodeFiles';
import { throughJson } from '../../testing/contract/life';

const plus = agent('plus', (x: number) => x + 1);

describe('snapshots in a folder', () => {
  let folder: string;
  let store: Store;
  let state: RunState;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    store = lowdbStore(folder);
    state = await execute(chain('twice', plus, plus), 1, { store, runId: 'r' });
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });
  const fileOf = (snapshotId: string): string => {
    const name = readdirSync(join(folder, 'snapshots')).find((file) =>
      file.startsWith(snapshotId.toLowerCase()),
    );
    return join(folder, 'snapshots', name!);
  };

  describe('S13 Snapshot', () => {
    it('has its five fields, and gives the state back to another store', async () => {
      const { snapshotId } = await store.snapshots.save('done', state, { by: 'hand' });

      const loaded = await lowdbStore(folder).snapshots.load(snapshotId);
      expect(Object.keys(loaded).sort()).toEqual(
        ['executionState', 'metadata', 'name', 'snapshotId', 'timestamp'].sort(),
      );
      expect(loaded).toMatchObject({ snapshotId, name: 'done', metadata: { by: 'hand' } });
      expect(new Date(loaded.timestamp).toISOString()).toBe(loaded.timestamp);
      expect(throughJson(loaded.executionState)).toEqual(throughJson(state));
    });

    it('is checked when it is written', async () => {
      const when = { when: new Date(0) } as never;
      await expect(async () => store.snapshots.save('a', state, when)).rejects.toThrow('.when is a Date');
      expect(await store.snapshots.list()).toEqual([]);
    });

    it.each([new Map(), new Date(0), Number.NaN, [undefined], () => 1])(
      'of a run without a store is refused when JSON would change a value: %p',
      async (value) => {
        const unchecked = await execute(
          agent('strange', () => value as unknown),
          undefined,
        );
        expect(unchecked.status).toBe('COMPLETED');

        await expect(store.snapshots.save('a', unchecked)).rejects.toThrow(StateValueError);
        await expect(store.snapshots.save('a', unchecked)).rejects.toThrow('step "strange"');
        expect(await store.snapshots.list()).toEqual([]);
      },
    );

    it.each<[string, (text: string) => string]>([
      ['is cut', (text) => text.slice(0, -30)],
      ['is empty', () => ''],
      ['is changed in one character', (text) => text.replace('"COMPLETED"', '"COMPLETEd"')],
      ['is of another kind', () => '{"name": "something else"}'],
      ['is no text at all', () => '\0\xff'.repeat(500)],
    ])('in a file that %s is refused by name, and by the name of the file', async (_how, damage) => {
      const { snapshotId } = await store.snapshots.save('done', state);
      const file = fileOf(snapshotId);
      const text = readFileSync(file, 'utf8');
      const damaged = damage(text);
      expect(damaged).not.toBe(text);
      writeFileSync(file, damaged, 'latin1');

      const refused = await store.snapshots.load(snapshotId).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(StoreCorruptError);
      expect((refused as Error).message).toContain(file);
    });

    it('in the file of another one is refused', async () => {
      const one = await store.snapshots.save('one', state);
      const two = await store.snapshots.save('two', state);
      copyFileSync(fileOf(one.snapshotId), fileOf(two.snapshotId));

      await expect(store.snapshots.load(two.snapshotId)).rejects.toThrow(StoreCorruptError);
    });
  });

  describe('S14 StateStore', () => {
    it('says whether there was one to delete, and names one that is unknown', async () => {
      const { snapshotId } = await store.snapshots.save('a', state);

      expect(await store.snapshots.delete(snapshotId)).toBe(true);
      expect(await store.snapshots.delete(snapshotId)).toBe(false);
      await expect(store.snapshots.load(snapshotId)).rejects.toThrow(UnknownSnapshotError);
      await expect(store.snapshots.load('../history')).rejects.toThrow(UnknownSnapshotError);
    });

    it('keeps all of many that are saved at once, and lists them the newest first', async () => {
      const names = Array.from({ length: 50 }, (_, i) => `n${String(i)}`);
      await Promise.all(names.map((name) => store.snapshots.save(name, state)));

      const list = await lowdbStore(folder).snapshots.list();
      expect(list.map(({ name }) => name)).toEqual(names.reverse());
    });

    it('reads no bodies to list', async () => {
      const big = await execute(
        agent('big', () => 'x'.repeat(100_000)),
        undefined,
        { store, runId: 'big' },
      );
      for (let i = 0; i < 3; i += 1) await store.snapshots.save('big', big);
      let read = 0;
      const counted = lowdbStore(folder, {
        files: {
          ...nodeFiles,
          async read(path, limit) {
            const bytes = await nodeFiles.read(path, limit);
            read += bytes?.length ?? 0;
            return bytes;
          },
        },
      });

      expect(await counted.snapshots.list()).toHaveLength(3);
      expect(read).toBeLessThan(30_000);
    });

    it.each(['create', 'write', 'sync', 'rename', 'syncFolder'] as const)(
      'leaves the earlier ones readable when saving breaks off in "%s"',
      async (call) => {
        const { snapshotId } = await store.snapshots.save('kept', state);
        await store.close();
        let isBroken = false;
        const breaking = (): never => {
          throw Object.assign(new Error('EIO: broken'), { code: 'EIO' });
        };
        const files = { ...nodeFiles };
        const sound = files[call] as (...given: unknown[]) => unknown;
        Object.assign(files, { [call]: (...given: unknown[]) => (isBroken ? breaking() : sound(...given)) });
        store = lowdbStore(folder, { files });
        await store.importRun({ ...state, runId: 'opens the store' });
        isBroken = true;

        await expect(store.snapshots.save('lost', state)).rejects.toThrow(StorageError);
        isBroken = false;
        expect((await lowdbStore(folder).snapshots.load(snapshotId)).name).toBe('kept');
        const names = (await lowdbStore(folder).snapshots.list()).map(({ name }) => name);
        // What could not be made safe against a power loss is not listed.
        expect(names).toEqual(['kept']);
      },
    );
  });
});
