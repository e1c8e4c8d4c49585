import { isLeft } from 'fp-ts/lib/Either';

import { RunEvent } from '../codec/event';
import { explain } from '../codec/explain';
import { RunState } from '../codec/state';
import type { RunEvent as AnyEvent } from '../model/event';
import type { RunState as RunStateRecord } from '../model/state';
import { reduceRun } from '../model/reduce';
import { idleState } from '../model/state';
import { OutputChange, outputIn, wholeEvent } from './changedOutput';
import type { Files } from './files';
import type { HistoryLine } from './historyFile';
import { readHistoryFile } from './historyFile';
import type { Generation, JournalScan, ScannedRecord } from './journalScan';
import { scanJournal } from './journalScan';
import type { Layout } from './layout';
import type { Pause } from './pause';
import { readRunFile } from './runFile';
import { StorageError } from './storageError';
import { StoreCorruptError } from './storeCorruptError';

/** All that a store's folder says, read without changing anything. */
export interface View {
  /** Name of the store; undefined when the folder holds none yet. */
  readonly store: string | undefined;
  /** Runs whose files stand in history.json. */
  readonly lines: ReadonlyMap<string, HistoryLine>;
  /** Runs of which the journal says more than history.json. */
  readonly tail: ReadonlyMap<string, TailRun>;
  readonly scan: JournalScan;
  readonly generations: readonly Generation[];
  readonly upTo: number;
}

/** A run as the journal leaves it. */
export interface TailRun {
  /** Undefined when it was deleted. */
  readonly state: RunStateRecord | undefined;
  /** Numbers of its first record in the journal and of its last. */
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Record up to which its file holds what happened; 0 without a file. */
  readonly fileUpTo: number;
}

/** What a record of the journal says besides the events of runs. */
export type StoreRecord =
  | { readonly type: 'store.deleted'; readonly runId: string }
  | { readonly type: 'store.imported'; readonly runId: string; readonly state: unknown };

/**
 * Reads the folder of a store: the files as they were at the latest checkpoint, and the journal folded over them.
 *
 * @throws StoreCorruptError, StoreFormatError, StorageError
 */
export async function readView(files: Files, layout: Layout, pause: Pause): Promise<View> {
  const history = await readHistoryFile(files, layout.history);
  const generations = await readGenerations(files, layout);
  if (history === undefined) {
    const strays = [...generations.map(({ file }) => file), ...list(files, layout.runs)];
    if (strays.length > 0)
      throw new StoreCorruptError(layout.history, 0, 'the file is missing, but there are runs');
  }
  const upTo = history?.upTo ?? 0;
  const lines = new Map((history?.runs ?? []).map((line) => [line.runId, line]));
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
    tail.set(runId, await fold(files, layout, runId, lines.get(runId), records, upTo, pause));
  }
  return { store: history?.store, lines, tail, scan, generations, upTo };
}

/** The state of a run that the journal does not mention. */
export async function readResting(files: Files, layout: Layout, line: HistoryLine): Promise<RunStateRecord> {
  const path = layout.run(line.runId);
  const file = await readRunFile(files, path, line.runId);
  if (file === undefined) throw new StoreCorruptError(path, 0, `the file of run "${line.runId}" is missing`);
  if (file.upTo !== line.upTo)
    throw new StoreCorruptError(path, 0, `it holds run "${line.runId}" as of another time`);
  return file.state;
}

/** The files of the journal, oldest first. */
export async function readGenerations(files: Files, layout: Layout): Promise<readonly Generation[]> {
  const generations: Generation[] = [];
  for (const name of list(files, layout.journal)
    .filter((each) => /^\d{8}\.ndjson$/.test(each))
    .sort()) {
    const file = `${layout.journal}/${name}`;
    try {
      const bytes = await files.read(file);
      if (bytes !== undefined) generations.push({ number: Number(name.slice(0, 8)), file, bytes });
    } catch (error) {
      throw new StorageError('read', file, error);
    }
  }
  return generations;
}

