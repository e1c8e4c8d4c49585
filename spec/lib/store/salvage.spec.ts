import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { StorageError, StoreCorruptError } from '../../../lib/errors/storageErrors';
import { lowdbStore } from '../../../lib/store/folder/lowdbStore';
import type { LeftOut } from '../../../lib/store/salvage/leftOut';
import { salvage } from '../../../lib/store/salvage/salvage';
import type { Store } from '../../../lib/store/store';
import { amount, seedOr, tally } from '../../support/torture';
import { storeOn } from './support/crash';
import { append, folded, life, throughJson } from './support/life';
import { MemoryFiles } from './support/memoryFiles';
import { random } from './support/random';

const JOURNAL = '/state/journal/00000001.ndjson';
const done = life('done', 3);
const book = life('book', 10);
const other = life('other', 4);

/** One run rests in its file, two are in the journal of a process that was killed; with a snapshot and a log. */
async function killed(): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  const before = storeOn(files);
  const first = await before.claim('done');
  await append(first, done);
  await first.release(undefined);
  await before.snapshots.save('checkpoint_3', folded(done));
  await before.close();
  const store = storeOn(files, 'process', 1 << 20);
  await append(await store.claim('book'), book.slice(0, 15));
  await append(await store.claim('other'), other.slice(0, 5));
  return files.afterKill();
}

/** Salvages; the damaged folder must stay as it is. */
async function salvaged(files: MemoryFiles): Promise<{ leftOut: readonly LeftOut[]; store: Store }> {
  const damaged = [...files.all()].filter(([path]) => path.startsWith('/state/'));
  files.fate = ({ name, path }) => {
    if (path.startsWith('/state') && name !== 'read' && name !== 'list')
      throw new Error(`${name} ${path} while salvaging`);
    return undefined;
  };
  const leftOut = await salvage('/state', '/new', { files });
  files.fate = () => undefined;
  expect([...files.all()].filter(([path]) => path.startsWith('/state/'))).toEqual(damaged);
  return { leftOut, store: lowdbStore('/new', { files }) };
}

/** Number of the latest event of each run; each state must be that of the events up to there. */
async function seqs(store: Store): Promise<Record<string, number>> {
  const left: Record<string, number> = {};
  for (const events of [done, book, other]) {
    const { runId } = events[0]!;
    const state = await store.loadRun(runId);
    if (state === undefined) continue;
    expect(throughJson(state)).toEqual(folded(events.slice(0, state.seq)));
    left[runId] = state.seq;
  }
  expect((await store.listRuns()).map(({ runId }) => runId).sort()).toEqual(Object.keys(left).sort());
  return left;
}

