import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Store } from '../../../index';
import { agent, chain, execute, executionHistory, lowdbStore, memoryStore, restore } from '../../../index';
import { StoreCorruptError } from '../../../lib/errors/storageErrors';
import { listenAt } from '../../../lib/store/folder/lock/ownerSocket';
import { storeOn } from './support/crash';
import { MemoryFiles } from './support/memoryFiles';
import { RunState } from '../../../lib/codec/stateCodec';
import { encodeRecord } from '../../../lib/store/folder/journal/journalRecord';

let folder: string;
let warned: jest.SpyInstance;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'millrace-'));
  warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
});
afterEach(() => {
  warned.mockRestore();
  fs.rmSync(folder, { recursive: true, force: true });
});

const job = chain(
  'job',
  agent('one', (n: number) => n + 1),
);
const files = (place: string): string[] => fs.readdirSync(join(folder, place)).sort();

describe.each<[string, () => Store]>([
  ['memory', () => memoryStore()],
  ['a folder', () => lowdbStore(folder)],
])('a plain object as a snapshot in %s', (_, make) => {
  it('is saved as it is, and comes back', async () => {
    const store = make();
    const progress = { step: 'processing', data: { rows: [1, 2] }, progress: 60 };
    const { snapshotId, executionState } = await store.snapshots.save('context', progress, { by: 'hand' });
    progress.data.rows.push(3);

    expect(executionState).toEqual({ step: 'processing', data: { rows: [1, 2] }, progress: 60 });
    expect((await store.snapshots.load(snapshotId)).executionState).toEqual(executionState);
    expect(await store.snapshots.list()).toMatchObject([{ snapshotId, runId: '', metadata: { by: 'hand' } }]);
    await store.close();
  });

  it('may be the result of a step', async () => {
    const store = make();
    const { steps } = await execute(job, 1, { store });
    const { snapshotId } = await store.snapshots.save('step_one_complete', steps.get('one')!);

    expect((await store.snapshots.load(snapshotId)).executionState).toEqual(steps.get('one'));
    await store.close();
  });

  it('is no run: nothing is restored from it', async () => {
    const store = make();
    const { snapshotId } = await store.snapshots.save('context', { steps: [], plan: 'none' });

    await expect(restore(snapshotId, { store })).rejects.toThrow('it holds a plain object');
    await store.close();
  });

  it.each([
    ['a value that JSON would change', { at: new Date(0) }, '.at is a Date'],
    ['a list', [1], 'the state is no object'],
    ['nothing', undefined, 'the state is no object'],
  ])('is refused by name when it holds %s', async (_what, state, why) => {
    const store = make();

    await expect(async () => store.snapshots.save('context', state as object)).rejects.toThrow(why);
    expect(await store.snapshots.list()).toEqual([]);
    await store.close();
  });
});

describe('a list in which one file is damaged', () => {
  it('shows the other snapshots, and tells the error once', async () => {
    const store = lowdbStore(folder);
    const state = await execute(job, 1, { store });
    for (const name of ['a', 'b', 'c']) await store.snapshots.save(name, state);
    const damaged = files('snapshots')[1]!;
    fs.writeFileSync(join(folder, 'snapshots', damaged), '{"name": 1}');
    execFileSync('mkfifo', [join(folder, 'snapshots', 'pipe.json')]);

    expect((await store.snapshots.list()).map(({ name }) => name)).toEqual(['c', 'a']);
    await store.snapshots.list();
    expect(warned.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringContaining(damaged),
      expect.stringContaining('pipe.json'),
    ]);
    await store.close();
  });

  it('shows the other execution logs, and tells the error once', async () => {
    const store = lowdbStore(folder);
    const history = executionHistory(store.logs);
    for (const id of ['a', 'b']) await history.createLog('w', id);
    await store.close();
    fs.writeFileSync(join(folder, 'logs', 'a.json'), '');

    expect((await lowdbStore(folder).logs.list()).map(({ logId }) => logId)).toEqual(['b']);
    expect(warned).toHaveBeenCalledTimes(1);
  });
});

describe('a state with 50,000 rows that do not fit', () => {
  it('is refused by name', () => {
    const steps = Array.from({ length: 50_000 }, () => ({ stepId: 1 }));
    const state = { runId: 'r', name: 'n', status: 'FAILED', steps, plan: [], startedAt: 0, life: 1, seq: 1 };

    expect(RunState.decode(state)._tag).toBe('Left');
  });
});

