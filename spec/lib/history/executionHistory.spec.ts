import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { executionHistory, lowdbStore, memoryHistory } from '../../../index';

describe('executionHistory()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-history-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['folder', 'memory'])('keeps nothing in a %s that could not be read again', async (kind) => {
    const store = lowdbStore(folder);
    const history = kind === 'folder' ? executionHistory(store.logs) : memoryHistory();
    const { logId } = await history.createLog('backup');
    await history.addStepResult(logId, 'copy', 'completed', 0);
    const refused = { code: 'INVALID_ARGUMENT' };

    for (const duration of [Number.NaN, Infinity, undefined as never, '1' as never])
      await expect(history.addStepResult(logId, 'copy', 'completed', duration)).rejects.toMatchObject(
        refused,
      );
    await expect(history.addStepResult(logId, 'copy', undefined as never, 1)).rejects.toMatchObject(refused);
    await expect(history.addStepResult(logId, undefined as never, 'x', 1)).rejects.toMatchObject(refused);
    await expect(history.completeLog(logId, undefined as never)).rejects.toMatchObject(refused);
    await history.completeLog(logId, 'done');

    expect(await history.getLog(logId)).toMatchObject({ status: 'done', steps: [{ duration: 0 }] });
    expect((await history.listLogs()).map((log) => log.logId)).toEqual([logId]);
    await store.close();
  });
});
