import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { firstValueFrom, lastValueFrom } from 'rxjs';

import type { Store } from '../../../index';
import { agent, chain, execute, lowdbStore, memoryStore, resume, restore, run } from '../../../index';

const boxed = new t.Type<string, { readonly boxed: string }>(
  'boxed',
  t.string.is,
  (value, context) =>
    typeof value === 'object' && value !== null && 'boxed' in value
      ? t.success(String(value.boxed))
      : t.failure(value, context),
  (text) => ({ boxed: text }),
);
const work = chain(
  'work',
  agent('make', (text: string) => text.toUpperCase(), { output: boxed }),
);

const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe.each<[string, () => Store]>([
  ['in memory', memoryStore],
  ['in a folder', () => lowdbStore(mkdtempSync(join(folder, 'state-')))],
])('the output of a completed run, as it was told, %s', (_, open) => {
  let store: Store;
  beforeEach(() => {
    store = open();
  });
  afterEach(() => store.close());

  it('rests in a snapshot in the form in which it is saved, and is restored', async () => {
    const { state } = await lastValueFrom(run(work, 'a', { store, runId: 'r' }));
    const { snapshotId } = await store.snapshots.save('end', state);
    const { executionState } = await store.snapshots.load(snapshotId);
    expect(executionState.output).toEqual({ boxed: 'A' });

    const runId = await restore(snapshotId, { store });
    expect((await execute(work, 'a', { store, runId })).output).toBe('A');
  });

  it('is put into another store in the form in which it is saved', async () => {
    const state = await execute(work, 'a', { store, runId: 'r' });
    expect(state.output).toBe('A');
    const other = memoryStore();
    await other.importRun(state);

    expect((await other.loadRun('r'))?.output).toEqual({ boxed: 'A' });
    expect((await execute(work, 'a', { store: other, runId: 'r' })).output).toBe('A');
  });

  it('is so also where the end of the run was only told again', async () => {
    await execute(work, 'a', { store, runId: 'r' });
    const { state } = await firstValueFrom(resume(work, 'r', { store }));
    expect(state.output).toBe('A');
    const { executionState } = await store.snapshots.save('again', state);

    expect(executionState.output).toEqual({ boxed: 'A' });
  });
});