function list(files: Files, folder: string): readonly string[] {
  try {
    return files.list(folder);
  } catch (error) {
    throw new StorageError('list', folder, error);
  }
}

/** What a record says about its run. */
export interface ParsedRecord {
  readonly runId: string;
  readonly seq: number;
  readonly offset: number;
  /** Whether the run is deleted with it. */
  readonly forgets: boolean;
  /** Whether it can be applied to this state: nothing is missing between them. */
  readonly follows: (state: RunStateRecord | undefined) => boolean;
  /** @throws StoreCorruptError when it needs what the state does not hold. */
  readonly apply: (state: RunStateRecord | undefined) => RunStateRecord | undefined;
}

/** @throws StoreCorruptError when it is none a store writes. */
export function parseRecord({ json, file, offset, seq }: ScannedRecord): ParsedRecord {
  const refuse = (why: string): never => {
    throw new StoreCorruptError(file, offset, why);
  };
  let content: {
    readonly type?: unknown;
    readonly runId?: unknown;
    readonly state?: unknown;
  };
  try {
    content = JSON.parse(json) as typeof content;
  } catch {
    return refuse('a record that is no JSON');
  }
  if (typeof content !== 'object' || (content as unknown) === null)
    return refuse('a record that is no object');
  const at = { seq, offset, forgets: false };
  const { runId } = content;
  if (typeof runId !== 'string') return refuse('a record without a run');
  if (content.type === 'store.deleted')
    return { ...at, runId, forgets: true, follows: () => true, apply: () => undefined };
  if (content.type === 'store.imported') {
    const state = RunState.decode(content.state);
    if (isLeft(state)) return refuse(explain(state.left)[0] ?? 'no state of a run');
    return { ...at, runId, follows: () => true, apply: () => state.right };
  }
  if (!RunEvent.is(content)) {
    const result = RunEvent.decode(content);
    return refuse(isLeft(result) ? (explain(result.left)[0] ?? 'no event') : 'no event');
  }
  const event = content;
  const follows = (state: RunStateRecord | undefined) => event.seq === (state?.seq ?? 0) + 1;
  const next = (state: RunStateRecord | undefined, whole: AnyEvent) =>
    reduceRun(state ?? idleState(runId, '', []), whole);
  if (!Object.hasOwn(content, 'patches'))
    return { ...at, runId, follows, apply: (state) => next(state, event) };
  const change = OutputChange.decode(content);
  if (isLeft(change)) return refuse(explain(change.left)[0] ?? 'no change of an output');
  return {
    ...at,
    runId,
    follows,
    apply(state) {
      try {
        return next(
          state,
          wholeEvent({ ...event, ...change.right }, (base) => outputIn(state, base), json.length),
        );
      } catch (error) {
        return refuse(`a change of an output that does not fit: ${(error as Error).message}`);
      }
    },
  };
}

async function fold(
  files: Files,
  layout: Layout,
  runId: string,
  line: HistoryLine | undefined,
  records: readonly ParsedRecord[],
  upTo: number,
  pause: Pause,
): Promise<TailRun> {
  const firstSeq = records[0]?.seq ?? 0;
  const lastSeq = records.at(-1)?.seq ?? 0;
  const path = layout.run(runId);
  const file = await readRunFile(files, path, runId);
  // A file of a run that was forgotten may come back with a power loss: it is older than the history.
  const isKnown = file !== undefined && (line === undefined ? file.upTo > upTo : file.upTo >= line.upTo);
  if (line !== undefined && !isKnown && records[0]?.forgets === false) {
    throw new StoreCorruptError(
      path,
      0,
      `the file of run "${runId}" is ${file === undefined ? 'missing' : 'too old'}`,
    );
  }
  let state = isKnown ? file.state : undefined;
  const fileUpTo = isKnown ? file.upTo : 0;
  for (const record of records) {
    if (record.seq > fileUpTo) state = record.apply(state);
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  return { state, firstSeq, lastSeq, fileUpTo };
}
