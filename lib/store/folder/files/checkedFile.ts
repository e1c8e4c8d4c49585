import { constants } from 'node:buffer';
import { basename, dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';

import {
  StorageError,
  StoreCorruptError,
  StoreFormatError,
  storageErrorOf,
  systemCodeOf,
} from '../../../errors/storageErrors';
import type { Pause } from '../../../streams/yieldOften';
import { hex } from '../journal/journalRecord';
import type { Files } from './files';
import { largeJson } from './largeJson';
import { writeBytes } from './nodeFiles';

/**
 * The format of the JSON files that this release writes. All earlier ones are read: they differ as those of the journal do, and
 * in 3 the outputs of a run file share what they have in common, and from 4 on it has the events of its run.
 */
const FILE_FORMAT = 4;

/** What a JSON file of a store is about. */
export type FileKind = (typeof KINDS)[number];

const KINDS = [
  'run',
  'pack',
  'history',
  'snapshot',
  'message',
  'log',
  'answer',
  'stream',
  'signal',
  'queued',
  'request',
  'reply',
  'serving',
] as const;

/** How a file is written where the usual way is not enough. */
export interface WriteSteps {
  /** Makes the names of its folder survive; for those who write many files there at once. */
  readonly syncFolder?: (() => Promise<void>) | undefined;
  /** Called with the path and the length of the new file before it takes the name; what it throws keeps the old one. */
  readonly check?: (path: string, bytes: number) => Promise<void>;
}

/**
 * Writes a JSON file so that a crash leaves either the old one or the new one: a second file, synced, takes the name.
 *
 * What stands there and is not a file of this kind is refused. The file says its format and its kind first and ends with a checksum of everything before.
 *
 * @param fields - Pairs of a name and its JSON text; a long text comes in pieces.
 * @throws StorageError; the old file is still there then.
 */
export async function writeChecked(
  files: Files,
  path: string,
  kind: FileKind,
  fields: Iterable<readonly [string, string | Iterable<string>]>,
  pause: Pause,
  { syncFolder = () => files.syncFolder(dirname(path)), check }: WriteSteps = {},
): Promise<void> {
  const beside = `${path}.tmp`;
  let file: number | undefined;
  let size = 0;
  try {
    file = createAnew(files, beside);
    let crc = 0;
    const write = (text: string): void => {
      const bytes = Buffer.from(text);
      if (size + bytes.length > MOST_BYTES) throw tooLarge(path);
      crc = crc32(bytes, crc);
      writeBytes(files, file as unknown as number, bytes, size);
      size += bytes.length;
    };
    let waiting = `{\n"format": ${FILE_FORMAT},\n"kind": "${kind}"`;
    for (const [name, text] of fields) {
      waiting += `,\n${JSON.stringify(name)}: `;
      for (const piece of typeof text === 'string' ? [text] : text) {
        waiting += piece;
        if (waiting.length < 65_536) continue;
        write(waiting);
        waiting = '';
        const rest = pause();
        if (rest !== undefined) await rest;
      }
    }
    write(waiting);
    write(trailer(crc));
    await files.sync(file);
    files.close(file);
    file = undefined;
    await check?.(beside, size);
    if ((await whoseFile(files, path, kind)) === 'foreign') throw foreignFile('replace', path, kind);
    files.rename(beside, path);
    await syncFolder();
  } catch (error) {
    try {
      if (file !== undefined) files.close(file);
      files.remove(beside);
    } catch {
      // The first error says why; the rest is overwritten by the next attempt.
    }
    throw storageErrorOf(error, 'write', path);
  }
}

/** No process reads a longer file. */
const MOST_BYTES = Math.min(constants.MAX_LENGTH, 2 ** 32 - 1);

function tooLarge(path: string): StorageError {
  return new StorageError(
    'write',
    path,
    `it would have more than ${String(MOST_BYTES)} bytes, which nobody could read back`,
    'pass on less from step to step; until then the journal keeps what it would hold',
  );
}

/** Makes a file, in place of what an attempt that ended early may have left. */
function createAnew(files: Files, path: string): number {
  try {
    return files.create(path);
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') throw error;
    files.remove(path);
    return files.create(path);
  }
}

/**
 * Reads a JSON file that was written with `writeChecked`; undefined when there is none.
 *
 * @throws StoreCorruptError when it is not as written, StoreFormatError when a newer release wrote it.
 */
export async function readChecked(
  files: Files,
  path: string,
  kind: FileKind,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const bytes = await readBytes(files, path);
  return bytes === undefined ? undefined : parseChecked(path, kind, bytes);
}

/** All of a file; undefined when there is none. @throws StorageError */
export async function readBytes(files: Files, path: string): Promise<Buffer | undefined> {
  try {
    return await files.read(path);
  } catch (error) {
    throw storageErrorOf(error, 'read', path);
  }
}

/**
 * Whether the bytes of a file are as written, without reading what they say. Nothing for a file that is not there.
 *
 * @throws StoreCorruptError
 */
export async function checkChecksum(files: Files, path: string): Promise<void> {
  const bytes = await files.read(path);
  if (bytes !== undefined) checkBytes(path, bytes);
}

function checkBytes(path: string, bytes: Buffer): void {
  const end = bytes.length - TRAILER;
  if (end <= 0) throw new StoreCorruptError(path, bytes.length, 'the end is missing');
  if (bytes.toString('latin1', end) === trailer(crc32(bytes.subarray(0, end)))) return;
  const isCut = !bytes.toString('latin1', end).startsWith(',\n"crc32": "');
  throw new StoreCorruptError(
    path,
    isCut ? bytes.length : 0,
    isCut ? 'the end is missing' : 'the checksum differs',
  );
}

/** The content of a checked file. */
export function parseChecked(path: string, kind: FileKind, bytes: Buffer): Readonly<Record<string, unknown>> {
  checkBytes(path, bytes);
  let content: unknown;
  try {
    content = bytes.length > constants.MAX_STRING_LENGTH ? largeJson(bytes) : JSON.parse(bytes.toString());
  } catch {
    throw new StoreCorruptError(path, 0, 'it is no JSON');
  }
  const fields = content as Readonly<Record<string, unknown>>;
  const { format } = fields;
  if (typeof format === 'number' && format > FILE_FORMAT)
    throw new StoreFormatError(path, format, FILE_FORMAT);
  if (typeof format !== 'number' || !Number.isInteger(format) || format < 1 || fields['kind'] !== kind) {
    throw new StoreCorruptError(path, 0, `it is no ${kind} file`);
  }
  return fields;
}

/**
 * Reads all JSON files of a folder for a list. One that cannot be read hides no other: it is left out, and told once as a process
 * warning.
 *
 * @param read - Gives what is listed of a file; undefined when it has gone meanwhile.
 * @param leftOut - Hears that one was left out.
 */
export async function readEach<T>(
  files: Files,
  folder: string,
  pause: Pause,
  read: (path: string) => Promise<T | undefined>,
  leftOut: () => void = () => undefined,
): Promise<readonly T[]> {
  const found: T[] = [];
  for (const name of files.list(folder)) {
    if (!name.endsWith('.json')) continue;
    const path = within(folder, name);
    const one = await orTold(files, async () => {
      const kind = files.look(path)?.kind ?? 'file';
      if (kind !== 'file') throw new StoreCorruptError(path, 0, 'it is not a file');
      return read(path);
    });
    if (one !== undefined) found.push(one);
    // It may have gone meanwhile, too.
    else leftOut();
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  return found;
}

/** What is read for a list; undefined where that is damaged, which is told once as a process warning. */
export async function orTold<T>(files: Files, read: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof StoreCorruptError || error instanceof StoreFormatError)) throw error;
    tellOnce(files, `${error.message}; it is left out of the list`);
    return undefined;
  }
}

