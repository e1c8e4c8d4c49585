import { randomBytes } from 'node:crypto';

import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import { Count, Json, listOf, Moment, oneOf } from '../../../codec/plainCodecs';
import { recordCodec } from '../../../codec/recordCodec';
import { explain } from '../../../codec/validate';
import {
  checkStreamName,
  StorageError,
  StoreCorruptError,
  StoreFormatError,
  StreamActiveError,
} from '../../../errors/storageErrors';
import { toFailure } from '../../../model/failure';
import type { Pause } from '../../../streams/yieldOften';
import type { Durability } from '../../durability';
import type {
  RowChange,
  RowPatch,
  StreamChange,
  StreamClaim,
  StreamQuery,
  StreamSummary,
} from '../../streamRest';
import { StreamTables } from '../../streamTables';
import { orTold, readChecked, removeOurs, within, writeChecked } from '../files/checkedFile';
import type { Files } from '../files/files';
import { lowDatabase } from '../files/lowdbFile';
import type { Generation } from '../journal/journalScan';
import { scanJournal } from '../journal/journalScan';
import { Journal } from '../journal/journal';
import { fileName } from '../layout';

/** What streams in a folder need of the store that is open for writing. */
export interface StreamFolder {
  readonly files: Files;
  /** The folder `streams` of the store. */
  readonly folder: string;
  readonly durability: Durability;
  readonly rotateBytes: number;
  readonly pause: Pause;
  /** Throws when the right to write is lost; asked before anything is acknowledged. */
  readonly check: () => void;
}

/** The streams of a store that is open for writing. */
export interface StreamSession {
  claim(name: string): Promise<StreamClaim>;
  delete(name: string): Promise<boolean>;
  /** Waits for everything that is being written. */
  close(): Promise<void>;
}

/**
 * Each stream has a folder of its own: `stream.json`, a lowdb file with its offsets and tables as of the latest checkpoint, and a
 * journal of the changes since then. When a file of the journal is full, the tables are written anew and the older files go: what
 * is written is linear in what happens, because a file is never smaller than the tables.
 */
export function streamSession(options: StreamFolder): StreamSession {
  const claimed = new Map<string, OpenStream | undefined>();
  const leaving = new Map<string, Promise<void>>();
  return {
    async claim(name) {
      checkStreamName(name);
      if (claimed.has(name) && !leaving.has(name)) throw new StreamActiveError(name);
      // One that is just being left is waited for.
      for (let left = leaving.get(name); left !== undefined; left = leaving.get(name)) await left;
      if (claimed.has(name)) throw new StreamActiveError(name);
      claimed.set(name, undefined);
      try {
        const opened = await OpenStream.open(options, name);
        claimed.set(name, opened);
        return opened.claim(async () => {
          const left = opened.close();
          const gone = left
            .catch(() => undefined)
            .then(() => {
              claimed.delete(name);
              leaving.delete(name);
            });
          leaving.set(name, gone);
          await left;
          await gone;
        });
      } catch (error) {
        claimed.delete(name);
        throw error;
      }
    },
    async delete(name) {
      checkStreamName(name);
      if (claimed.has(name) && !leaving.has(name)) throw new StreamActiveError(name);
      for (let left = leaving.get(name); left !== undefined; left = leaving.get(name)) await left;
      if (claimed.has(name)) throw new StreamActiveError(name);
      const folder = within(options.folder, fileName(name));
      const state = within(folder, STATE);
      // The state goes first: without it the rest is nothing.
      const was = await removeOurs(options.files, state, 'stream', false);
      if (options.files.look(folder)?.kind === 'folder') {
        for (const { file } of await generationsIn(options.files, folder)) options.files.remove(file);
        await options.files.syncFolder(folder);
      }
      return was;
    },
    async close() {
      for (const opened of [...claimed.values()]) await opened?.close();
      claimed.clear();
    },
  };
}

