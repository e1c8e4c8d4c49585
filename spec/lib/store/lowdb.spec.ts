import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { StorageError, StoreLockedError } from '../../../lib/errors/storageErrors';
import { lowdbStore } from '../../../lib/store/folder/lowdbStore';
import { storeContract } from '../../../testing/storeContract';
import { until } from '../../support/until';
import { append, folded, life, throughJson } from './support/life';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe.each(['disk', 'process'] as const)('lowdbStore() with durability %s', (durability) => {
  let place: string;
  const cases = storeContract({
    open: () => lowdbStore((place = mkdtempSync(join(tmpdir(), 'millrace-'))), { durability }),
    reopen: () => lowdbStore(place, { durability }),
    discard: () => rmSync(place, { recursive: true }),
  });
  for (const { name, check } of cases) it(name, check);
});

describe('lowdbStore()', () => {
  it('tells the time of snapshots by its clock', async () => {
    const store = lowdbStore(folder, { clock: { now: () => Date.UTC(2026, 10, 22) } });
    await store.importRun(folded(life('book', 1)));

    const { timestamp } = await store.snapshots.save('a', (await store.loadRun('book'))!);
    expect(timestamp).toBe('2026-11-22T00:00:00.000Z');
    await store.close();
  });

  it('opens nothing before the first use', async () => {
    const store = lowdbStore(join(folder, 'state'));

    expect(readdirSync(folder)).toEqual([]);
    expect(await store.listRuns()).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('lists the same of a run whether it is under way, saved, or read by somebody else', async () => {
    const store = lowdbStore(folder);
    const claim = await store.claim('book');
    await append(claim, life('book', 2));
    const underWay = await store.listRuns();
    await claim.release(undefined);
    await store.close();
    const reader = lowdbStore(folder);
    expect(await reader.listRuns()).toEqual(underWay);
    await (await reader.claim('another')).release(undefined);
    expect(await reader.listRuns()).toEqual(underWay);
    await reader.close();
  });

  it('tells runs apart, read beside their owner, whose ids need more than a byte a character or a mark of escape', async () => {
    const store = lowdbStore(folder);
    const runIds = ['é', 'Ã©', '주문-1', '주문-2', 'a "b"', 'a', 'a \\', 'x'.repeat(40)];
    for (const runId of runIds) await append(await store.claim(runId), life(runId, 2));
    const reader = lowdbStore(folder);

    for (const runId of runIds) expect(await reader.loadRun(runId)).toEqual(await store.loadRun(runId));
    expect(new Set((await reader.listRuns()).map(({ runId }) => runId))).toEqual(new Set(runIds));
    await store.close();
  });

  it('leaves files one can read in an editor, and no journal, when it is closed', async () => {
    const store = lowdbStore(folder);
    const claim = await store.claim('book');
    await append(claim, life('book', 2));
    await claim.release(undefined);
    await store.close();

    expect(readdirSync(folder).sort()).toEqual(['history.json', 'journal', 'lock', 'runs']);
    expect(readdirSync(join(folder, 'journal'))).toEqual([]);
    expect(readdirSync(join(folder, 'runs'))).toEqual(['book.json']);
    const file = JSON.parse(readFileSync(join(folder, 'runs', 'book.json'), 'utf8'));
    expect(file).toMatchObject({ format: 4, kind: 'run', state: { runId: 'book', status: 'COMPLETED' } });
    expect(statSync(join(folder, 'runs', 'book.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'runs')).mode & 0o777).toBe(0o700);
  });

  it('lets one store write at a time, and the next one when it is closed', async () => {
    const first = lowdbStore(folder);
    const second = lowdbStore(folder);
    await (await first.claim('a')).release(undefined);

    await expect(async () => second.claim('b')).rejects.toThrow(StoreLockedError);
    await first.close();
    await (await second.claim('b')).release(undefined);
    await second.close();
  });

  it('acknowledges at once with durability process, and after a sync with disk', async () => {
    const events = life('book', 1);
    const store = lowdbStore(folder, { durability: 'process' });
    expect((await store.claim('book')).append(events[0]!)).toBeUndefined();
    await store.close();

    const synced = lowdbStore(join(folder, 'other'), { durability: 'disk' });
    expect((await synced.claim('book')).append(events[0]!)).toBeInstanceOf(Promise);
    await synced.close();
  });

  it('keeps nothing of an unfinished life with durability end, and all of a finished one', async () => {
    const store = lowdbStore(folder, { durability: 'end' });
    const events = life('book', 2);
    const claim = await store.claim('book');
    await append(claim, events.slice(0, -1));
    expect(await lowdbStore(folder).loadRun('book')).toBeUndefined();
    await claim.append(events.at(-1)!);

    expect(throughJson(await lowdbStore(folder).loadRun('book'))).toEqual(folded(events));
    await claim.release(undefined);
    await store.close();
  });

  it('begins new files of the journal and removes the old ones while a run goes on', async () => {
    const store = lowdbStore(folder, { durability: 'process', rotateBytes: 4096 });
    const claim = await store.claim('book');
    const events = life('book', 200);
    for (const event of events) {
      await claim.append(event);
      if (event.seq % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const journal = () => readdirSync(join(folder, 'journal'));
    await until(() => journal().length < 4);

    expect(journal().length).toBeLessThan(4);
    expect(throughJson(await lowdbStore(folder).loadRun('book'))).toEqual(folded(events));
    await claim.release(undefined);
    await store.close();
  });

  it.each([
    ['is a file', (path: string) => writeFileSync(path, 'x')],
    ['cannot be written to', (path: string) => mkdirSync(path, { mode: 0o500 })],
    [
      'has a link in place of a folder',
      (path: string) => {
        mkdirSync(path);
        symlinkSync(tmpdir(), join(path, 'runs'));
      },
    ],
  ])('refuses a folder that %s', async (why, prepare) => {
    if (why === 'cannot be written to' && process.getuid?.() === 0) return;
    const place = join(folder, 'place');
    prepare(place);

    await expect(async () => lowdbStore(place).claim('x')).rejects.toThrow(StorageError);
  });
});
