import { StoreCorruptError, StoreFormatError } from '../../../errors/storageErrors';
import type { Pause } from '../../../streams/yieldOften';
import type { JournalRecord } from './journalRecord';
import { canBeginRecord, decodeRecord } from './journalRecord';

/** One file of the journal. */
export interface Generation {
  readonly number: number;
  readonly file: string;
  readonly bytes: Buffer;
}

/** What a journal holds that can be trusted. */
export interface JournalScan {
  /** All records but the headers, in order. */
  readonly records: readonly ScannedRecord[];
  /** Number of the last record, headers included. */
  readonly lastSeq: number;
  /** How many bytes of each file are whole; what follows was being written when the power failed or the process died. */
  readonly ends: readonly {
    readonly generation: Generation;
    readonly length: number;
    readonly lastSeq: number;
  }[];
}

/** A record, and where it stands. */
export interface ScannedRecord extends JournalRecord {
  readonly file: string;
  readonly offset: number;
}

/** The first record of each file. */
export interface JournalHeader {
  readonly type: 'store.journal';
  readonly format: number;
  readonly store: string;
  readonly generation: number;
  /** Absent where the events of runs are kept beyond the journal. */
  readonly events?: 'none';
}

/**
 * The format of the journal that this release writes. In format 1 every output stood whole; up to format 2 an output of several
 * agents said within itself who gave it, and a failure did not say whether it is contained; up to format 3
 * log lines and partial results did not stand in it. All are read.
 */
export const JOURNAL_FORMAT = 4;

/**
 * Reads the files of a journal, oldest first. Gives way to other work every few milliseconds.
 *
 * What a crash can leave is cut: a last line without its end, or sectors that the disk never got, as long as no later
 * record says that they were synced. Everything else that is not as written is refused.
 *
 * @param store - Name of the store the journal must belong to.
 * @param after - The journal must begin at this number or before: the run files hold everything up to the one before it.
 * @throws StoreCorruptError with file and byte of the first damage.
 */
export async function scanJournal(
  all: readonly Generation[],
  store: string,
  after: number,
  pause: Pause,
): Promise<JournalScan> {
  const records: ScannedRecord[] = [];
  const ends: { generation: Generation; length: number; lastSeq: number }[] = [];
  let expected: number | undefined;
  const generations = neededOf(all, after);
  for (const [index, generation] of generations.entries()) {
    const { file, bytes } = generation;
    const next = generations.slice(index + 1);
    let offset = 0;
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, offset);
      const record = newline === -1 ? undefined : decodeRecord(bytes, offset, newline);
      if (record === undefined) break;
      if (offset === 0) {
        checkHeader(generation, record, store);
        if (expected === undefined && record.seq > after) {
          throw new StoreCorruptError(file, 0, `records ${after} to ${record.seq - 1} before it are missing`);
        }
        if (expected !== undefined && record.seq > expected) {
          const before = generations[index - 1] ?? generation;
          refuseUnlessUnsynced(before, before.bytes.length, expected, [generation, ...next]);
          return { records, ends, lastSeq: Math.max(expected, after) - 1 };
        }
      }
      if (expected !== undefined && record.seq !== expected) {
        throw new StoreCorruptError(file, offset, `record ${record.seq} where ${expected} belongs`);
      }
      const { seq, synced, json } = record;
      if (offset > 0) records.push({ seq, synced, json, file, offset });
      expected = record.seq + 1;
      offset = newline + 1;
      const rest = pause();
      if (rest !== undefined) await rest;
    }
    if (offset > 0) ends.push({ generation, length: offset, lastSeq: (expected ?? 1) - 1 });
    if (offset < bytes.length || offset === 0) {
      refuseUnlessUnsynced(generation, offset, expected ?? after, next);
      break;
    }
  }
  return { records, ends, lastSeq: Math.max(expected ?? after, after) - 1 };
}

const NEWLINE = 0x0a;