/** What is known of the streams of a folder, by name; also while another process writes them. */
export async function listStreams(
  files: Files,
  folder: string,
  pause: Pause,
  { onDamaged }: StreamQuery = {},
): Promise<readonly StreamSummary[]> {
  const summaries: StreamSummary[] = [];
  for (const name of files.list(folder)) {
    const own = within(folder, name);
    if (files.look(own)?.kind !== 'folder') continue;
    const read = (): Promise<ReadStream | undefined> =>
      readStream(files, own, pause).catch((error: unknown) => {
        if (!(error instanceof StoreCorruptError)) throw error;
        // A checkpoint between the reading of two files looks like damage, and is none on the second look.
        return readStream(files, own, pause);
      });
    const found = await (onDamaged === undefined
      ? orTold(files, read)
      : read().catch((error: unknown) => {
          if (!(error instanceof StoreCorruptError || error instanceof StoreFormatError)) throw error;
          onDamaged(name, error);
          return undefined;
        }));
    if (found !== undefined) summaries.push(found.tables.summary(found.name));
  }
  return summaries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

const STATE = 'stream.json';

/** A stream that is being written. */
class OpenStream {
  readonly #options: StreamFolder;
  readonly #name: string;
  readonly #folder: string;
  readonly #store: string;
  readonly #tables: StreamTables;
  readonly #journal: Journal;
  #stateBytes: number;
  #writing: Promise<void> = Promise.resolve();
  #problem: unknown;
  #isClosed = false;
  #closing: Promise<void> | undefined;

  static async open(options: StreamFolder, name: string): Promise<OpenStream> {
    const { files, pause } = options;
    const folder = within(options.folder, fileName(name));
    for (const one of [options.folder, folder]) files.makeFolder(one);
    const found = await readStream(files, folder, pause);
    if (found !== undefined && found.name !== name)
      throw new StoreCorruptError(within(folder, STATE), 0, 'it holds another stream');
    const opened = new OpenStream(options, name, folder, found);
    // Whatever a crash has left is in the new file; nothing is written behind a torn record.
    await opened.#checkpoint();
    await files.syncFolder(options.folder);
    return opened;
  }

  private constructor(options: StreamFolder, name: string, folder: string, found: ReadStream | undefined) {
    this.#options = options;
    this.#name = name;
    this.#folder = folder;
    this.#store = found?.store ?? randomBytes(12).toString('hex');
    this.#tables = found?.tables ?? new StreamTables();
    this.#stateBytes = 0;
    const bytesOfState = (): number => this.#stateBytes;
    this.#journal = new Journal({
      files: options.files,
      check: options.check,
      folder,
      store: this.#store,
      lastSeq: found?.lastSeq ?? 0,
      older: (found?.generations ?? []).map(({ file, number }) => ({
        file,
        number,
        lastSeq: found?.lastSeq ?? 0,
      })),
      // A getter: the tables grow.
      get rotateBytes() {
        return Math.max(options.rotateBytes, bytesOfState());
      },
      onRotate: () => {
        this.#checkpointSoon();
      },
    });
  }

  claim(release: () => Promise<void>): StreamClaim {
    return {
      // Not by the time of the latest record, which may be 0.
      saved: this.#journal.lastSeq === 0 ? undefined : this.#tables.copy(),
      commit: (change) => this.#commit(change),
      release,
    };
  }

  #commit(change: StreamChange): void | Promise<void> {
    if (this.#isClosed) throw new StorageError('write to', this.#folder, 'the stream has been released');
    const json = JSON.stringify(change);
    this.#journal.write(json);
    this.#tables.add(JSON.parse(json) as StreamChange);
    if (this.#options.durability === 'disk') return this.#journal.sync();
    this.#options.check();
    return undefined;
  }

  #checkpointSoon(): void {
    this.#writing = this.#writing
      .then(() => this.#checkpoint())
      .catch((error: unknown) => {
        this.#problem = error; // The journal has it all; close() tries again.
      });
  }

  async #checkpoint(): Promise<void> {
    const { files, pause } = this.#options;
    const upTo = this.#journal.lastSeq;
    // Taken now: rows are replaced and never changed, so a copy of the maps is a copy of the tables.
    const tables = [...this.#tables.tables].map(([table, rows]) => [table, [...rows]] as const);
    const offsets = [...this.#tables.offsets];
    const lags = [...this.#tables.lags];
    let bytes = 0;
    const counted = function* (pieces: Iterable<string>): Generator<string> {
      for (const piece of pieces) {
        bytes += piece.length;
        yield piece;
      }
    };
    const { committedAt } = this.#tables;
    const file = { name: this.#name, store: this.#store, upTo, committedAt, offsets, lags };
    await writeStream(files, this.#folder, { ...file, tables: counted(textOf(tables)) }, pause);
    this.#stateBytes = bytes;
    this.#problem = undefined;
    this.#journal.trim(upTo);
    await files.syncFolder(this.#folder);
  }

  /** The second one who closes it waits as long as the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
    try {
      await this.#journal.close();
    } finally {
      if (this.#problem !== undefined) await this.#checkpoint();
    }
  }
}

async function writeStream(
  files: Files,
  folder: string,
  { tables, ...fields }: Omit<StreamFile, 'tables'> & { readonly tables: Iterable<string> },
  pause: Pause,
): Promise<void> {
  const texts = Object.entries(fields).map(([name, field]) => [name, JSON.stringify(field)] as const);
  const write = () =>
    writeChecked(files, within(folder, STATE), 'stream', [...texts, ['tables', tables]], pause);
  await lowDatabase<object>({ write }, {}).write();
}

/** Writes a stream that was read into a folder of its own below another one. */
export async function copyStream(
  files: Files,
  streams: string,
  { name, store, tables, lastSeq }: ReadStream,
  pause: Pause,
): Promise<void> {
  const folder = within(streams, fileName(name));
  for (const one of [streams, folder]) files.makeFolder(one);
  const { committedAt, offsets, lags } = tables;
  const file = { name, store, upTo: lastSeq, committedAt, offsets: [...offsets], lags: [...lags] };
  const rows = textOf([...tables.tables].map(([table, of]) => [table, [...of]] as const));
  await writeStream(files, folder, { ...file, tables: rows }, pause);
}

/** A stream as its files tell it. */
export interface ReadStream {
  readonly name: string;
  readonly store: string;
  readonly tables: StreamTables;
  readonly lastSeq: number;
  readonly generations: readonly Generation[];
}

/**
 * Reads the stream in a folder; undefined when there is none.
 *
 * @param scan - Reads its journal.
 * @throws StoreCorruptError, StoreFormatError
 */
export async function readStream(
  files: Files,
  folder: string,
  pause: Pause,
  scan: typeof scanJournal = scanJournal,
): Promise<ReadStream | undefined> {
  const path = within(folder, STATE);
  const read = async (): Promise<StreamFile | null> => {
    const fields = await readChecked(files, path, 'stream');
    if (fields === undefined) return null;
    const decoded = StreamFile.decode(fields);
    if (isLeft(decoded))
      throw new StoreCorruptError(path, 0, explain(decoded.left)[0] ?? 'it holds no stream');
    return decoded.right;
  };
  const database = lowDatabase<StreamFile | null>({ read }, null);
  await database.read();
  const file = database.data;
  if (file === null) return undefined;
  const { name, store, upTo, committedAt, offsets, lags = [] } = file;
  const tables = StreamTables.of(
    {
      offsets: new Map(offsets),
      tables: new Map(file.tables.map(([table, rows]) => [table, new Map(rows)])),
      committedAt,
    },
    lags,
  );
  const generations = await generationsIn(files, folder);
  const { records, lastSeq } = await scan(generations, store, upTo + 1, pause);
  for (const { seq, json, file: at, offset } of records) {
    if (seq <= upTo) continue;
    tables.add(changeIn(json, at, offset));
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  try {
    tables.applyAll();
  } catch (error) {
    throw new StoreCorruptError(path, 0, toFailure(error).message);
  }
  return { name, store, tables, lastSeq: Math.max(lastSeq, upTo), generations };
}

function changeIn(json: string, file: string, offset: number): StreamChange {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw new StoreCorruptError(file, offset, 'it is not JSON');
  }
  const change = Change.decode(parsed);
  if (isLeft(change)) throw new StoreCorruptError(file, offset, explain(change.left)[0] ?? 'it is no change');
  return change.right;
}

async function generationsIn(files: Files, folder: string): Promise<readonly Generation[]> {
  const generations: Generation[] = [];
  const names = files.list(folder);
  for (const name of names.filter((each) => /^\d{8}\.ndjson$/.test(each)).sort()) {
    const file = `${folder}/${name}`;
    const bytes = await files.read(file);
    if (bytes !== undefined) generations.push({ number: Number(name.slice(0, 8)), file, bytes });
  }
  return generations;
}

/** The tables as JSON, a row a line, so that they can be read in an editor. */
function* textOf(
  tables: readonly (readonly [string, readonly (readonly [string, unknown])[]])[],
): Generator<string> {
  let separator = '[';
  for (const [table, rows] of tables) {
    yield `${separator}\n[${JSON.stringify(table)}, [`;
    separator = ',';
    let between = '\n';
    for (const row of rows) {
      yield `${between}${JSON.stringify(row)}`;
      between = ',\n';
    }
    yield ']]';
  }
  yield separator === '[' ? '[]' : '\n]';
}

interface StreamFile {
  readonly name: string;
  readonly store: string;
  readonly upTo: number;
  readonly committedAt: number;
  readonly offsets: readonly Pair[];
  readonly lags?: readonly Lag[];
  readonly tables: readonly (readonly [table: string, rows: readonly Pair[]])[];
}

type Pair = readonly [key: string, value: unknown];

const Pair: t.Type<Pair> = t.tuple([t.string, Json]) as unknown as t.Type<Pair>;

type Lag = readonly [source: string, lag: number];

const Lag: t.Type<Lag> = t.tuple([t.string, t.number]) as unknown as t.Type<Lag>;

const StreamFile: t.Type<StreamFile> = recordCodec<StreamFile>(
  'stream',
  {
    name: t.string,
    store: t.string,
    upTo: Count,
    committedAt: Moment,
    offsets: listOf(Pair),
    tables: listOf(t.tuple([t.string, listOf(Pair)]) as unknown as t.Type<StreamFile['tables'][number]>),
  },
  { lags: listOf(Lag) },
);

const Patch: t.Type<RowPatch> = recordCodec<RowPatch>(
  'RowPatch',
  { op: oneOf({ add: true, replace: true, remove: true }), path: t.array(t.union([t.string, t.number])) },
  { value: Json },
);

const Row: t.Type<RowChange> = recordCodec<RowChange>(
  'RowChange',
  { table: t.string, key: t.string },
  { value: Json, patches: listOf(Patch) },
);

const Change: t.Type<StreamChange> = recordCodec<StreamChange>(
  'StreamChange',
  { rows: listOf(Row), at: Moment },
  { offsets: listOf(Pair), lags: listOf(Lag) },
);
