import { isLeft } from 'fp-ts/lib/Either';

import type { RunEvent } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import { OutputChange, patched } from '../../../lib/store/folder/deltas/applyDeltas';
import { encodeRecord } from '../../../lib/store/folder/journal/journalRecord';
import { storeOn } from './support/crash';
import { append, folded, life, throughJson } from './support/life';
import { errno, MemoryFiles } from './support/memoryFiles';

const JOURNAL = '/state/journal/00000001.ndjson';
const part = (n: number) => String(n).padEnd(100, '.');
/** State of 5 KB of which every step changes a fiftieth. */
const grown = (step: number) => ({
  n: step,
  parts: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`p${i}`, part(i <= step ? i + 100 : i)])),
});
const events = life('book', 30, grown);
const lines = (files: MemoryFiles) => files.all().get(JOURNAL)!.toString().trimEnd().split('\n');

async function killedAfter(history: readonly RunEvent[]): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  await append(await storeOn(files, 'process', 1 << 20).claim('book'), history);
  return files.afterKill();
}

/** The journal with its last record made by somebody else. */
async function withRecord(change: (record: Record<string, unknown>) => unknown): Promise<MemoryFiles> {
  const files = await killedAfter(events.slice(0, 9));
  const all = lines(files);
  const [, seq, synced] = all.at(-1)!.split(' ');
  const record = JSON.parse(all.at(-1)!.slice(`00000000 ${seq} ${synced} `.length)) as Record<
    string,
    unknown
  >;
  expect(record).toMatchObject({ type: 'step.completed', base: { path: 's2' } });
  all[all.length - 1] = encodeRecord(Number(seq), Number(synced), JSON.stringify(change(record)))
    .toString()
    .trimEnd();
  files.put(JOURNAL, Buffer.from(`${all.join('\n')}\n`));
  return files;
}