/** Where record `index` of the journal begins. */
function recordAt(bytes: Buffer, index: number): number {
  let offset = 0;
  for (let line = 0; line < index; line += 1) offset = bytes.indexOf(10, offset) + 1;
  return offset;
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

describe('salvage()', () => {
  it('copies an intact store whole, leaves nothing out, and what it made goes on', async () => {
    const { leftOut, store } = await salvaged(await killed());

    expect(leftOut).toEqual([]);
    expect(await seqs(store)).toEqual({ done: 8, book: 15, other: 5 });
    const [snapshot] = await store.snapshots.list();
    expect(await store.snapshots.load(snapshot!.snapshotId)).toMatchObject({ name: 'checkpoint_3' });
    const claim = await store.claim('book');
    await append(claim, book.slice(15));
    await claim.release(undefined);
    await store.close();
    expect(await seqs(store)).toEqual({ done: 8, book: 22, other: 5 });
  });

  it('keeps what the journal says before its damage, at the byte the refusal names', async () => {
    const files = await killed();
    const bytes = files.all().get(JOURNAL)!;
    const at = recordAt(bytes, 9);
    files.put(JOURNAL, flipped(bytes, at + 20));
    const refusal: unknown = await storeOn(files)
      .loadRun('book')
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(StoreCorruptError);
    expect(refusal).toMatchObject({ file: JOURNAL, offset: at });
    expect((refusal as Error).message).toContain('salvage()');
    const { leftOut, store } = await salvaged(files);

    expect(leftOut).toEqual([{ file: JOURNAL, offset: at, reason: 'a damaged record' }]);
    expect(await seqs(store)).toEqual({ done: 8, book: 8 });
  });

  it('says where a last record was still being written', async () => {
    const files = await killed();
    const bytes = files.all().get(JOURNAL)!;
    files.put(JOURNAL, bytes.subarray(0, -3));
    const { leftOut, store } = await salvaged(files);

    expect(leftOut).toEqual([
      { file: JOURNAL, offset: recordAt(bytes, 20), reason: expect.stringContaining('being written') },
    ]);
    expect(await seqs(store)).toEqual({ done: 8, book: 15, other: 4 });
  });

  it.each([
    ['missing', undefined, 'the file is missing'],
    ['cut', 40, 'the end is missing'],
  ])('finds the runs again when history.json is %s', async (_, length, reason) => {
    const files = await killed();
    const bytes = files.all().get('/state/history.json')!;
    files.put('/state/history.json', length === undefined ? undefined : bytes.subarray(0, length));
    const { leftOut, store } = await salvaged(files);

    expect(leftOut).toEqual([{ file: '/state/history.json', offset: length ?? 0, reason }]);
    expect(await seqs(store)).toEqual({ done: 8, book: 15, other: 5 });
  });

  it('leaves out a damaged run file, a missing one, and a damaged snapshot', async () => {
    const files = await killed();
    const snapshot = [...files.all().keys()].find((path) => path.startsWith('/state/snapshots/'))!;
    files.put('/state/runs/done.json', flipped(files.all().get('/state/runs/done.json')!, 100));
    files.put(snapshot, flipped(files.all().get(snapshot)!, 300));
    const first = await salvaged(files);
    expect(first.leftOut).toEqual([
      { file: snapshot, offset: 0, reason: 'the checksum differs' },
      { file: '/state/runs/done.json', offset: 0, reason: 'the checksum differs' },
    ]);
    expect(await seqs(first.store)).toEqual({ book: 15, other: 5 });

    const others = await killed();
    others.put('/state/runs/done.json', undefined);
    const second = await salvaged(others);
    expect(second.leftOut).toEqual([
      { file: '/state/runs/done.json', offset: 0, reason: 'the file of run "done" is missing' },
    ]);
  });

  it('puts no record on a run file that lacks what comes before it', async () => {
    const files = new MemoryFiles();
    let old: Buffer | undefined;
    for (const part of [book.slice(0, 5), book.slice(5, 9)]) {
      const store = storeOn(files);
      const claim = await store.claim('book');
      await append(claim, part);
      await claim.release(undefined);
      await store.close();
      old ??= files.all().get('/state/runs/book.json');
    }
    await append(await storeOn(files, 'process').claim('book'), book.slice(9, 12));
    const left = files.afterKill();
    left.put('/state/runs/book.json', old);
    const { leftOut, store } = await salvaged(left);

    expect(leftOut).toEqual([
      {
        file: '/state/journal/00000001.ndjson',
        offset: expect.any(Number),
        reason: expect.stringContaining('is lost'),
      },
      { file: '/state/runs/book.json', offset: 0, reason: expect.stringContaining('as of an earlier time') },
    ]);
    expect(await seqs(store)).toEqual({ book: 5 });
  });

  it('gives true states of stores damaged at random, and a store that opens', async () => {
    const ROUNDS = amount(300, 10_000);
    const draw = random(seedOr(31));
    const whole = await killed();
    const paths = [...whole.all().keys()].filter((path) => !path.includes('lock'));
    for (let round = 0; round < ROUNDS; round += 1) {
      const files = whole.afterKill();
      for (let damage = 0; damage < 1 + (round % 3); damage += 1) {
        const path = paths[Math.floor(draw() * paths.length)]!;
        const bytes = files.all().get(path)!;
        const at = Math.floor(draw() * bytes.length);
        files.put(path, draw() < 0.5 ? bytes.subarray(0, at) : flipped(bytes, at));
      }
      const { store } = await salvaged(files);
      await seqs(store);
      for (const { snapshotId } of await store.snapshots.list()) await store.snapshots.load(snapshotId);
    }
    tally('stores', ROUNDS);
  });

  it('keeps streams as of the latest record before their damage, queued runs and signals', async () => {
    const files = new MemoryFiles();
    const before = storeOn(files, 'process', 1 << 20);
    const claim = await before.streams.claim('visits');
    for (let offset = 1; offset <= 3; offset += 1)
      await claim.commit({
        offsets: [['visits', offset]],
        rows: [{ table: 'hits', key: `/${offset}`, value: { count: 1 } }],
        at: 1_000 + offset,
      });
    await before.streams.claim('whole');
    await before.queue.add({ runId: 'q-1', name: 'book', input: 1, priority: 0 }, 10);
    await before.signals.add({ name: 'paid', value: 7, at: 6 });
    const killedNow = files.afterKill();
    const journal = '/state/streams/visits/00000001.ndjson';
    const bytes = killedNow.all().get(journal)!;
    const at = recordAt(bytes, 3);
    // A torn end would be cut: the line after it says that it was whole.
    killedNow.put(journal, flipped(bytes, at - 20));
    const hit = recordAt(bytes, 2);

    const { leftOut, store } = await salvaged(killedNow);

    expect(leftOut).toEqual([{ file: journal, offset: hit, reason: 'a damaged record' }]);
    expect(await store.streams.list()).toMatchObject([
      { name: 'visits', offsets: { visits: 1 }, tables: { hits: 1 }, committedAt: 1_001 },
      { name: 'whole', offsets: {} },
    ]);
    const next = await store.streams.claim('visits');
    expect(next.saved?.tables.get('hits')?.get('/1')).toEqual({ count: 1 });
    expect(await store.queue.size()).toBe(1);
    expect(await store.signals.list()).toMatchObject([{ name: 'paid', value: 7 }]);
  });

  it('leaves out a stream whose file is damaged, and says so; a list tells it and goes on', async () => {
    const files = new MemoryFiles();
    const before = storeOn(files);
    for (const name of ['bad', 'good']) {
      const claim = await before.streams.claim(name);
      await claim.commit({ offsets: [[name, 4]], rows: [], at: 9 });
      await claim.release();
    }
    await before.close();
    const path = '/state/streams/bad/stream.json';
    files.put(path, flipped(files.all().get(path)!, 30));
    const damaged: [string, string][] = [];

    const listed = await storeOn(files).streams.list({
      onDamaged: (name, { code }) => damaged.push([name, code]),
    });

    expect(listed.map(({ name }) => name)).toEqual(['good']);
    expect(damaged).toEqual([['bad', 'STORE_CORRUPT']]);
    const { leftOut, store } = await salvaged(files);
    expect(leftOut).toMatchObject([{ file: path }]);
    expect((await store.streams.list()).map(({ name }) => name)).toEqual(['good']);
  });

  it('lists a stream although its files are replaced while they are read', async () => {
    const files = new MemoryFiles();
    const store = storeOn(files);
    const claim = await store.streams.claim('busy');
    const write = async (from: number): Promise<void> => {
      for (let offset = from; offset < from + 20; offset += 1)
        await claim.commit({
          offsets: [['busy', offset]],
          rows: [{ table: 'seen', key: String(offset), value: 'x'.repeat(200) }],
          at: offset,
        });
      // A checkpoint that is written behind it lets others have turns.
      for (let turn = 0; turn < 100; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    await write(1);
    const other = storeOn(files);
    let reads = 0;
    const old = files.all().get('/state/streams/busy/stream.json')!;
    for (const from of [21, 41, 61, 81]) await write(from);
    const now = files.all().get('/state/streams/busy/stream.json')!;
    expect(now).not.toEqual(old);
    files.put('/state/streams/busy/stream.json', old);
    // What a reader finds that began before the checkpoint, and goes on after it.
    files.fate = ({ name, path }) => {
      if (name === 'list' && path.endsWith('/busy') && (reads += 1) === 1)
        files.put('/state/streams/busy/stream.json', now);
      return undefined;
    };

    const damaged: string[] = [];
    const listed = await other.streams.list({ onDamaged: (name) => damaged.push(name) });

    expect([listed.map(({ offsets }) => offsets['busy']), damaged, reads]).toEqual([[100], [], 2]);
  });

  it('refuses a target that is not empty or lies in the store, and a folder without a store', async () => {
    const files = await killed();
    await expect(salvage('/state', '/state', { files })).rejects.toThrow('lies in the damaged store');
    await expect(salvage('/state', '/state/new', { files })).rejects.toThrow(StorageError);
    await expect(salvage('/nowhere', '/new', { files })).rejects.toThrow('it holds no store');
    await salvage('/state', '/new', { files });
    await expect(salvage('/state', '/new', { files })).rejects.toThrow('something is there already');
  });

  it('works on a real disk, and follows no link out of the damaged folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-salvage-'));
    try {
      const store = lowdbStore(join(folder, 'state'));
      for (const events of [done, book]) {
        const claim = await store.claim(events[0]!.runId);
        await append(claim, events);
        await claim.release(undefined);
      }
      await store.close();
      cpSync(join(folder, 'state/runs/done.json'), join(folder, 'outside.json'));
      rmSync(join(folder, 'state/runs/done.json'));
      symlinkSync(join(folder, 'outside.json'), join(folder, 'state/runs/done.json'));
      const history = readFileSync(join(folder, 'state/history.json'));
      truncateSync(join(folder, 'state/history.json'), history.length - 4);
      const leftOut = await salvage(join(folder, 'state'), join(folder, 'new'));

      expect(leftOut.map(({ file }) => file.slice(folder.length))).toEqual([
        '/state/history.json',
        '/state/runs/done.json',
      ]);
      expect(await seqs(lowdbStore(join(folder, 'new')))).toEqual({ book: 22 });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
