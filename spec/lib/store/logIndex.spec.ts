import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { StorageError } from '../../../lib/errors/storageErrors';
import { executionHistory } from '../../../lib/history/executionHistory';
import { nodeFiles } from '../../../lib/store/folder/files/nodeFiles';
import { lowdbStore } from '../../../lib/store/folder/lowdbStore';

describe('the list of execution logs of a folder', () => {
  let folder: string;
  let reads: number;
  let isFull: boolean;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    reads = 0;
    isFull = false;
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });
  const open = () =>
    lowdbStore(folder, {
      durability: 'process',
      files: {
        ...nodeFiles,
        read(path, limit, from) {
          if (path.startsWith(join(folder, 'logs'))) reads += 1;
          return nodeFiles.read(path, limit, from);
        },
        write(...given) {
          if (isFull) throw Object.assign(new Error('ENOSPC: full'), { code: 'ENOSPC' });
          return nodeFiles.write(...given);
        },
      },
    });
  const names = Array.from({ length: 200 }, (_, i) => `log${String(i)}`);

  it('reads each file once, however often it is asked for and whatever is added', async () => {
    const store = open();
    const history = executionHistory(store.logs);
    for (const name of names) await history.createLog('w', name);
    reads = 0;
    expect(await store.logs.list()).toHaveLength(200);
    expect(reads).toBe(200);

    await history.createLog('w', 'late');
    await history.addStepResult('late', 's', 'completed', 1);
    reads = 0;
    const list = await store.logs.list();
    expect(list).toHaveLength(201);
    expect(list.find(({ logId }) => logId === 'late')?.stepCount).toBe(1);
    expect(reads).toBe(0);
    await store.close();
    expect(await open().logs.list()).toEqual(list);
  });

  it('is the one of the files for a store that writes nothing, since another one may', async () => {
    const writer = open();
    const reader = open();
    const history = executionHistory(writer.logs);
    await history.createLog('w', 'a');
    expect(await reader.logs.list()).toHaveLength(1);
    await history.createLog('w', 'b');

    expect(await reader.logs.list()).toHaveLength(2);
    await writer.close();
  });

  it('knows what another store wrote after this one was closed', async () => {
    const first = open();
    await executionHistory(first.logs).createLog('w', 'a');
    await first.logs.list();
    await first.close();
    const second = open();
    await executionHistory(second.logs).createLog('w', 'b');
    await second.close();

    expect(await first.logs.list()).toHaveLength(2);
  });

  it('has what was written while it was read', async () => {
    const some = names.slice(0, 40);
    const store = open();
    const history = executionHistory(store.logs);
    for (const name of some) await history.createLog('w', name);
    const [early] = await Promise.all([
      store.logs.list(),
      ...some.map((name) => history.addStepResult(name, 's', 'completed', 1)),
    ]);

    expect(early).toHaveLength(40);
    expect((await store.logs.list()).filter(({ stepCount }) => stepCount !== 1)).toEqual([]);
    await store.close();
  });

  it('is that of the files after a log could not be written', async () => {
    const store = open();
    const history = executionHistory(store.logs);
    await history.createLog('w', 'a');
    await store.logs.list();
    isFull = true;
    await expect(history.createLog('w', 'b')).rejects.toThrow(StorageError);
    isFull = false;

    expect((await store.logs.list()).map(({ logId }) => logId)).toEqual(['a']);
    await store.close();
  });

  it('is read again after it could not be read', async () => {
    const store = open();
    await executionHistory(store.logs).createLog('w', 'a');
    const [name] = readdirSync(join(folder, 'logs'));
    const text = readFileSync(join(folder, 'logs', name!));
    writeFileSync(join(folder, 'logs', name!), 'x');
    expect(await store.logs.list()).toEqual([]);
    writeFileSync(join(folder, 'logs', name!), text);

    expect(await store.logs.list()).toHaveLength(1);
    await store.close();
  });
});