/** Tells something as a process warning, once. */
export function tellOnce(files: Files, message: string): void {
  const known = told.get(files) ?? new Set();
  told.set(files, known);
  if (known.has(message)) return;
  known.add(message);
  process.emitWarning(message, 'MillraceWarning');
}

const told = new WeakMap<Files, Set<string>>();

/**
 * Makes a folder for files of one kind, and makes its name last: what is acknowledged in it must not go with it. Once by each
 * process, because the one that made it may have ended before.
 */
export async function makeSideFolder(files: Files, folder: string): Promise<void> {
  let known = lasting.get(files);
  if (known === undefined) lasting.set(files, (known = new Set()));
  if (known.has(folder) && files.look(folder)?.kind === 'folder') return;
  files.makeFolder(folder);
  await files.syncFolder(dirname(folder));
  known.add(folder);
}

const lasting = new WeakMap<Files, Set<string>>();

/**
 * Removes a file of ours; false when there was none.
 *
 * @param isLasting - Whether the name must stay gone after a power loss; not for those who sync the folder themselves.
 * @throws StorageError when a link, or a file that no store has written, stands there.
 */
export async function removeOurs(
  files: Files,
  path: string,
  kind: FileKind,
  isLasting = true,
): Promise<boolean> {
  const found = await whoseFile(files, path, kind);
  if (found === undefined) return false;
  if (found === 'foreign') throw foreignFile('remove', path, kind);
  const was = files.remove(path);
  if (was && isLasting) await files.syncFolder(dirname(path));
  return was;
}

/**
 * Whether a file of this kind stands there, as its first bytes say, or something else; undefined when nothing does.
 *
 * One of ours that damage has cut off within those bytes, or emptied, is still ours: there is nothing else in it to lose.
 */
export async function whoseFile(
  files: Files,
  path: string,
  kind: FileKind,
): Promise<'ours' | 'foreign' | undefined> {
  const found = files.look(path);
  if (found === undefined) return undefined;
  if (found.kind !== 'file') return 'foreign';
  const head = await files.read(path, HEAD.length + 32);
  if (head === undefined) return undefined;
  return beginsAsOurs(head.toString('latin1'), kind) ? 'ours' : 'foreign';
}

/** Whether these first bytes are those of a JSON file of a store, of whatever kind. */
export function isBegunByStore(head: Buffer): boolean {
  const text = head.toString('latin1');
  return KINDS.some((kind) => beginsAsOurs(text, kind));
}

function beginsAsOurs(text: string, kind: FileKind): boolean {
  const [format = ''] = /^\d*/.exec(text.slice(HEAD.length)) ?? [];
  const whole = `${HEAD}${format},\n"kind": "${kind}"`;
  return text.startsWith(whole) || whole.startsWith(text);
}

/** The refusal of what stands where a file of a store belongs. */
export function foreignFile(action: string, path: string, kind: FileKind): StorageError {
  return new StorageError(action, path, `it is no ${kind} file of a store`, 'move it out of the folder');
}

const HEAD = '{\n"format": ';

/** The path of a file in a folder of the store. */
export function within(folder: string, name: string): string {
  if (basename(name) !== name || name === '.' || name === '..')
    throw new StorageError('use', name, 'it is no file name');
  return join(folder, name);
}

const trailer = (crc: number): string => `,\n"crc32": "${hex(crc)}"\n}\n`;

const TRAILER = trailer(0).length;
