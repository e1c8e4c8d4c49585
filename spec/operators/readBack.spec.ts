import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { SchedulerLike } from 'rxjs';
import { lastValueFrom, Subscription, toArray } from 'rxjs';

import type { Store } from '../../index';
import { agent, cancel, execute, lowdbStore } from '../../index';
import type { LogLevel } from '../../lib/model/event';

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

  it.each([NaN, Infinity, 9e15, undefined])('begins no run when the clock says %s', async (at) => {
    const scheduler: SchedulerLike = {
      now: () => at as number,
      schedule: () => Subscription.EMPTY,
    };

    await expect(
      execute(
        agent('a', () => 1),
        1,
        { store, scheduler },
      ),
    ).rejects.toThrow(`a clock that says ${String(at)}`);

    await reopen();
    expect(await store.listRuns()).toEqual([]);
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
