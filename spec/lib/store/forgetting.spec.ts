import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';

import type { Store } from '../../../index';
import {
  agent,
  approval,
  chain,
  everyStep,
  execute,
  executionHistory,
  lowdbStore,
  memoryStore,
  record,
  run,
  saveTo,
} from '../../../index';

import { examine } from '../../../lib/store/salvage/examine';
import { until } from '../../support/until';
import { storeOn } from './support/crash';
import { MemoryFiles } from './support/memoryFiles';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'millrace-'));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

/** All names and bytes of a folder that mention this text. */
function traces(text: string): readonly string[] {
  return (fs.readdirSync(folder, { recursive: true }) as string[])
    .filter((name) => fs.statSync(join(folder, name)).isFile())
    .filter((name) => fs.readFileSync(join(folder, name), 'utf8').includes(text))
    .sort();
}

describe.each<[string, () => Store]>([
  ['memory', () => memoryStore()],
  ['a folder', () => lowdbStore(folder)],
])('a run that is forgotten in %s', (_, make) => {
  let calls = 0;
  const priced = agent(
    'priced',
    (n: number) => {
      calls += 1;
      return n * 2;
    },
    { cache: {} },
  );
  const job = chain('job', priced);
  beforeEach(() => {
    calls = 0;
  });

  /** Two lives of one run with its snapshots and logs, and another run. */
  async function filled(): Promise<Store> {
    const store = make();
    const history = executionHistory(store.logs);
    for (const [runId, n] of [
      ['first', 1],
      ['first#2nd', 2],
    ] as const)
      await lastValueFrom(
        run(job, n, { store, runId }).pipe(saveTo(everyStep(), { store }), record(history)),
      );
    await history.createLog('job', 'first#2');
    // A tap is not waited for.
    await until(
      async () =>
        (await store.snapshots.list()).length === 2 &&
        (await history.listLogs({ status: 'completed' })).length === 2,
    );
    expect(calls).toBe(2);
    return store;
  }

  it('takes the answers with it that it left in the cache, and no others', async () => {
    const store = await filled();
    await store.deleteRun('first');
    await execute(job, 2, { store, runId: 'other' });
    expect(calls).toBe(2);
    await execute(job, 1, { store, runId: 'again' });
    expect(calls).toBe(3);

    await store.deleteRun('again', { cache: false });
    await execute(job, 1, { store, runId: 'once more' });
    expect(calls).toBe(3);
    await store.close();
  });

  it('leaves snapshots and execution logs, unless they are asked for', async () => {
    const store = await filled();
    const logs = async (): Promise<string[]> => (await store.logs.list()).map(({ logId }) => logId).sort();
    const snapshots = async (): Promise<string[]> =>
      (await store.snapshots.list()).map(({ runId }) => runId).sort();
    await store.deleteRun('first');
    expect(await snapshots()).toContain('first');
    expect(await logs()).toEqual(['first', 'first#2', 'first#2nd']);

    // Also when the run has gone already.
    expect(await store.deleteRun('first', { snapshots: true, logs: true })).toBe(false);
    expect(new Set(await snapshots())).toEqual(new Set(['first#2nd']));
    expect(await logs()).toEqual(['first#2nd']);

    await store.prune({ snapshots: true, logs: true });
    expect([await snapshots(), await logs()]).toEqual([[], []]);
    await store.close();
  });

  it('leaves no trace of what it was given', async () => {
    const store = make();
    const secret = 'patient 4711';
    const asks = chain(
      'asks',
      agent('note', (text: string) => `${text}!`, { cache: {} }),
      approval('ok', t.boolean),
    );
    const history = executionHistory(store.logs);
    await lastValueFrom(
      run(asks, secret, { store, runId: 'r' }).pipe(saveTo(everyStep(), { store }), record(history)),
    );
    await store.post('r', { kind: 'answer', path: 'ok', value: true });
    await store.deleteRun('r', { snapshots: true, logs: true });
    await store.close();

    expect(traces('4711')).toEqual([]);
    expect((await make().listRuns()).filter(({ runId }) => runId === 'r')).toEqual([]);
  });
});

