import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lastValueFrom } from 'rxjs';

import { agent, chain, executionHistory, lowdbStore, memoryStore, record, run } from '../../index';
import { LogCompletedError, StoreCorruptError, UnknownLogError } from '../../lib/errors/storageErrors';
import type { ExecutionHistory, Store } from '../../index';

const start = Date.UTC(2026, 10, 22);

describe.each(['disk', 'memory'])('execution logs in a store (%s)', (where) => {
  let folder: string;
  let store: Store;
  let now: number;
  let history: ExecutionHistory;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    now = start;
    store = where === 'disk' ? lowdbStore(folder) : memoryStore();
    history = executionHistory(store.logs, { now: () => now });
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  describe('S19 ExecutionLog', () => {
    it('is made at the start: running, without an end', async () => {
      const { logId } = await history.createLog('text processing');

      expect(await executionHistory(store.logs).getLog(logId)).toEqual({
        logId,
        workflowName: 'text processing',
        startTime: '2026-11-22T00:00:00.000Z',
        endTime: null,
        status: 'running',
        steps: [],
      });
    });

    it('gets its steps with name, status and duration, in order, also when nobody waits in between', async () => {
      const { logId } = await history.createLog('w');
      await Promise.all(
        [1, 2, 3].map((i) => history.addStepResult(logId, `step${String(i)}`, 'completed', i / 10)),
      );
      now += 2_500;
      await history.completeLog(logId, 'completed');

      const log = await executionHistory(store.logs).getLog(logId);
      expect(log.steps).toEqual(
        [1, 2, 3].map((i) => ({
          stepName: `step${String(i)}`,
          status: 'completed',
          duration: i / 10,
          timestamp: '2026-11-22T00:00:00.000Z',
        })),
      );
      expect(log).toMatchObject({ status: 'completed', endTime: '2026-11-22T00:00:02.500Z' });
    });
  });

  describe('S20 ExecutionHistory', () => {
    it('names an unknown log', async () => {
      await expect(history.getLog('nobody')).rejects.toThrow(UnknownLogError);
      await expect(history.addStepResult('nobody', 's', 'completed', 0)).rejects.toThrow(UnknownLogError);
      await expect(history.completeLog('nobody', 'x')).rejects.toThrow(UnknownLogError);
    });

    it('refuses to complete a log twice, or to add to one that has ended', async () => {
      const { logId } = await history.createLog('w', 'my/log');
      await history.completeLog(logId, 'failed');

      await expect(history.createLog('other', logId)).rejects.toThrow('there is one with this id');
      await expect(history.completeLog(logId, 'completed')).rejects.toThrow(LogCompletedError);
      await expect(history.addStepResult(logId, 's', 'completed', 0)).rejects.toThrow(LogCompletedError);
      expect(await history.getLog(logId)).toMatchObject({ status: 'failed', steps: [] });
    });

    it('of two that complete a log at once, lets one', async () => {
      const { logId } = await history.createLog('w');
      const both = await Promise.allSettled(
        ['completed', 'failed'].map((end) => history.completeLog(logId, end)),
      );

      expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
      expect((await history.getLog(logId)).status).toBe('completed');
    });

    it('lists logs the newest first, filtered', async () => {
      for (const [i, name] of ['a', 'b', 'a'].entries()) {
        now += 1_000;
        await history.createLog(name, `log${String(i)}`);
      }
      await history.completeLog('log2', 'failed');
      const ids = async (query?: Parameters<ExecutionHistory['listLogs']>[0]) =>
        (await history.listLogs(query)).map(({ logId }) => logId);

      expect(await ids()).toEqual(['log2', 'log1', 'log0']);
      expect(await ids({ workflowName: 'a', limit: 1 })).toEqual(['log2']);
      expect(await ids({ status: 'running' })).toEqual(['log1', 'log0']);
      expect(await ids({ since: '2026-11-22T00:00:03.000Z' })).toEqual(['log2']);
    });

    it('is kept by record(): one log for each life of a run', async () => {
      const double = agent('double', (n: number) => n * 2);
      await lastValueFrom(run(chain('work', double, double), 1, { store, runId: 'r' }).pipe(record(history)));
      // A tap is not waited for: its last line is written behind the end of the run.
      while ((await history.listLogs({ status: 'completed' })).length === 0)
        await new Promise((resolve) => setTimeout(resolve, 5));

      const [summary] = await history.listLogs();
      const log = await history.getLog(summary!.logId);
      expect(log).toMatchObject({ workflowName: 'work', status: 'completed' });
      expect(log.steps.map(({ stepName, status }) => [stepName, status])).toEqual([
        ['double', 'completed'],
        ['double[1]', 'completed'],
      ]);
    });
  });
});

describe('an execution log in a folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('S19 is there for another process while it runs, and refused by name when its file is damaged', async () => {
    const store = lowdbStore(folder);
    const history = executionHistory(store.logs);
    const { logId } = await history.createLog('w');
    await history.addStepResult(logId, 's', 'completed', 0.5);

    const other = executionHistory(lowdbStore(folder).logs);
    expect(await other.getLog(logId)).toMatchObject({ status: 'running', steps: [{ stepName: 's' }] });

    const [name] = readdirSync(join(folder, 'logs'));
    const file = join(folder, 'logs', name!);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"running"', '"RUNNING"'));
    await expect(other.getLog(logId)).rejects.toThrow(StoreCorruptError);
    await expect(other.getLog(logId)).rejects.toThrow(file);
    await store.close();
  });
});
