import { StorageError, StoreCorruptError } from '../../errors/storageErrors';
import type { RunState } from '../../model/state';
import { realDelay } from '../../streams/realTimers';
import type { Pause } from '../../streams/yieldOften';
import { pauses } from '../../streams/yieldOften';
import { tellOnce } from './files/checkedFile';
import type { Files } from './files/files';
import type { Generation, JournalScan } from './journal/journalScan';
import { scanJournal } from './journal/journalScan';
import type { ParsedRecord } from './journal/replay';
import { isForgetting, parseRecord } from './journal/replay';
import { logSince } from './openRun';
import { EventLog } from '../events/eventLog';
import { summaryOf } from '../summary';
import type { Layout } from './layout';
import type { RunFile } from './records/runFile';
import { readSavedRun } from './records/runFile';
import type { DamagedLine, RunLine, RunPlace } from './records/runIndex';
import { isDamaged, readHistoryFile } from './records/runIndex';

/** All that a store's folder says, read without changing anything. */
export interface View {
  /** Name of the store; undefined when the folder holds none yet. */
  readonly store: string | undefined;
  /** Runs whose files stand in history.json. */
  readonly lines: ReadonlyMap<string, RunLine>;
  /** Runs of which the journal says more than history.json. */
  readonly tail: ReadonlyMap<string, TailRun>;
  readonly scan: JournalScan;
  readonly generations: readonly Generation[];
  readonly upTo: number;
}

/** A run as the journal leaves it. */
export interface TailRun {
  /** Undefined when it was deleted. */
  readonly state: RunState | undefined;
  /** Numbers of its first record in the journal and of its last. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** The events that are kept of it. */
  readonly log: EventLog | undefined;
  /** Record up to which its file holds what happened; 0 without a file. */
  readonly fileUpTo: number;
}

/**
 * Reads the folder of a store: the files as they were at the latest checkpoint, and the journal folded over them.
 *
 * @throws StoreCorruptError, StoreFormatError, StorageError
 */