describe('outputs that change a part of an earlier one', () => {
  it('are written as that part, and read back whole', async () => {
    const files = await killedAfter(events.slice(0, -1));
    const sizes = lines(files).map((line) => line.length);

    expect(sizes.filter((size) => size > 5_000)).toHaveLength(1); // The first output.
    expect(throughJson(await storeOn(files).loadRun('book'))).toEqual(folded(events.slice(0, -1)));
  });

  it('are read back after every prefix of the journal, and written on from there', async () => {
    for (let length = 1; length < events.length; length += 1) {
      const store = storeOn(await killedAfter(events.slice(0, length)), 'process');
      const claim = await store.claim('book');
      expect(throughJson(claim.state)).toEqual(folded(events.slice(0, length)));
      await append(claim, events.slice(length));
      expect(throughJson(await store.loadRun('book'))).toEqual(folded(events));
    }
  });

  it('are the same when the file of the run holds the earlier one', async () => {
    const files = new MemoryFiles();
    const store = storeOn(files, 'process', 2_000); // Many files of the journal: checkpoints in between.
    const claim = await store.claim('book');
    for (const event of events) {
      await append(claim, [event]);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(throughJson(await storeOn(files.afterKill()).loadRun('book'))).toEqual(folded(events));
  });

  it('do not depend on a value that could not be written', async () => {
    const files = new MemoryFiles();
    const claim = await storeOn(files, 'process', 1 << 20).claim('book');
    await append(claim, events.slice(0, 6));
    files.fate = ({ name }) => (name === 'write' ? { error: errno('ENOSPC', JOURNAL) } : undefined);
    expect(() => claim.append(events[6]!)).toThrow('ENOSPC');
    files.fate = () => undefined;
    await append(claim, events.slice(6));

    expect(throughJson(await storeOn(files.afterKill()).loadRun('book'))).toEqual(folded(events));
  });

  it('do not follow objects that are changed after they were written', async () => {
    const files = new MemoryFiles();
    const claim = await storeOn(files, 'process', 1 << 20).claim('book');
    const mutable: { n: number; parts: Record<string, string> } = grown(0);
    const history = life('book', 3, () => mutable);
    await append(claim, history.slice(0, 3));
    mutable.n = 7;
    mutable.parts['p3'] = 'changed';
    await append(claim, history.slice(3, 5));
    mutable.n = 8;

    const state = await storeOn(files.afterKill()).loadRun('book');
    expect(state?.steps.get('s0')?.output).toEqual(grown(0));
    expect(state?.steps.get('s1')?.output).toEqual({ n: 7, parts: { ...grown(0).parts, p3: 'changed' } });
  });

  it('do not follow a state that is changed by who has read it', async () => {
    const files = await killedAfter(events.slice(0, 9));
    const store = storeOn(files, 'process', 1 << 20);
    const spoil = (state: RunState | undefined) => {
      const saved = state?.steps.get('s2')?.output as { n: number; parts: Record<string, string> };
      saved.n = 99;
      saved.parts['p49'] = 'changed'; // A part that the outputs before and after have too.
    };
    const claim = await store.claim('book');
    spoil(claim.state);
    await append(claim, events.slice(9, 13));
    spoil(await store.loadRun('book'));
    await append(claim, events.slice(13));
    await claim.release(undefined);
    const again = await store.claim('book');
    spoil(again.state);
    await again.release(undefined);
    await store.close();

    expect(throughJson(await storeOn(files.afterKill()).loadRun('book'))).toEqual(folded(events));
  });

  it('are written whole after saved results were dropped', async () => {
    const [started, first, completed] = events as [RunEvent, RunEvent, RunEvent];
    const retried: RunEvent[] = [
      started,
      first,
      completed,
      { type: 'step.started', runId: 'book', seq: 4, at: 0, path: 's1', agent: 'a', attempt: 1 },
      {
        type: 'step.retrying',
        runId: 'book',
        seq: 5,
        at: 0,
        path: 's1',
        agent: 'a',
        attempt: 1,
        error: { name: 'Error', message: 'no', retryable: true },
        delayMs: 0,
        reset: ['s0'],
      },
      { ...events[4], seq: 6 } as RunEvent,
    ];
    const files = await killedAfter(retried);
    expect(lines(files).at(-1)!.length).toBeGreaterThan(5_000);
    expect(throughJson(await storeOn(files).loadRun('book'))).toEqual(folded(retried));
  });

  it.each<[string, (record: Record<string, unknown>) => unknown]>([
    ['a base that is not there', (record) => ({ ...record, base: { path: 's9', seq: 3 } })],
    ['a base as of another time', (record) => ({ ...record, base: { path: 's2', seq: 2 } })],
    ['a base that is no object', (record) => ({ ...record, base: { path: '', seq: 1 } })],
    [
      'a patch beside its place',
      (record) => ({ ...record, patches: [{ op: 'replace', path: ['q', 'n'], value: 1 }] }),
    ],
    [
      'a patch of what is not there',
      (record) => ({ ...record, patches: [{ op: 'replace', path: ['q'], value: 1 }] }),
    ],
    [
      'a patch of the prototype',
      (record) => ({ ...record, patches: [{ op: 'add', path: ['__proto__', 'x'], value: 1 }] }),
    ],
    [
      'a patch of the constructor',
      (record) => ({ ...record, patches: [{ op: 'add', path: ['constructor'], value: 1 }] }),
    ],
    [
      'a patch without a path',
      (record) => ({ ...record, patches: [{ op: 'replace', path: [], value: {} }] }),
    ],
    ['no base', ({ base: _, ...record }) => record],
    ['the number of no event', (record) => ({ ...record, seq: 'x' })],
    ['patches that are none', (record) => ({ ...record, patches: [{ op: 'move', path: ['n'] }] })],
  ])('are refused with %s, with file and byte', async (_, change) => {
    const files = await withRecord(change);
    const before = files.all().get(JOURNAL);

    await expect(storeOn(files).loadRun('book')).rejects.toMatchObject({
      name: 'StoreCorruptError',
      file: JOURNAL,
      offset: expect.any(Number),
    });
    await expect(async () => storeOn(files).claim('book')).rejects.toThrow('Cannot trust');
    expect(files.all().get(JOURNAL)).toEqual(before);
  });

  it('never nest deeper than whole values may', () => {
    const deep = (levels: number): unknown => (levels === 0 ? 1 : [deep(levels - 1)]);
    const changed = (path: unknown[], value: unknown) =>
      OutputChange.decode({
        base: { path: 's0', seq: 3 },
        patches: [{ op: 'replace', path, value }],
      });
    expect(isLeft(changed(['a', 'b'], deep(254)))).toBe(false);
    expect(isLeft(changed(['a', 'b'], deep(255)))).toBe(true);
  });

  it('leave the earlier value as it is, and no holes in lists', () => {
    const base = { list: [1, 2], name: 'x' };
    expect(patched(base, [{ op: 'add', path: ['list', 2], value: { a: 1 } }])).toEqual({
      list: [1, 2, { a: 1 }],
      name: 'x',
    });
    expect(base).toEqual({ list: [1, 2], name: 'x' });
    for (const path of [
      ['list', 7],
      ['list', 'length'],
      ['list', '1'],
    ])
      expect(() => patched(base, [{ op: 'replace', path, value: 9 }])).toThrow(RangeError);
  });

  it.each<[string, (size: number) => unknown]>([
    ['list', (size) => ({ all: Array.from({ length: size }, (_, i) => i) })],
    ['record', (size) => ({ all: Object.fromEntries(Array.from({ length: size }, (_, i) => [`k${i}`, i])) })],
  ])('are written whole when little of a large %s changes, and refused otherwise', async (_, made) => {
    const large = made(20_000) as { all: Record<string | number, number> };
    const keys = Object.keys(large.all);
    const changedAt = (step: number) => {
      const all = Array.isArray(large.all) ? [...large.all] : { ...large.all };
      (all as Record<string, number>)[keys[step]!] = -1;
      return { all };
    };
    const history = life('book', 3, changedAt);
    const files = await killedAfter(history);
    expect(
      lines(files)
        .map(({ length }) => length > 50_000)
        .filter(Boolean),
    ).toHaveLength(3);
    expect(throughJson(await storeOn(files).loadRun('book'))).toEqual(folded(history));

    const path = ['all', Array.isArray(large.all) ? 5 : 'k5'];
    const all = lines(files).slice(0, 6);
    const record = { ...history[4], output: undefined, base: { path: 's0', seq: 3 } };
    const change = { ...record, patches: [{ op: 'replace', path, value: 1 }] };
    all[5] = encodeRecord(6, 0, JSON.stringify(change)).toString().trimEnd();
    files.put(JOURNAL, Buffer.from(`${all.join('\n')}\n`));
    await expect(storeOn(files).loadRun('book')).rejects.toThrow('it copies too much');
  });
});