/** Files that a crash brought back after their removal are left out: everything in them stands in the run files. */
function neededOf(all: readonly Generation[], after: number): readonly Generation[] {
  const first = all.findLastIndex(({ bytes }) => {
    const header = decodeRecord(bytes, 0, bytes.indexOf(NEWLINE));
    return header !== undefined && header.seq <= after;
  });
  return all.slice(Math.max(first, 0));
}

function checkHeader({ file, number }: Generation, record: JournalRecord, store: string): void {
  let header: Partial<JournalHeader>;
  try {
    header = (JSON.parse(record.json) as Partial<JournalHeader> | null) ?? {};
  } catch {
    header = {};
  }
  if (header.type !== 'store.journal' || typeof header.format !== 'number') {
    throw new StoreCorruptError(file, 0, 'no header');
  }
  if (header.format > JOURNAL_FORMAT) throw new StoreFormatError(file, header.format, JOURNAL_FORMAT);
  if (header.generation !== number)
    throw new StoreCorruptError(file, 0, `a header of file ${String(header.generation)}`);
  if (header.store !== store) throw new StoreCorruptError(file, 0, 'a header of another store');
}

/**
 * Decides about what begins at `offset` and is not record `expected`: what a crash leaves is let pass, damage is refused.
 *
 * A crash leaves one line without its end, or sectors that never reached the disk. Intact records behind that prove
 * damage if one of them says that record `expected` had been synced. Otherwise none had reached the disk, and it is a crash.
 */
function refuseUnlessUnsynced(
  generation: Generation,
  offset: number,
  expected: number,
  next: readonly Generation[],
): void {
  const { file, bytes } = generation;
  const here = intactAfter(bytes, offset);
  const later = next.map((each) => intactAfter(each.bytes, 0));
  const isUnfinished = bytes.indexOf(NEWLINE, offset) === -1;
  const isCrash =
    Math.max(here.synced, ...later.map(({ synced }) => synced)) < expected &&
    (hasLostSector(bytes, offset) || (isUnfinished && !here.isFound && canBeginRecord(bytes, offset)));
  if (isCrash) return;
  throw new StoreCorruptError(
    file,
    offset,
    offset < bytes.length ? 'a damaged record' : 'records are missing',
  );
}

/** Sectors that never reached the disk read as zeros up to their end; JSON text contains none. */
function hasLostSector(bytes: Buffer, from: number): boolean {
  const newline = bytes.indexOf(NEWLINE, from);
  const to = newline === -1 ? bytes.length : newline;
  for (let end = Math.ceil((from + 1) / 512) * 512; ; end += 512) {
    const last = Math.min(end, bytes.length) - 1;
    // One flipped bit makes a zero of a space or an @: one zero alone counts only where a record begins.
    if (last >= from && bytes[last] === 0 && (last === from || bytes[last - 1] === 0)) return true;
    if (end >= to) return false;
  }
}

/** Whether any intact record stands here or later, also within a damaged line, and what the latest of them knows. */
function intactAfter(bytes: Buffer, from: number): { readonly isFound: boolean; readonly synced: number } {
  let isFound = false;
  let synced = 0;
  for (let start = from; start < bytes.length;) {
    const end = bytes.indexOf(NEWLINE, start);
    if (end === -1) break; // Without its end it was being written.
    for (const candidate of candidates(bytes, start, end)) {
      const record = decodeRecord(bytes, candidate, end);
      if (record === undefined) continue;
      isFound = true;
      synced = Math.max(synced, record.synced);
      break;
    }
    start = end + 1;
  }
  return { isFound, synced };
}

/** Where in a line a record may begin; a few are enough, more are only found in files made to cost time. */
function candidates(bytes: Buffer, from: number, to: number): readonly number[] {
  const found: number[] = [];
  const line = bytes.toString('latin1', from, to);
  const head = /[0-9a-f]{8} \d{1,15} \d{1,15} \{/g;
  for (let match = head.exec(line); match !== null && found.length < 32; match = head.exec(line)) {
    found.push(from + match.index);
    head.lastIndex = match.index + 1;
  }
  return found;
}
