import { crc32 } from 'node:zlib';

/** One line of the journal: `crc32 seq synced json\n`. */
export interface JournalRecord {
  /** Counts the records of a store from 1, over all its files, without gaps. */
  readonly seq: number;
  /** The record up to which everything was known to be on the disk when this one was written. */
  readonly synced: number;
  readonly json: string;
}

/** The line of a record. */
export function encodeRecord(seq: number, synced: number, json: string): Buffer {
  const body = `${seq} ${synced} ${json}`;
  // One text made into bytes: Node writes that faster than its parts into a buffer.
  return Buffer.from(`${hex(crc32(body))} ${body}\n`);
}

/** The record in this line, which ends before its newline; undefined when the line is not what was written. */
export function decodeRecord(bytes: Buffer, from: number, to: number): JournalRecord | undefined {
  if (to - from < 14 || bytes[from + 8] !== SPACE) return undefined;
  const crc = bytes.toString('latin1', from, from + 8);
  if (crc !== hex(crc32(bytes.subarray(from + 9, to)))) return undefined;
  const head = /^(\d{1,15}) (\d{1,15}) /.exec(
    bytes.toString('latin1', from + 9, Math.min(to, from + HEAD_BYTES)),
  );
  if (head === null) return undefined;
  return {
    seq: Number(head[1]),
    synced: Number(head[2]),
    json: bytes.toString('utf8', from + 9 + head[0].length, to),
  };
}

/** Whether a record that was cut anywhere can stand here: a crash leaves nothing else, and a foreign file may hold anything. */
export function canBeginRecord(bytes: Buffer, from: number): boolean {
  const start = bytes.toString('latin1', from, Math.min(bytes.length, from + HEAD_BYTES));
  return /^[0-9a-f]{0,8}$|^[0-9a-f]{8} (?:\d{0,15}|\d{1,15} (?:\d{0,15}|\d{1,15} (?:\{.*)?))$/s.test(start);
}

/** Checksum and numbers are no longer than this, with the first byte of the JSON. */
const HEAD_BYTES = 43;
const SPACE = 0x20;

const BYTES = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** A checksum as 8 hexadecimal digits. */
export function hex(crc: number): string {
  // From a table: two records a step are written, and padding a number costs as much as its checksum.
  return `${byteOf(crc >>> 24)}${byteOf(crc >>> 16)}${byteOf(crc >>> 8)}${byteOf(crc)}`;
}

const byteOf = (bits: number): string => BYTES[bits & 255] ?? '';
