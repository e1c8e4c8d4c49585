import { join } from 'node:path';

import { StorageError, StoreCorruptError } from '../../errors/storageErrors';
import type { RunState } from '../../model/state';
import type { Pause } from '../../streams/yieldOften';
import type { EventLog } from '../events/eventLog';
import { readChecked } from '../folder/files/checkedFile';
import type { Files } from '../folder/files/files';
import { decodeRecord } from '../folder/journal/journalRecord';
import type { Generation, JournalScan } from '../folder/journal/journalScan';
import { scanJournal } from '../folder/journal/journalScan';
import type { ParsedRecord } from '../folder/journal/replay';
import { parseRecord } from '../folder/journal/replay';
import type { Layout } from '../folder/layout';
import { fileName, packNumber } from '../folder/layout';
import type { RunFile } from '../folder/records/runFile';
import { readPack, readRunFile } from '../folder/records/runFile';
import type { RunPlace } from '../folder/records/runIndex';
import { isDamaged, readHistoryFile } from '../folder/records/runIndex';
import { logAfter, readGenerations, sinceForgotten } from '../folder/view';
import type { Leave } from './leftOut';
import { intact, isFolder, leaveDamage } from './leftOut';

/** What can be known of a damaged store before its runs are read. */
export interface Found {
  /** Undefined when the list of runs is lost. */
  readonly history: { readonly upTo: number; readonly lines: ReadonlyMap<string, RunPlace> } | undefined;
  readonly records: ReadonlyMap<string, readonly (ParsedRecord & { readonly file: string })[]>;
  readonly runIds: ReadonlySet<string>;
  /** In which pack a run lies that has no file of its own. */
  readonly packs: ReadonlyMap<string, number>;
  /** The runs of a pack; the latest one is remembered, since runs of one pack are mostly asked for one after another. */
  readonly readPack: (pack: number) => ReturnType<typeof readPack>;
}

/** A run that could be saved. */
export interface SalvagedRun {
  readonly state: RunState;
  /** Undefined where no events were kept. */
  readonly log: EventLog | undefined;
}

