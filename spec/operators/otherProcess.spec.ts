import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';

import {
  agent,
  answer,
  approval,
  cancel,
  chain,
  execute,
  fork,
  lowdbStore,
  resumable,
  resume,
  run,
  sleep,
} from '../../index';
import { collect } from '../support/told';

const until = async (is: () => boolean): Promise<void> => {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('a run in a folder, and somebody outside', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-outside-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const sign = chain(
    'sign',
    agent('ask', (text: string) => text),
    approval('boss', t.type({ yes: t.boolean })),
    agent('said', ({ yes }: { yes: boolean }) => yes),
  );

  it('is answered through another store of the same folder, without its lock, and goes on by its id', async () => {
    const store = lowdbStore(folder);
    expect((await execute(sign, 'x', { store, runId: 'r' })).status).toBe('SUSPENDED');

    await answer('r', 'boss', { yes: true }, { store: lowdbStore(folder) });
    await store.close();

    const later = lowdbStore(folder);
    expect((await resumable(later)).map(({ runId, status }) => `${runId} ${status}`)).toEqual([
      'r SUSPENDED',
    ]);
    const told = collect(resume(sign, 'r', { store: later }));
    await until(() => told.ended !== 'open');
    expect(told.events.at(-1)).toMatchObject({ type: 'run.completed', output: true });
    const id = await fork('r', { store: later, from: 'said' });
    const forked = collect(resume(sign, id, { store: later }));
    await until(() => forked.ended !== 'open');
    expect(forked.told).toEqual(['run.resumed', 'step.started said', 'step.completed said', 'run.completed']);
    await later.close();
  });

  it('is cancelled by another process while it sleeps', async () => {
    const store = lowdbStore(folder);
    const told = collect(run(sleep<string>('nap', 1e7), 'x', { store, runId: 's' }));
    await until(() => told.told.includes('step.suspended nap'));
    await cancel('s', { store: lowdbStore(folder), reason: 'not needed' });
    await until(() => told.ended !== 'open');
    expect([told.ended, told.events.at(-1)]).toMatchObject([
      'complete',
      { type: 'run.cancelled', reason: 'not needed' },
    ]);
    await store.close();
    expect((await lowdbStore(folder).loadRun('s'))?.steps.get('nap')).toMatchObject({ status: 'SUSPENDED' });
  });
});
