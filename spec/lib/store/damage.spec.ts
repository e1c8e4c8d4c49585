import { crc32 } from 'node:zlib';

import type { RunEvent } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import { encodeRecord, hex } from '../../../lib/store/folder/journal/journalRecord';
import { scanJournal } from '../../../lib/store/folder/journal/journalScan';
import { layoutOf } from '../../../lib/store/folder/layout';
import { readResting, readView } from '../../../lib/store/folder/view';
import { quickest } from '../../support/quickest';
import { amount, everyNth, isLong, seedOr, tally } from '../../support/torture';
import { storeOn } from './support/crash';
import { hostileRecord, listedHostile } from './support/hostile';
import { append, folded, life, throughJson } from './support/life';
import { MemoryFiles } from './support/memoryFiles';
import { random } from './support/random';

const JOURNAL = '/state/journal/00000001.ndjson';
const events = life('book', 30); // 62 events
const unfinished = events.slice(0, -1);

/** A store whose process was killed: everything is in the journal. */
async function killed(...histories: readonly (readonly RunEvent[])[]): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  const store = storeOn(files, 'process', 1 << 20);
  for (const history of histories) await append(await store.claim(history[0]!.runId), history);
  return files.afterKill();
}

/** So many records: runs of 16 events, none of which has come to its end. */
const records = async (count: number): Promise<MemoryFiles> =>
  killed(...Array.from({ length: Math.ceil(count / 16) }, (_, run) => life(`run${run}`, 8).slice(0, 16)));

/** What a reader finds: the number of events left, or the name of the error. What is `hostile` need not be a true state. */
async function found(files: MemoryFiles, isHostile = false): Promise<number | string> {
  files.fate = ({ name, path }) => {
    if (name !== 'read' && name !== 'list') throw new Error(`${name} ${path} while reading`);
    return undefined;
  };
  try {
    const state = throughJson(await stateIn(files));
    const seq = (state as typeof state | null)?.seq ?? 0;
    if (seq > 0 && !isHostile) expect(state).toEqual(folded(events.slice(0, seq)));
    return seq;
  } catch (error) {
    return (error as Error).name;
  }
}

/** The state of the run, read once; a store would look again, because a writer may be at work. */
async function stateIn(files: MemoryFiles): Promise<RunState | undefined> {
  const layout = layoutOf('/state');
  const view = await readView(files, layout, () => undefined);
  const line = view.lines.get('book');
  return (
    view.tail.get('book')?.state ??
    (line === undefined ? undefined : (await readResting(files, layout, line)).state)
  );
}

/** How many records can be trusted, or the name of the error. */
async function scanned(bytes: Buffer, store: string): Promise<number | string> {
  try {
    return (await scanJournal([{ number: 1, file: JOURNAL, bytes }], store, 1, () => undefined)).records
      .length;
  } catch (error) {
    return (error as Error).name;
  }
}

const storeName = (files: MemoryFiles): string =>
  JSON.parse(files.all().get('/state/history.json')!.toString()).store;