/** Reads the list of runs and the journal, as far as they can be trusted. */
export async function findRuns(files: Files, from: Layout, leave: Leave, pause: Pause): Promise<Found> {
  const history = await intact(from.history, leave, () => readHistoryFile(files, from.history));
  const generations = isFolder(files, from.journal, leave) ? await readGenerations(files, from) : [];
  const names = isFolder(files, from.runs, leave) ? files.list(from.runs) : [];
  if (history === undefined) {
    if (files.look(from.history) === undefined) {
      if (generations.length + names.length === 0)
        throw new StorageError('salvage', from.folder, 'it holds no store', 'name another folder');
      leave(from.history, 0, 'the file is missing');
    }
  }
  for (const line of history?.runs ?? []) if (isDamaged(line)) leaveDamage(line.damage, leave);
  const lines = new Map((history?.runs ?? []).map((line): [string, RunPlace] => [line.runId, line]));
  const first = generations.find(({ bytes }) => headerOf(bytes) !== undefined);
  const scan = await scanIntact(
    generations,
    history?.store ?? headerOf(first?.bytes)?.store ?? '',
    history === undefined ? (headerOf(first?.bytes)?.seq ?? 1) : history.upTo + 1,
    leave,
    pause,
  );
  const runIds = new Set(lines.keys());
  const records = new Map<string, (ParsedRecord & { readonly file: string })[]>();
  for (const record of scan.records) {
    let parsed: ParsedRecord;
    try {
      parsed = parseRecord(record);
    } catch (error) {
      leaveDamage(error, leave);
      break; // Whatever wrote this is not to be believed any further.
    }
    // What is older than the list of runs counts only for the runs it names: others have been deleted since.
    if (record.seq <= (history?.upTo ?? 0) && !lines.has(parsed.runId)) continue;
    runIds.add(parsed.runId);
    const known = records.get(parsed.runId) ?? [];
    records.set(parsed.runId, known);
    known.push({ ...parsed, file: record.file });
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  const expected = new Set([...runIds].map((runId) => from.run(runId)));
  const packs = new Map<string, number>();
  const packOf = packReader(files, from);
  for (const name of names) {
    const path = join(from.runs, name);
    const pack = packNumber(name);
    if (pack !== undefined) {
      const runs = await intact(path, leave, () => packOf(pack));
      for (const runId of runs?.keys() ?? []) {
        // What no line names has been deleted, or the journal has it all.
        if (history !== undefined && lines.get(runId)?.pack !== pack) continue;
        packs.set(runId, pack);
        runIds.add(runId);
      }
      continue;
    }
    if (!name.endsWith('.json') || expected.has(path)) continue;
    const runId = await intact(path, leave, () => runIdIn(files, path, name));
    if (runId === undefined) continue;
    const file = await intact(path, leave, () => readRunFile(files, path, runId));
    if (file === undefined) continue;
    if (history !== undefined && file.upTo <= history.upTo)
      leave(path, 0, 'the list of runs does not name it: it was deleted');
    else runIds.add(runId);
  }
  return {
    history: history === undefined ? undefined : { upTo: history.upTo, lines },
    records,
    runIds,
    packs,
    readPack: packOf,
  };
}

/** What is left of a run: how it stands after its file and those records that follow it without a gap, and its events. */
export async function salvagedState(
  files: Files,
  from: Layout,
  runId: string,
  { history, records, packs, readPack: packOf }: Found,
  leave: Leave,
): Promise<SalvagedRun | undefined> {
  const path = from.run(runId);
  const line = history?.lines.get(runId);
  const own = sinceForgotten(records.get(runId) ?? []);
  const before = leftOutCounter(leave);
  let file: RunFile | undefined = await intact(path, before.leave, () => readRunFile(files, path, runId));
  // Came back with a power loss after the run was deleted; the one of that name in the journal is another one.
  if (file !== undefined && history !== undefined && line === undefined && file.upTo <= history.upTo)
    file = undefined;
  const pack = packs.get(runId);
  if (pack !== undefined) {
    const packed = await intact(from.pack(pack), before.leave, async () =>
      (await packOf(pack))?.get(runId)?.(),
    );
    if (packed !== undefined && (file === undefined || file.upTo < packed.upTo)) file = packed;
  }
  let state = file?.state;
  let log = file?.events;
  for (const record of own) {
    if (record.seq <= (file?.upTo ?? 0)) continue;
    if (!record.follows(state)) {
      leave(record.file, record.offset, `what stands before this record of run "${runId}" is lost`);
      break;
    }
    try {
      const before = state;
      state = record.apply(state);
      log = logAfter(log, record, before);
    } catch (error) {
      leaveDamage(error, leave);
      break;
    }
  }
  const left = state && { state, log };
  if (line === undefined) return left;
  if (file === undefined && before.count() === 0 && own.length === 0)
    leave(line.pack === undefined ? path : from.pack(line.pack), 0, `the file of run "${runId}" is missing`);
  if (file !== undefined && file.upTo < line.upTo && state === file.state)
    leave(path, 0, `it holds run "${runId}" as of an earlier time; this is kept, what came later is lost`);
  return left;
}

/** Said of the end of a journal that is no damage: whoever opens the store cuts it off. */
export const TORN_END = 'it was being written when the process or the power ended';

/** The journal before its first damage. */
export async function scanIntact(
  all: readonly Generation[],
  store: string,
  after: number,
  leave: Leave,
  pause: Pause,
): Promise<JournalScan> {
  let generations = all;
  for (;;) {
    try {
      const scan = await scanJournal(generations, store, after, pause);
      for (const { generation, length } of scan.ends) {
        if (length < (all.find(({ file }) => file === generation.file)?.bytes.length ?? 0)) {
          if (generations === all) leave(generation.file, length, TORN_END);
        }
      }
      return scan;
    } catch (error) {
      const damage = leaveDamage(error, leave);
      const index = generations.findIndex(({ file }) => file === damage.file);
      const hit = generations[index];
      for (const { file } of generations.slice(index + 1))
        leave(file, 0, `${damage.file} before it is damaged`);
      generations = [
        ...generations.slice(0, index),
        ...(hit === undefined || damage.offset === 0
          ? []
          : [{ ...hit, bytes: hit.bytes.subarray(0, damage.offset) }]),
      ];
    }
  }
}

function leftOutCounter(leave: Leave): { readonly leave: Leave; count(): number } {
  let count = 0;
  return {
    leave(file, offset, reason) {
      count += 1;
      leave(file, offset, reason);
    },
    count: () => count,
  };
}

function packReader(files: Files, from: Layout): Found['readPack'] {
  let latest: { readonly pack: number; readonly runs: ReturnType<typeof readPack> } | undefined;
  return (pack) => {
    if (latest?.pack !== pack) latest = { pack, runs: readPack(files, from.pack(pack)) };
    return latest.runs;
  };
}

/** The id of the run in a file whose name does not tell it. */
async function runIdIn(files: Files, path: string, name: string): Promise<string | undefined> {
  const fields = await readChecked(files, path, 'run');
  const { runId } = (fields?.['state'] ?? {}) as { readonly runId?: unknown };
  if (typeof runId !== 'string' || `${fileName(runId)}.json` !== name)
    throw new StoreCorruptError(path, 0, 'its name is that of another run');
  return runId;
}

/** Number and store of the record a file of the journal begins with; undefined when that is damaged. */
function headerOf(bytes: Buffer | undefined): { readonly seq: number; readonly store: string } | undefined {
  const record = bytes === undefined ? undefined : decodeRecord(bytes, 0, bytes.indexOf(0x0a));
  if (record === undefined) return undefined;
  try {
    const { store } = JSON.parse(record.json) as { readonly store?: unknown };
    return typeof store === 'string' ? { seq: record.seq, store } : undefined;
  } catch {
    return undefined;
  }
}
