import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { SchedulerLike } from 'rxjs';
import { asyncScheduler, lastValueFrom, NEVER, take, toArray } from 'rxjs';

import type { Store } from '../../index';
import {
  agent,
  cancel,
  chain,
  execute,
  fromOffset,
  lowdbStore,
  restore,
  run,
  signal,
  sleep,
} from '../../index';
import type { LogLevel } from '../../lib/model/event';
import { until } from '../support/until';

describe('a folder that can be read back whatever untyped callers pass', () => {
  let folder: string;
  let store: Store;
  const reopen = async (): Promise<void> => {
    await store.close();
    store = lowdbStore(folder);
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-read-back-'));
    store = lowdbStore(folder);
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ['an error for a message', 'ERROR', new Error('no room'), { level: 'ERROR', message: 'no room' }],
    ['no message', 'INFO', undefined, { level: 'INFO', message: 'undefined' }],
    ['a level in lower case', 'error', 'late', { level: 'ERROR', message: 'late' }],
    ['an unknown level', 'trace', 'late', { level: 'WARNING', message: 'late' }],
    ['no level', undefined, 'late', { level: 'WARNING', message: 'late' }],
  ])('keeps log lines with %s', async (_, level, message, expected) => {
    const telling = agent('telling', (_input: number, context) => {
      context.log(level as LogLevel, message as string);
      return 'done';
    });

    expect(await execute(telling, 1, { store, runId: 'r' })).toMatchObject({ status: 'COMPLETED' });

    await reopen();
    const events = await lastValueFrom(store.events('r').pipe(toArray()));
    const lines = events.map(({ event }) => event).filter((event) => event.type === 'step.logged');
    expect(lines).toMatchObject([expected]);
  });

  describe.each([NaN, Infinity, 9e15, undefined])('by a clock that says %s', (wrong) => {
    let isWrong = false;
    const scheduler: SchedulerLike = {
      now: () => (isWrong ? (wrong as number) : asyncScheduler.now()),
      schedule: asyncScheduler.schedule.bind(asyncScheduler),
    };
    const message = `a clock that says ${String(wrong)}`;
    beforeEach(() => {
      isWrong = true;
    });

    it('begins no run', async () => {
      const one = agent('a', () => 1);
      await expect(execute(one, 1, { store, scheduler })).rejects.toThrow(message);

      await reopen();
      expect(await store.listRuns()).toEqual([]);
    });

    it('ends a run that has begun, which can be resumed', async () => {
      isWrong = false;
      const turning = agent('turning', (n: number) => {
        isWrong = true;
        return n + 1;
      });
      const both = chain('both', turning, sleep('nap', 5));
      await expect(execute(both, 1, { store, scheduler, runId: 'r' })).rejects.toThrow(message);

      await reopen();
      expect(await store.listRuns()).toMatchObject([{ runId: 'r' }]);
      expect(await execute(both, 1, { store, runId: 'r' })).toMatchObject({ status: 'COMPLETED', output: 2 });
    });

    it('leaves a run that nobody listens to any more as it was', async () => {
      const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
      isWrong = false;
      const waiting = agent('waiting', () => NEVER);
      const running = run(waiting, undefined, { store, scheduler, runId: 'r' }).subscribe();
      await until(async () => (await store.loadRun('r'))?.status === 'RUNNING');
      isWrong = true;
      running.unsubscribe();

      await reopen();
      expect(await store.listRuns()).toMatchObject([{ runId: 'r', status: 'RUNNING' }]);
      expect(warned).toHaveBeenCalledWith(
        expect.objectContaining({ message: expect.stringContaining(message) }),
      );
      warned.mockRestore();
    });

    it('keeps no signal and no restored run, and ends a stream', async () => {
      const kept = agent('kept', () => 1, { cache: {} });
      isWrong = false;
      const state = await execute(kept, 1, { store, scheduler });
      const { snapshotId } = await store.snapshots.save('now', state);
      isWrong = true;
      await expect(restore(snapshotId, { store, scheduler })).rejects.toThrow(message);
      await expect(signal('paid', 1, { store, scheduler })).rejects.toThrow(message);
      const numbers = fromOffset(() => [{ offset: 1, value: 1 }], { name: 'numbers', store, scheduler });
      await expect(lastValueFrom(numbers)).rejects.toThrow(message);

      await reopen();
      expect(await store.listRuns()).toHaveLength(1);
      await store.streams.list();
      const again = fromOffset(() => [{ offset: 1, value: 1 }], { name: 'numbers', store });
      expect(await lastValueFrom(again.pipe(take(1)))).toBe(1);
    });
  });

  it('refuses a cancel whose reason is not a string', async () => {
    await execute(
      agent('a', () => {
        throw new Error('down');
      }),
      1,
      { store, runId: 'r' },
    );
    await expect(cancel('r', { store, reason: 5 as never })).rejects.toThrow('a reason of type number');
  });
});