describe('a damaged journal', () => {
  it('cut at any byte gives the records before the cut (promises test 5)', async () => {
    const files = await killed(unfinished);
    const bytes = files.all().get(JOURNAL)!;
    const name = storeName(files);
    for (let length = 0; length <= bytes.length; length += 1) {
      const whole = Math.max(0, bytes.subarray(0, length).toString().split('\n').length - 2);
      const result = await scanned(bytes.subarray(0, length), name);
      if (result !== whole) throw new Error(`${length}: ${result} instead of ${whole}`);
      if (length % 23 > 0) continue;
      files.put(JOURNAL, bytes.subarray(0, length));
      expect([length, await found(files)]).toEqual([length, whole]);
    }
  });

  (isLong ? it : it.skip)(
    'of 1,000 records cut at any byte gives the records before the cut (promises test 5)',
    async () => {
      const files = await records(1_000);
      const bytes = files.all().get(JOURNAL)!;
      const name = storeName(files);
      let whole = -1;
      let cuts = 0;
      for (let length = 0; length <= bytes.length; length += 1) {
        if (length > 0 && bytes[length - 1] === 10) whole += 1;
        if (length % everyNth(1) > 0) continue;
        const result = await scanned(bytes.subarray(0, length), name);
        if (result !== Math.max(0, whole)) throw new Error(`${length}: ${result} instead of ${whole}`);
        cuts += 1;
      }
      tally('records', whole);
      tally('cuts', cuts);
    },
  );

  it('with a flipped bit is refused, or loses its last record (promises test 6)', async () => {
    const files = await records(isLong ? 1_000 : 100);
    const bytes = files.all().get(JOURNAL)!;
    const last = bytes.subarray(0, -1).lastIndexOf(10) + 1;
    const name = storeName(files);
    const count = Number(await scanned(bytes, name));
    // A scan reads the whole journal, so flips cost its length squared: some bytes, others for another seed.
    const step = Math.ceil((bytes.length * 3) / amount(6_000, 50_000));
    let flips = 0;
    for (let at = seedOr(0) % step; at < bytes.length; at += step) {
      for (const bit of [0, 3, 6]) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        const result = await scanned(flipped, name);
        flips += 1;
        if (result !== 'StoreCorruptError')
          expect([at, bit, result, at >= last]).toEqual([at, bit, count - 1, true]);
      }
    }
    tally('records', count);
    tally('flips', flips);
  });

  it.each([
    ['missing', (lines: string[]) => lines.splice(10, 1)],
    ['repeated', (lines: string[]) => lines.splice(10, 0, lines[10]!)],
    ['moved', (lines: string[]) => lines.splice(20, 0, lines.splice(10, 1)[0]!)],
    ['blank', (lines: string[]) => lines.splice(10, 1, '')],
  ])('with a %s record is refused, with file and byte', async (_, edit) => {
    const files = await killed(unfinished);
    const lines = files.all().get(JOURNAL)!.toString().split('\n');
    const offset = Buffer.byteLength(`${lines.slice(0, 10).join('\n')}\n`);
    edit(lines);
    files.put(JOURNAL, Buffer.from(lines.join('\n')));

    await expect(storeOn(files).loadRun('book')).rejects.toMatchObject({
      name: 'StoreCorruptError',
      file: JOURNAL,
      offset: lines[10] === lines[11] ? expect.any(Number) : offset,
    });
    await expect(async () => storeOn(files).claim('book')).rejects.toThrow('Cannot trust');
  });

  it.each(['null', '1', '[]', '"store.journal"', '{'])('that begins with %s is refused', async (text) => {
    const files = await killed(unfinished);
    const [, ...lines] = files.all().get(JOURNAL)!.toString().split('\n');
    files.put(JOURNAL, Buffer.from(`${encodeRecord(1, 0, text).toString()}${lines.join('\n')}`));
    expect(await found(files)).toBe('StoreCorruptError');
  });

  it.each([
    '{"name":"of somebody"}',
    'hello',
    '#!/bin/sh',
    'cafe cafe',
    'cafecafe 12 x',
    'cafecafe 1 0 [1]',
    '\u{1F600}',
  ])('that gave way to %j is refused, alone and behind records, and left as it is', async (text) => {
    for (const isAlone of [true, false]) {
      const files = await killed(unfinished);
      const before = isAlone ? Buffer.alloc(0) : files.all().get(JOURNAL)!;
      const foreign = Buffer.concat([before, Buffer.from(text)]);
      files.put(JOURNAL, foreign);

      await expect(async () => storeOn(files).claim('book')).rejects.toMatchObject({
        name: 'StoreCorruptError',
        file: JOURNAL,
        offset: before.length,
      });
      expect(files.all().get(JOURNAL)).toEqual(foreign);
    }
  });

  it('is refused when history.json is missing, of another store, or of a newer format', async () => {
    const files = await killed(unfinished);
    const history = files.all().get('/state/history.json')!;
    files.put('/state/history.json', undefined);
    expect(await found(files)).toBe('StoreCorruptError');
    files.put('/state/history.json', (await killed(unfinished)).all().get('/state/history.json'));
    expect(await found(files)).toBe('StoreCorruptError');
    files.put('/state/history.json', history);
    expect(await found(files)).toBe(61);
  });
});

describe('a damaged run file', () => {
  const closed = async () => {
    const files = new MemoryFiles();
    const store = storeOn(files);
    await append(await store.claim('book'), events);
    await store.close();
    return files;
  };

  it('cut at any byte is refused (promises test 5)', async () => {
    const files = await closed();
    const bytes = files.all().get('/state/runs/book.json')!;
    for (let length = 0; length < bytes.length; length += everyNth(1)) {
      files.put('/state/runs/book.json', bytes.subarray(0, length));
      expect([length, await found(files)]).toEqual([length, 'StoreCorruptError']);
    }
  });

  it('with a flipped bit is refused (promises test 6)', async () => {
    const files = await closed();
    for (const path of ['/state/runs/book.json', '/state/history.json']) {
      const bytes = files.all().get(path)!;
      for (let at = 0; at < bytes.length; at += everyNth(1)) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 7));
        files.put(path, flipped);
        expect([path, at, await found(files)]).toEqual([path, at, 'StoreCorruptError']);
      }
      files.put(path, bytes);
    }
  });

  it('is refused when it is missing, of another run, or of another time', async () => {
    const files = await closed();
    const old = await (async () => {
      const other = new MemoryFiles();
      const store = storeOn(other);
      await append(await store.claim('book'), events.slice(0, 5));
      await store.close();
      return other.all().get('/state/runs/book.json');
    })();
    files.put('/state/runs/book.json', old);
    expect(await found(files)).toBe('StoreCorruptError');
    files.put('/state/runs/book.json', undefined);
    expect(await found(files)).toBe('StoreCorruptError');
  });
});

