import { resolve } from 'node:path';

import { StoreCorruptError } from '../../errors/storageErrors';
import { realDelay } from '../../streams/realTimers';
import { pauses } from '../../streams/yieldOften';
import { checkChecksum } from '../folder/files/checkedFile';
import type { Files } from '../folder/files/files';
import { GuardedFiles } from '../folder/files/guardedFiles';
import { nodeFiles } from '../folder/files/nodeFiles';
import { layoutOf } from '../folder/layout';
import { holderOf, isLocked } from '../folder/lock/lock';
import { processOwners } from '../folder/lock/owner';
import { unheardMessages } from '../folder/records/inboxFiles';
import { readHistoryFile } from '../folder/records/runIndex';
import { isServedByOwner } from '../folder/records/requestFiles';
import type { RunSummary } from '../store';
import { summaryOf } from '../summary';
import type { LeftOut } from './leftOut';
import { copyIntactFiles } from './salvagedFiles';
import { findRuns, salvagedState, TORN_END } from './salvagedRuns';
import { copyIntactStreams } from './salvagedStreams';

/** What is intact of a store, and what is not. */
export interface Examination {
  /** The runs that can be read, as far as they can. */
  readonly runs: readonly RunSummary[];
  /** What cannot be trusted; nothing when all is intact. */
  readonly damage: readonly LeftOut[];
  /** What was being written when a process or the power ended: the next who opens the store cuts it off, and nothing is lost. */
  readonly torn: readonly LeftOut[];
  /** Messages that no run will ever hear; the next who opens the store removes them. */
  readonly unheard: readonly LeftOut[];
}

/**
 * Reads every file of a store and says what could not be taken over by `salvage()`. Changes nothing.
 *
 * While another process writes to the store it looks twice: what has changed meanwhile is not damage.
 *
 * @throws StorageError when there is no store, or when the system refuses an access.
 * @throws StoreFormatError when a newer release wrote the store.
 */
export async function examine(
  folder: string,
  options: { readonly files?: Files } = {},
): Promise<Examination> {
  const layout = layoutOf(resolve(folder));
  const files = new GuardedFiles(options.files ?? nodeFiles, [layout]);
  const first = await look(files, folder);
  if (first.damage.length === 0 || !(await isLocked(files, layout.lock, processOwners))) return first;
  await realDelay(AGAIN_MS);
  const second = await look(files, folder);
  const known = new Set(first.damage.map(({ file, reason }) => `${file}\n${reason}`));
  return { ...second, damage: second.damage.filter(({ file, reason }) => known.has(`${file}\n${reason}`)) };
}

/** By then a checkpoint that was under way has ended. */
const AGAIN_MS = 200;

async function look(files: Files, folder: string): Promise<Examination> {
  const layout = layoutOf(resolve(folder));
  const pause = pauses();
  const all: LeftOut[] = [];
  const leave = (file: string, offset: number, reason: string): void => {
    all.push({ file, offset, reason });
  };
  const found = await findRuns(files, layout, leave, pause);
  for (const [part, kind] of [
    ['snapshots', 'snapshot'],
    ['logs', 'log'],
    ['inbox', 'message'],
    ['cache', 'answer'],
    ['queue', 'queued'],
    ['signals', 'signal'],
  ] as const) {
    await copyIntactFiles(files, layout[part], undefined, kind, leave, pause);
  }
  await copyIntactStreams(files, layout.streams, undefined, leave, pause);
  const runs: RunSummary[] = [];
  const hearers = new Set<string>();
  for (const runId of found.runIds) {
    const left = await salvagedState(files, layout, runId, found, leave);
    if (left !== undefined) {
      runs.push(summaryOf(left.state));
      if (left.state.status !== 'COMPLETED') hearers.add(runId);
    }
    const rest = pause();
    if (rest !== undefined) await rest;
  }
  return {
    runs,
    damage: all.filter(({ reason }) => reason !== TORN_END),
    torn: all.filter(({ reason }) => reason === TORN_END),
    unheard: (await unheardMessages(files, layout.inbox, (runId) => hearers.has(runId))).map((file) => ({
      file,
      offset: 0,
      reason: 'no run will ever hear this message',
    })),
  };
}

/** Who has a store open for writing, or has ended without closing it. */
export interface StoreOwner {
  readonly pid: number;
  readonly host: string;
  readonly isAlive: boolean;
  /** Whether it serves the runs of the store. */
  readonly isServing: boolean;
}

/** Who has the store in this folder; undefined when it was closed. */
export async function ownerOf(folder: string): Promise<StoreOwner | undefined> {
  const layout = layoutOf(resolve(folder));
  const asked = {
    files: new GuardedFiles(nodeFiles, [layout]),
    layout,
    owners: processOwners,
    pause: pauses(),
  };
  const { owner } = holderOf(asked.files, layout.lock);
  if (owner === undefined) return undefined;
  return {
    pid: owner.pid,
    host: owner.host,
    isAlive: await isLocked(asked.files, layout.lock, processOwners),
    isServing: await isServedByOwner(asked),
  };
}

/** What is wrong with the files of these runs, as their checksums tell, by run; those that are intact, or not written yet, are left out. */
export async function damageOf(
  folder: string,
  runIds: readonly string[],
): Promise<ReadonlyMap<string, LeftOut>> {
  const layout = layoutOf(resolve(folder));
  const files = new GuardedFiles(nodeFiles, [layout]);
  const found = new Map<string, LeftOut>();
  const byFile = new Map<string, string[]>();
  try {
    const isPacked = runIds.some((runId) => files.look(layout.run(runId)) === undefined);
    const history = isPacked ? await readHistoryFile(files, layout.history) : undefined;
    const packs = new Map(history?.runs.map(({ runId, pack }) => [runId, pack]));
    for (const runId of runIds) {
      const own = layout.run(runId);
      const pack = files.look(own) === undefined ? packs.get(runId) : undefined;
      const path = pack === undefined ? own : layout.pack(pack);
      byFile.set(path, [...(byFile.get(path) ?? []), runId]);
    }
  } catch (error) {
    for (const runId of runIds) found.set(runId, leftOutBy(error));
  }
  for (const [path, held] of byFile) {
    try {
      await checkChecksum(files, path);
    } catch (error) {
      for (const runId of held) found.set(runId, leftOutBy(error));
    }
  }
  return found;
}

/** What is damaged. @throws what is no damage */
function leftOutBy(error: unknown): LeftOut {
  if (!(error instanceof StoreCorruptError)) throw error;
  return { file: error.file, offset: error.offset, reason: error.why };
}