describe('a journal whose records do not fit together', () => {
  /** A store with one run whose journal is still there, and whose last record is another one. */
  async function withLast(edit: (json: string) => string): Promise<Store> {
    const memory = new MemoryFiles();
    const store = storeOn(memory, 'disk', 1 << 20);
    const state = await execute(job, 1, { store: memoryStore(), runId: 'in' });
    await store.importRun(state);
    await execute(job, 1, { store, runId: 'out' });
    const left = memory.afterKill();
    for (const [path, bytes] of left.all()) {
      if (path.includes('/runs/')) left.put(path, undefined);
      if (!path.endsWith('.ndjson')) continue;
      const lines = bytes.toString().split('\n').slice(0, -1);
      const edited = lines.map((line) => {
        const [, seq = '', synced = ''] = line.split(' ', 3);
        const json = line.slice(line.indexOf('{'));
        return encodeRecord(Number(seq), Number(synced), edit(json)).toString();
      });
      left.put(path, Buffer.from(edited.join('')));
    }
    return storeOn(left);
  }

  it('is read where they do', async () => {
    const store = await withLast((json) => json);

    expect((await store.loadRun('in'))?.status).toBe('COMPLETED');
    expect((await store.loadRun('out'))?.status).toBe('COMPLETED');
  });

  it('is refused where a state is put in for another id', async () => {
    const store = await withLast((json) =>
      json.includes('store.imported')
        ? json.replace('"runId":"in","state"', '"runId":"other","state"')
        : json,
    );

    const refused = await store.loadRun('other').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreCorruptError);
    expect(String(refused)).toContain('a state of run "in" for run "other"');
  });

  it('is refused where a number of an event is missing', async () => {
    const store = await withLast((json) =>
      json.includes('"run.completed"')
        ? json.replace(/"seq":(\d+)/, (_, n) => `"seq":${Number(n) + 1}`)
        : json,
    );

    const refused = await store.loadRun('out').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreCorruptError);
    expect(String(refused)).toMatch(/event \d+ of run "out" where \d+ belongs/);
  });
});

describe('what writers that were killed have left', () => {
  it('is removed when the store is opened again, and nothing else is', async () => {
    const store = lowdbStore(folder);
    const state = await execute(job, 1, { store, runId: 'first' });
    const { snapshotId } = await store.snapshots.save('one', state);
    await store.close();
    const ours = fs.readFileSync(join(folder, 'runs', 'first.json'));
    const token = 'a'.repeat(24);
    fs.writeFileSync(join(folder, 'runs', 'gone.json.tmp'), ours.subarray(0, 100));
    fs.writeFileSync(join(folder, 'snapshots', 'gone.json.tmp'), '');
    fs.writeFileSync(join(folder, 'journal', '00000007.ndjson.tmp'), 'half a rec');
    fs.writeFileSync(join(folder, 'runs', 'letter.json.tmp'), 'dear all');
    fs.writeFileSync(join(folder, 'snapshots', 'notes.tmp'), 'mine');
    fs.writeFileSync(join(folder, 'lock', `${'b'.repeat(24)}.sock`), 'no socket');
    fs.writeFileSync(join(folder, 'lock', `${token}.tmp`), '');
    const dead = await listenAt(join(folder, 'lock'), `${token}.sock`);
    dead?.close();
    const alive = await listenAt(join(folder, 'lock'), `${'c'.repeat(24)}.sock`);
    const past = new Date(Date.now() - 120_000);
    for (const name of files('lock')) fs.utimesSync(join(folder, 'lock', name), past, past);
    const again = lowdbStore(folder);
    await execute(job, 1, { store: again, runId: 'second' });
    await again.snapshots.delete(snapshotId);
    await again.close();
    alive?.close();

    expect(files('runs')).toEqual(['first.json', 'letter.json.tmp', 'second.json']);
    expect(files('snapshots')).toEqual(['notes.tmp']);
    expect(files('journal')).toEqual([]);
    expect(files('lock').filter((name) => name.length > 4)).toEqual([
      `${'b'.repeat(24)}.sock`,
      `${'c'.repeat(24)}.sock`,
    ]);
  });

  it('stays while it may be at work: a message, or whoever takes the lock', async () => {
    fs.mkdirSync(join(folder, 'lock'));
    fs.mkdirSync(join(folder, 'inbox'));
    fs.writeFileSync(join(folder, 'lock', `${'a'.repeat(24)}.tmp`), '');
    fs.writeFileSync(join(folder, 'inbox', 'r~1.json.tmp'), '');
    const store = lowdbStore(folder);
    await execute(job, 1, { store, runId: 'first' });
    await store.close();

    expect(files('inbox')).toEqual(['r~1.json.tmp']);
    expect(files('lock')).toContain(`${'a'.repeat(24)}.tmp`);
  });
});