describe('fuzzed stores (promises test 7, P18)', () => {
  it('are refused by name or give a true state, and never take long', async () => {
    const ROUNDS = amount(1_000, 100_000);
    const draw = random(seedOr(11));
    const seeds = [await killed(unfinished), await killed(events.slice(0, 20))];
    const rested = await killed();
    const store = storeOn(rested);
    await append(await store.claim('book'), events);
    await store.close();
    seeds.push(rested);
    for (let round = 0; round < ROUNDS; round += 1) {
      const files = seeds[round % seeds.length]!.afterKill();
      const all = [...files.all()].filter(([name]) => !name.includes('lock'));
      const isHostile = round % 10 === 9;
      if (isHostile) spoil(files, draw);
      else {
        const [path, bytes] = all[Math.floor(draw() * all.length)]!;
        const others = all.map(([, other]) => other);
        files.put(path, mangle(Buffer.from(bytes), draw, others));
      }
      let result: number | string = '';
      const took = await quickest(1_000, async () => {
        result = await found(files, isHostile);
      });
      if (took > 1_000) throw new Error(`round ${round} took longer than 1 s`);
      if (typeof result === 'string') expect(['StoreCorruptError', 'StoreFormatError']).toContain(result);
      expect('polluted' in {}).toBe(false);
    }
    tally('stores', ROUNDS);
    tally('hostile with right checksums', Math.floor(ROUNDS / 10));
  });

  it('with right checksums and hostile content are refused, and change no prototype', async () => {
    for (const json of listedHostile) {
      const files = await killed(events.slice(0, 3));
      const bytes = files.all().get(JOURNAL)!;
      files.put(JOURNAL, Buffer.concat([bytes, encodeRecord(5, 0, json)]));

      expect([json.slice(0, 40), await found(files)]).toEqual([json.slice(0, 40), 'StoreCorruptError']);
      expect('polluted' in {}).toBe(false);
    }
  });

  it('made of what looks like records cost no time', async () => {
    const files = await killed(events.slice(0, 3));
    const bytes = files.all().get(JOURNAL)!;
    files.put(JOURNAL, Buffer.concat([bytes, Buffer.from(`${'00000000 1 1 {'.repeat(150_000)}\n`)]));
    const took = await quickest(4_000, async () => {
      expect(await found(files)).toBe('StoreCorruptError');
    });

    expect(took).toBeLessThan(4_000);
  });
});

/** Puts hostile JSON with a right checksum into a file of the store. */
function spoil(files: MemoryFiles, draw: () => number): void {
  const all = [...files.all()].filter(([name]) => name.endsWith('json'));
  const [path, bytes] = all[Math.floor(draw() * all.length)]!;
  if (path.endsWith('.ndjson')) {
    const lines = bytes.toString().split('\n').slice(0, -1);
    const at = Math.floor(draw() * (lines.length + 1));
    const seq = Number(lines[0]!.split(' ')[1]) + at;
    const victim = lines[Math.min(Math.max(at, 1), lines.length - 1)] ?? lines[0]!;
    lines[at] = encodeRecord(seq, 0, hostileRecord(victim.slice(victim.indexOf('{')), draw))
      .toString()
      .trimEnd();
    files.put(path, Buffer.from(`${lines.join('\n')}\n`));
    return;
  }
  const text = bytes.toString();
  const end = text.lastIndexOf(',\n"crc32"');
  const body = hostileRecord(`${text.slice(0, end)}}`, draw).slice(0, -1);
  files.put(path, Buffer.from(`${body},\n"crc32": "${hex(crc32(body))}"\n}\n`));
}

function mangle(bytes: Buffer, draw: () => number, others: readonly Buffer[]): Buffer {
  const at = Math.floor(draw() * bytes.length);
  const length = Math.floor(draw() * 200);
  switch (Math.floor(draw() * 6)) {
    case 0:
      bytes[at] = Math.floor(draw() * 256);
      return bytes;
    case 1:
      return bytes.subarray(0, at);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 3:
      return bytes.fill(0, at, Math.min(at + length, bytes.length));
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.max(0, at - length))]);
    default:
      return others[Math.floor(draw() * others.length)] ?? bytes;
  }
}