export async function readView(
  files: Files,
  layout: Layout,
  pause: Pause,
  keepsEvents = false,
): Promise<View> {
  const history = await readHistoryFile(files, layout.history);
  const generations = await readGenerations(files, layout);
  if (history === undefined) {
    const strays = [...generations.map(({ file }) => file), ...files.list(layout.runs)];
    if (strays.length > 0)
      throw new StoreCorruptError(layout.history, 0, 'the file is missing, but there are runs');
  }
  const upTo = history?.upTo ?? 0;
  const lines = await readableLines(files, layout, history?.runs ?? []);
  const scan = await scanJournal(generations, history?.store ?? '', upTo + 1, pause);
  const byRun = new Map<string, ParsedRecord[]>();
  for (const record of scan.records) {
    if (record.seq <= upTo) continue;
    const parsed = parseRecord(record);
    const known = byRun.get(parsed.runId);
    if (known === undefined) byRun.set(parsed.runId, [parsed]);
    else known.push(parsed);
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  const tail = new Map<string, TailRun>();
  for (const [runId, records] of byRun) {
    tail.set(
      runId,
      await fold(files, layout, runId, lines.get(runId), records, { upTo, pause, keepsEvents }),
    );
  }
  return { store: history?.store, lines, tail, scan, generations, upTo };
}

/**
 * The lines of the list of runs. One that cannot be read is made anew from the file of its run, and told as a process warning; where
 * that cannot be read either it stays as it is.
 */
export async function readableLines(
  files: Files,
  layout: Layout,
  lines: readonly RunLine[],
): Promise<ReadonlyMap<string, RunLine>> {
  const byRun = new Map<string, RunLine>();
  for (const line of lines)
    byRun.set(line.runId, isDamaged(line) ? await madeAnew(files, layout, line) : line);
  return byRun;
}

async function madeAnew(files: Files, layout: Layout, line: DamagedLine): Promise<RunLine> {
  const { runId, upTo, pack, damage } = line;
  try {
    const file = await readSavedRun(files, layout, runId, line);
    if (file === undefined || file.upTo < upTo) return line;
    tellOnce(files, `${damage.message}; it is made anew from the file of the run`);
    return { ...summaryOf(file.state), upTo, ...(pack !== undefined && { pack }) };
  } catch (error) {
    if (error instanceof StoreCorruptError || error instanceof StorageError) return line;
    throw error;
  }
}

/** The state of a run that the journal does not mention. */
export async function readResting(files: Files, layout: Layout, line: RunPlace): Promise<RunFile> {
  const path = line.pack === undefined ? layout.run(line.runId) : layout.pack(line.pack);
  const file = await readSavedRun(files, layout, line.runId, line);
  if (file === undefined) throw new StoreCorruptError(path, 0, `the file of run "${line.runId}" is missing`);
  if (file.upTo !== line.upTo)
    throw new StoreCorruptError(path, 0, `it holds run "${line.runId}" as of another time`);
  return file;
}

/** The files of the journal, oldest first. */
export async function readGenerations(files: Files, layout: Layout): Promise<readonly Generation[]> {
  const generations: Generation[] = [];
  for (const name of files
    .list(layout.journal)
    .filter((each) => /^\d{8}\.ndjson$/.test(each))
    .sort()) {
    const file = `${layout.journal}/${name}`;
    const bytes = await files.read(file);
    if (bytes !== undefined) generations.push({ number: Number(name.slice(0, 8)), file, bytes });
  }
  return generations;
}

async function fold(
  files: Files,
  layout: Layout,
  runId: string,
  line: RunPlace | undefined,
  records: readonly ParsedRecord[],
  {
    upTo,
    pause,
    keepsEvents,
  }: { readonly upTo: number; readonly pause: Pause; readonly keepsEvents: boolean },
): Promise<TailRun> {
  const firstSeq = records[0]?.seq ?? 0;
  const lastSeq = records.at(-1)?.seq ?? 0;
  const path = layout.run(runId);
  const file = await readSavedRun(files, layout, runId, line);
  // A file of a run that was forgotten may come back with a power loss: it is older than the history.
  const isKnown = file !== undefined && (line === undefined ? file.upTo > upTo : file.upTo >= line.upTo);
  const needed = sinceForgotten(records);
  if (line !== undefined && !isKnown && needed[0]?.forgets === false) {
    throw new StoreCorruptError(
      path,
      0,
      `the file of run "${runId}" is ${file === undefined ? 'missing' : 'too old'}`,
    );
  }
  let state = isKnown ? file.state : undefined;
  let log = isKnown ? file.events : undefined;
  const fileUpTo = isKnown ? file.upTo : 0;
  for (const record of needed) {
    if (record.seq > fileUpTo) {
      log = keepsEvents ? logAfter(log, record, state) : undefined;
      state = record.apply(state);
    }
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  return { state, firstSeq, lastSeq, log, fileUpTo };
}

/** The records from which on a run counts: what was before it was forgotten last is past, and its file may be gone. */
export function sinceForgotten<R extends { readonly json: string }>(records: readonly R[]): readonly R[] {
  return records.slice(
    Math.max(
      0,
      records.findLastIndex(({ json }) => isForgetting(json)),
    ),
  );
}

/** The events of a run after one more record, in the state before it. */
export function logAfter(
  log: EventLog | undefined,
  { type, json }: ParsedRecord,
  state: RunState | undefined,
): EventLog | undefined {
  if (type === 'store.deleted') return undefined;
  const next = type === 'store.imported' ? new EventLog() : (log ?? logSince(state));
  next.add(json, type, () => state);
  return next;
}

/** Reads while another process may be writing: what changed meanwhile is read again. */
export async function readStable<T>(
  files: Files,
  layout: Layout,
  use: (view: View) => T | Promise<T>,
): Promise<T> {
  for (let round = 1; ; round += 1) {
    const before = stamp(files, layout);
    try {
      const result = await use(await readView(files, layout, pauses(), true));
      if (round >= 8 || stamp(files, layout) === before) return result;
    } catch (error) {
      if (round >= 8 || (round >= 3 && stamp(files, layout) === before)) throw error;
    }
    await realDelay(round * 5);
  }
}

/** Changes whenever files of the journal come or go, which is when run files and history have changed. */
function stamp(files: Files, layout: Layout): string {
  return files.list(layout.journal).join();
}