describe('a run that is forgotten after the process that made its answers has ended', () => {
  it('takes them with it all the same, and answers of earlier versions stay', async () => {
    const priced = agent('priced', (n: number) => n * 2, { cache: {} });
    const first = lowdbStore(folder);
    await execute(chain('job', priced), 1, { store: first, runId: 'said "so" \\ \n' });
    await execute(chain('job', priced), 2, { store: first, runId: 'b' });
    await first.close();
    const cache = join(folder, 'cache');
    fs.writeFileSync(join(cache, 'notes.json'), 'mine');
    const store = lowdbStore(folder);
    await store.deleteRun('said "so" \\ \n');
    await store.close();

    expect(fs.readdirSync(cache)).toHaveLength(2);
    expect(fs.readFileSync(join(cache, 'notes.json'), 'utf8')).toBe('mine');
  });
});

it('a run that has gone on and is deleted stays forgotten when the process is killed', async () => {
  const files = new MemoryFiles();
  const job = (version: number) =>
    chain(
      'job',
      agent('one', (n: number) => n + version, { version }),
    );
  const before = storeOn(files, 'process', 1 << 20);
  await execute(job(1), 1, { store: before, runId: 'r' });
  await before.close();
  const store = storeOn(files, 'process', 1 << 20);
  await execute(job(2), 1, { store, runId: 'r', onMismatch: 'actual' });
  await store.deleteRun('r');
  const left = files.afterKill();

  expect(await storeOn(left).loadRun('r')).toBeUndefined();
  expect((await examine('/state', { files: left })).damage).toEqual([]);
  const next = storeOn(left, 'process');
  expect(await execute(job(2), 5, { store: next, runId: 'r' })).toMatchObject({ output: 7 });
  await next.close();
  expect(await storeOn(left).loadRun('r')).toMatchObject({ output: 7 });
});

it('runs that are deleted at once share what is synced and rewritten, and each has its own error', async () => {
  const files = new MemoryFiles();
  const one = agent('one', (n: number) => n);
  const before = storeOn(files, 'process', 1 << 20);
  for (let n = 0; n < 40; n += 1) await execute(one, n, { store: before, runId: String(n) });
  await before.close();
  const store = storeOn(files, 'process', 1 << 20);
  let calls: string[] = [];
  files.fate = ({ name }) => {
    calls.push(name);
    return undefined;
  };
  const shared = () => calls.filter((name) => /sync|rename|replace/i.test(name)).length;
  await store.deleteRun('0');
  const alone = shared();
  const busy = run(
    agent('never', () => new Promise(() => undefined)),
    1,
    { store, runId: 'busy' },
  ).subscribe();
  await until(() => store.listRuns().then((all) => all.some(({ runId }) => runId === 'busy')));
  calls = [];

  const ids = Array.from({ length: 30 }, (_, n) => String(n + 1));
  const deleted = await Promise.allSettled(
    [...ids, 'busy', 'unknown'].map((runId) => store.deleteRun(runId)),
  );

  expect(deleted.slice(0, 30)).toEqual(ids.map(() => ({ status: 'fulfilled', value: true })));
  expect(deleted.slice(30)).toMatchObject([
    { status: 'rejected', reason: { code: 'RUN_ACTIVE' } },
    { status: 'fulfilled', value: false },
  ]);
  expect(alone).toBeGreaterThan(0);
  expect(shared()).toBeLessThan(4 * alone);
  busy.unsubscribe();
  await store.close();
  expect((await storeOn(files).listRuns()).map(({ runId }) => runId)).toHaveLength(10);
});

it('a run that is deleted behind another one whose file cannot be removed is gone, and only that one is asked for again', async () => {
  const files = new MemoryFiles();
  const one = agent('one', (n: number) => n);
  const store = storeOn(files, 'process', 1 << 20);
  for (const runId of ['a', 'b', 'c']) await execute(one, 1, { store, runId });
  files.fate = ({ name, path }) =>
    name === 'remove' && path.includes('/a.') ? { error: new Error('EACCES') } : undefined;

  const deleted = await Promise.allSettled(['a', 'b', 'c'].map((runId) => store.deleteRun(runId)));

  expect(deleted.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  files.fate = () => undefined;
  expect(await store.listRuns()).toEqual([]);
  await store.close();
});
