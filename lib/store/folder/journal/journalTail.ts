import { crc32 } from 'node:zlib';

import { StoreCorruptError, StoreFormatError } from '../../../errors/storageErrors';
import type { Pause } from '../../../streams/yieldOften';
import type { Files } from '../files/files';
import type { JournalHeader, ScannedRecord } from './journalScan';
import { JOURNAL_FORMAT } from './journalScan';

/** One file of the journal, as far as it was read. */
interface Part {
  readonly number: number;
  readonly file: string;
  /** Names the file itself: after a crash another one takes its path. */
  readonly id: string;
  bytes: Buffer;
  /** How many bytes were read, and how many of them are whole records. */
  length: number;
  parsed: number;
  /** Numbers of the first and the last record. */
  firstSeq: number;
  lastSeq: number;
  keepsEvents: boolean;
  /** Where the records of each run stand: number, first byte of the JSON and byte behind it, one after another. */
  readonly byRun: Map<string, number[]>;
  /** The same by how the id stands in a record, one character a byte. */
  readonly byText: Map<string, number[]>;
}

/**
 * The journal of a store that somebody may be writing to, read for others: every byte once, and the JSON only of the runs that
 * are asked for.
 */
export class JournalTail {
  readonly #files: Files;
  readonly #folder: string;
  readonly #pause: Pause;
  #parts: Part[] = [];
  #reading: Promise<void> | undefined;

  constructor(files: Files, folder: string, pause: Pause) {
    this.#files = files;
    this.#folder = folder;
    this.#pause = pause;
  }

  /** Number of the first record that is known; one above the last when there is none. */
  get firstSeq(): number {
    return this.#parts[0]?.firstSeq ?? this.lastSeq + 1;
  }

  /** Number of the last record that is known. */
  get lastSeq(): number {
    return this.#parts.at(-1)?.lastSeq ?? 0;
  }

  /** Whether events are kept beyond the journal. */
  get keepsEvents(): boolean {
    return this.#parts.at(-1)?.keepsEvents ?? true;
  }

