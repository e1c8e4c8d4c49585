import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Subscription } from 'rxjs';
import { filter, interval } from 'rxjs';

import { agent, chain, executionHistory, execute, lowdbStore, record, run } from '../../../index';
import { ownerOf } from '../../../lib/store/salvage/examine';
import { until } from '../../support/until';

describe('close() of a store in a folder', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-closing-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const steps = Array.from({ length: 8 }, (_, i) => agent(`s${String(i)}`, (n: number) => n + 1));
  const job = chain('job', steps[0]!, ...steps.slice(1));
  const isFree = async () => (await ownerOf(folder)) === undefined;

  it('waits for the last lines of an execution log', async () => {
    const store = lowdbStore(folder);
    const taps = record<number>(executionHistory(store.logs));
    await new Promise<void>((done) => {
      run(job, 0, { store, runId: 'r' })
        .pipe(taps)
        .subscribe({
          complete: () => {
            done();
          },
        });
    });
    await store.close();

    expect(await isFree()).toBe(true);
    const log = await lowdbStore(folder).logs.load('r');
    expect({ status: log?.status, lines: log?.steps.length }).toEqual({ status: 'completed', lines: 8 });
  });

  it('gives the folder back behind what is written later', async () => {
    const store = lowdbStore(folder);
    await execute(job, 0, { store, runId: 'r' });
    await store.close();
    await executionHistory(store.logs).createLog('w', 'late');
    expect(await isFree()).toBe(true);

    await Promise.all([
      executionHistory(store.logs).createLog('w', 'later'),
      store.snapshots.save('s', (await store.loadRun('r'))!),
      store.deleteRun('r'),
    ]);
    expect(await isFree()).toBe(true);
    expect((await store.logs.list()).map(({ logId }) => logId).sort()).toEqual(['late', 'later']);

    await execute(job, 0, { store, runId: 'again' });
    expect(await isFree()).toBe(false);
    await store.close();
    expect(await isFree()).toBe(true);
  });

  describe('is not needed', () => {
    const other = mkdtempSync(join(tmpdir(), 'millrace-closing-'));
    afterAll(() => {
      rmSync(other, { recursive: true, force: true });
    });
    /** Whoever only writes now and then, as a web server beside the process that serves the runs. */
    const asked = lowdbStore(other);
    const isIdle = async () => {
      await asked.snapshots.save('s', { n: 1 });
      await until(async () => (await ownerOf(other)) === undefined);
    };

    it('by a store that has only been asked to delete, put in or keep something', async () => {
      const store = lowdbStore(folder);
      await execute(job, 0, { store, runId: 'r' });
      await store.close();
      const web = lowdbStore(folder);
      expect(await web.deleteRun('r')).toBe(true);
      await until(isFree);

      const server = lowdbStore(folder);
      await execute(job, 0, { store: server, runId: 'r' });
      await expect(execute(job, 0, { store: web, runId: 's' })).rejects.toMatchObject({
        code: 'STORE_LOCKED',
      });
      await server.close();
      expect(await web.deleteRun('r')).toBe(true);
      await until(isFree);
    });

    it('but by one that carries runs on, also when it has written something else before', async () => {
      const store = lowdbStore(folder);
      await store.snapshots.save('s', { n: 1 });
      await execute(job, 0, { store, runId: 'r' });
      await isIdle();

      expect(await isFree()).toBe(false);
      await store.close();
    });
  });

  it('does not wait for a run that goes on for ever, and ends its log', async () => {
    const store = lowdbStore(folder);
    const ticks = agent('ticks', () => interval(1).pipe(filter((n) => n < 0)));
    let life: Subscription | undefined;
    const begun = new Promise<unknown>((done) => {
      life = run(
        chain(
          'endless',
          agent('first', () => 1),
          ticks,
        ),
        0,
        { store, runId: 'r' },
      )
        .pipe(record(executionHistory(store.logs)))
        .subscribe({
          next: ({ event }) => {
            if (event.type === 'step.started' && event.path === 'ticks') done(event);
          },
          error: () => undefined,
        });
    });
    await begun;
    await store.close();

    expect(await isFree()).toBe(true);
    life?.unsubscribe();
    await store.close();
    expect(await isFree()).toBe(true);
  });
});