  /** Reads what has come since. @throws StoreCorruptError when something is not as expected: it may only be changing. */
  async refresh(): Promise<void> {
    // Who asks while a look is under way may not count on it.
    while (this.#reading !== undefined) await this.#reading.catch(() => undefined);
    const reading = (this.#reading = this.#refresh());
    try {
      await reading;
    } finally {
      this.#reading = undefined;
    }
  }

  /** The records of a run behind this one, in order. */
  *recordsOf(runId: string, after: number): Generator<ScannedRecord> {
    for (const { byRun, bytes, file, lastSeq } of this.#parts) {
      const places = lastSeq > after ? byRun.get(runId) : undefined;
      if (places === undefined) continue;
      for (let at = firstBehind(places, after); at < places.length; at += 3) {
        const [seq = 0, from = 0, to = 0] = places.slice(at, at + 3);
        yield { seq, synced: 0, json: bytes.toString('utf8', from, to), file, offset: from };
      }
    }
  }

  /** Number of the latest record of a run; 0 when it has none. */
  latestOf(runId: string): number {
    return this.#parts.reduce((latest, { byRun }) => byRun.get(runId)?.at(-3) ?? latest, 0);
  }

  /** The runs that have records behind this one. */
  runsBehind(after: number): ReadonlySet<string> {
    const runIds = new Set<string>();
    for (const { byRun, lastSeq } of this.#parts) {
      if (lastSeq <= after) continue;
      for (const [runId, places] of byRun) if ((places[places.length - 3] ?? 0) > after) runIds.add(runId);
    }
    return runIds;
  }

  async #refresh(): Promise<void> {
    const names = this.#files
      .list(this.#folder)
      .filter((name) => /^\d{8}\.ndjson$/.test(name))
      .sort();
    const known = new Map(this.#parts.map((part) => [part.number, part]));
    const newest = this.#parts.at(-1)?.number ?? -1;
    const parts: Part[] = [];
    for (const name of names) {
      const number = Number(name.slice(0, 8));
      const before = known.get(number);
      // Whatever has a successor that was known already is complete.
      const part =
        before !== undefined && number < newest ? before : await this.#readOn(number, name, before);
      if (part === undefined) continue;
      const last = parts.at(-1);
      if (last !== undefined && part.firstSeq !== last.lastSeq + 1) {
        if (number <= newest) this.#parts = [];
        throw new StoreCorruptError(part.file, 0, 'records before it are missing');
      }
      parts.push(part);
    }
    this.#parts = parts;
  }

  /** The file as it is now; undefined when it is gone, or holds nothing yet. */
  async #readOn(number: number, name: string, before: Part | undefined): Promise<Part | undefined> {
    const file = `${this.#folder}/${name}`;
    const id = this.#files.look(file)?.id;
    if (id === undefined) return undefined;
    const isSame = before?.id === id;
    const bytes = await this.#files.read(file, undefined, isSame ? before.length : 0);
    if (bytes === undefined) return undefined;
    const part: Part = isSame
      ? before
      : {
          number,
          file,
          id,
          bytes: Buffer.alloc(0),
          length: 0,
          parsed: 0,
          firstSeq: 0,
          lastSeq: 0,
          keepsEvents: true,
          byRun: new Map(),
          byText: new Map(),
        };
    append(part, bytes);
    await this.#index(part);
    return part.lastSeq === 0 ? undefined : part;
  }

  async #index(part: Part): Promise<void> {
    for (let lines = nextLines(part); lines !== undefined; lines = nextLines(part)) {
      for (let from = 0; from < lines.text.length;) {
        from = indexSome(part, lines, from);
        const rest = this.#pause();
        if (rest !== undefined) await rest;
      }
    }
  }
}

/** So many records are looked at in one go: V8 compiles a loop without `await` much sooner. */
const AT_ONCE = 256;

/** Takes some records in, and gives where the next line begins. */
function indexSome(part: Part, lines: Lines, begin: number): number {
  const { text, offset } = lines;
  let from = begin;
  for (let count = 0; count < AT_ONCE && from < text.length; count += 1) {
    const newline = text.indexOf('\n', from);
    const record = placeOf(part.bytes, lines, from, newline);
    if (record === undefined || (part.lastSeq !== 0 && record.seq !== part.lastSeq + 1))
      throw new StoreCorruptError(part.file, offset + from, 'a damaged record');
    if (part.lastSeq === 0) {
      part.keepsEvents = keepsEventsOf(part, text.slice(record.json, newline));
      part.firstSeq = record.seq;
    } else
      placesOf(part, lines, record.json, newline).push(record.seq, offset + record.json, offset + newline);
    part.lastSeq = record.seq;
    from = newline + 1;
    part.parsed = offset + from;
  }
  return from;
}

/** Whole lines of a file as a text of one character a byte: to search it costs a third of searching the bytes. */
interface Lines {
  readonly text: string;
  /** Where they begin in the file. */
  readonly offset: number;
}

/** So many bytes become one text, or one line where that is longer. */
const MOST_TEXT = 4_194_304;

/** The next lines that are not parsed yet; undefined when there is no whole one. */
function nextLines({ bytes, parsed, length }: Part): Lines | undefined {
  // Behind what was read the buffer may hold anything.
  const read = bytes.subarray(0, length);
  const last = read.lastIndexOf(NEWLINE, Math.min(length, parsed + MOST_TEXT) - 1);
  const end = last >= parsed ? last : read.indexOf(NEWLINE, parsed);
  return end === -1 ? undefined : { text: read.toString('latin1', parsed, end + 1), offset: parsed };
}

const NEWLINE = 0x0a;
const SPACE = 0x20;

function append(part: Part, bytes: Buffer): void {
  const length = part.length + bytes.length;
  if (part.length === 0) part.bytes = bytes;
  else if (length > part.bytes.length) {
    const larger = Buffer.alloc(Math.max(length, part.bytes.length * 2));
    part.bytes.copy(larger, 0, 0, part.length);
    bytes.copy(larger, part.length);
    part.bytes = larger;
  } else bytes.copy(part.bytes, part.length);
  part.length = length;
}

/** Number of the record in this line, and where its JSON begins; undefined when it is not as written. */
function placeOf(
  bytes: Buffer,
  { text, offset }: Lines,
  from: number,
  to: number,
): { readonly seq: number; readonly json: number } | undefined {
  if (to - from < 14 || text.charCodeAt(from + 8) !== SPACE) return undefined;
  let crc = 0;
  for (let at = from; at < from + 8; at += 1) {
    const digit = HEX[text.charCodeAt(at)] ?? -1;
    if (digit < 0) return undefined;
    crc = crc * 16 + digit;
  }
  if (crc32(bytes.subarray(offset + from + 9, offset + to)) !== crc) return undefined;
  const synced = text.indexOf(' ', from + 9) + 1;
  return { seq: Number(text.slice(from + 9, synced - 1)), json: text.indexOf(' ', synced) + 1 };
}

const HEX = Array.from({ length: 256 }, (_, code) => '0123456789abcdef'.indexOf(String.fromCharCode(code)));

const HEAD = '{"type":"';
const RUN = ',"runId":"';

/** The places of the run that a record is about, without reading its JSON where it is written as this release does. */
function placesOf(part: Part, { text, offset }: Lines, from: number, to: number): number[] {
  let start = -1;
  let end = -1;
  if (text.startsWith(HEAD, from)) {
    const type = text.indexOf('"', from + HEAD.length);
    if (text.startsWith(RUN, type + 1)) {
      start = type + 1 + RUN.length;
      end = text.indexOf('"', start);
    }
  }
  const written = end === -1 ? '' : text.slice(start, end);
  const known = part.byText.get(written);
  if (known !== undefined) return known;

  const record = part.bytes.toString('utf8', offset + from, offset + to);
  const runId = runIdOf(record);
  if (runId === undefined) throw new StoreCorruptError(part.file, offset + from, 'a record without a run');
  const places = part.byRun.get(runId) ?? [];
  part.byRun.set(runId, places);
  // A part of a text keeps all of it.
  if (end > start && !written.includes('\\')) part.byText.set(Buffer.from(written).toString(), places);
  return places;
}

function runIdOf(record: string): string | undefined {
  try {
    const { runId } = JSON.parse(record) as { readonly runId?: unknown };
    return typeof runId === 'string' ? runId : undefined;
  } catch {
    return undefined;
  }
}

/** @throws StoreFormatError when a newer release writes here. */
function keepsEventsOf({ file, number }: Part, json: string): boolean {
  let header: Partial<JournalHeader>;
  try {
    header = (JSON.parse(json) as Partial<JournalHeader> | null) ?? {};
  } catch {
    header = {};
  }
  const { type, format, generation, events } = header;
  if (type !== 'store.journal' || typeof format !== 'number' || generation !== number)
    throw new StoreCorruptError(file, 0, 'no header');
  if (format > JOURNAL_FORMAT) throw new StoreFormatError(file, format, JOURNAL_FORMAT);
  return events !== 'none';
}

/** Where the triples behind this record begin. */
function firstBehind(places: readonly number[], after: number): number {
  let low = 0;
  let high = places.length / 3;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((places[middle * 3] ?? 0) > after) high = middle;
    else low = middle + 1;
  }
  return low * 3;
}
