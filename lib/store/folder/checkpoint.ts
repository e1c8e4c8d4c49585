import type { Pause } from '../../streams/yieldOften';
import { StoreCorruptError } from '../../errors/storageErrors';
import { summaryOf } from '../summary';
import { removeOurs } from './files/checkedFile';
import type { Files } from './files/files';
import type { Journal } from './journal/journal';
import type { Layout } from './layout';
import { packNumber } from './layout';
import type { LiveRun } from './openRun';
import type { WrittenRun } from './records/runFile';
import { keepInPack, MOST_PACKED, writePack, writeRunFile } from './records/runFile';
import type { HistoryLine } from './records/runIndex';
import { writeHistoryFile } from './records/runIndex';

/** Writes what the journal says into the files of the runs, and removes what of the journal nobody needs then. */
export interface RunSaver {
  /** Something in this pack is of no use any more: a run is deleted, or has a file of its own. */
  outdate(pack: number | undefined): void;
  /** Takes out of the packs what is of no use any more. */
  clearPacks(): Promise<void>;
  /** Writes the file of this run soon, together with those that wait already. */
  saveSoon(run: LiveRun): void;
  /** Whether so many runs wait for their files that the next one should wait too. */
  isBehind(): boolean;
  /** Writes all files, and leaves no journal. Fails when any of it fails. */
  saveAll(): Promise<void>;
}

/** What a saver works on; `lives` and `lines` are its session's. */
export interface SaverOptions {
  readonly files: Files;
  readonly layout: Layout;
  readonly store: string;
  readonly pause: Pause;
  readonly journal: Journal;
  readonly lives: Map<string, LiveRun>;
  readonly lines: Map<string, HistoryLine>;
  /** Does something one after another with everything else that is written. */
  readonly enqueue: (job: () => Promise<void>) => Promise<void>;
  /** Told what could not be written; the journal still has it. */
  readonly onProblem: (error: unknown) => void;
}

/** How many runs that have ended may wait for their files before the next one waits too. */
const MOST_UNSAVED = 64;
/** How many files are written at once; they share their syncs. */
const SAVED_AT_ONCE = 16;
/** So many runs that wait for their files together are packed into one. */
const LEAST_PACKED = 4;

/** A run at the moment when it is written. */
interface Standing {
  readonly written: WrittenRun;
  saved(where: Pick<HistoryLine, 'pack'>): void;
}

/** The numbers of all packs of a store. */
export function packsIn(files: Files, layout: Layout): readonly number[] {
  return files
    .list(layout.runs)
    .map(packNumber)
    .filter((number) => number !== undefined);
}

/** A saver for the runs of one session. */
export function runSaver(options: SaverOptions): RunSaver {
  const { files, layout, store, pause, journal, lives, lines } = options;
  const unsaved = new Set<LiveRun>();
  /** Packs with runs that are of no use there any more. */
  const outdated = new Set<number>();
  let latestPack: number | undefined;
  const syncRuns = sharedSync(() => files.syncFolder(layout.runs));

  /** How a run stands now, and what to note when that is in a file; undefined when there is nothing to write. */
  const standing = (run: LiveRun): Standing | undefined => {
    const { runId, lastSeq: upTo, ownBytes, lastAt } = run;
    const state = run.fold.state();
    if (run.firstSeq === undefined || state === undefined || lives.get(runId) !== run) return undefined;
    return {
      written: { upTo, state, events: run.fold.log()?.text() },
      saved(where) {
        run.ownBytes -= ownBytes;
        run.firstAt = lastAt;
        outdate(run.pack);
        run.pack = where.pack;
        lines.set(runId, { ...summaryOf(state), upTo, ...where });
        run.firstSeq = run.lastSeq > upTo ? upTo + 1 : undefined;
        if (run.firstSeq === undefined && !run.isClaimed) lives.delete(runId);
      },
    };
  };

  const save = async (run: LiveRun): Promise<void> => {
    const now = standing(run);
    if (now === undefined) return;
    // The file must not know more than the journal will after a power loss.
    await journal.sync();
    run.fileBytes = await writeRunFile(files, layout.run(run.runId), now.written, pause, syncRuns);
    now.saved({});
  };

  const savePacked = async (runs: readonly LiveRun[]): Promise<void> => {
    const all = runs.map(standing).filter((each) => each !== undefined);
    if (all.length === 0) return;
    await journal.sync();
    const pack = (latestPack ??= Math.max(0, ...packsIn(files, layout))) + 1;
    latestPack = pack;
    const written = all.map((each) => each.written);
    await writePack(files, layout.pack(pack), written, pause, syncRuns);
    for (const each of all) each.saved({ pack });
  };

  /** One that has rested before has a file, or waits for somebody who looks for one. */
  const isPacked = (run: LiveRun): boolean =>
    !run.isClaimed &&
    run.ownBytes <= MOST_PACKED &&
    !lines.has(run.runId) &&
    run.fold.state()?.status === 'COMPLETED';

  /** What fails leaves the others alone. */
  const saveEach = async (runs: readonly LiveRun[]): Promise<void> => {
    const small = runs.filter(isPacked);
    const packed = new Set(small.length < LEAST_PACKED ? [] : small);
    const rest = runs.filter((run) => !packed.has(run));
    const results = await Promise.allSettled([savePacked([...packed])]);
    for (let at = 0; at < rest.length; at += SAVED_AT_ONCE)
      results.push(...(await Promise.allSettled(rest.slice(at, at + SAVED_AT_ONCE).map(save))));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason as Error;
  };

  const outdate = (pack: number | undefined): void => {
    if (pack !== undefined) outdated.add(pack);
  };

  /** Where a run is: what is there may be all that is left of it. */
  const isIn = (pack: number, runId: string): boolean =>
    lines.get(runId)?.pack === pack || lives.get(runId)?.pack === pack;

  const clearPacks = async (): Promise<void> => {
    if (outdated.size === 0) return;
    const used = new Set([...lines.values(), ...lives.values()].map(({ pack }) => pack));
    let failed: unknown;
    for (const pack of outdated) {
      const path = layout.pack(pack);
      try {
        if (used.has(pack)) await keepInPack(files, path, (runId) => isIn(pack, runId), pause);
        else await removeOurs(files, path, 'pack');
        outdated.delete(pack);
      } catch (error) {
        failed ??= error;
      }
    }
    if (failed !== undefined) throw failed as Error;
  };

  /** Removes the files of the journal that nobody needs any more. */
  const tidy = async (isLast: boolean): Promise<void> => {
    let upTo = journal.lastSeq;
    for (const { firstSeq } of lives.values())
      if (firstSeq !== undefined) upTo = Math.min(upTo, firstSeq - 1);
    const generations = journal.generations();
    const oldest = generations[0];
    if (oldest === undefined || oldest.lastSeq > upTo || (generations.length === 1 && !isLast)) return;
    // What no line names would stay for ever. A damaged pack stays for those runs that it may still have.
    await clearPacks().catch((error: unknown) => {
      if (!(error instanceof StoreCorruptError)) throw error;
    });
    await journal.sync();
    await writeHistoryFile(files, layout.history, { store, upTo, runs: lines.values() }, pause);
    if (isLast) await journal.close();
    journal.trim(upTo);
  };

  return {
    outdate,
    clearPacks,
    saveSoon(run) {
      unsaved.add(run);
      if (unsaved.size > 1) return;
      options
        .enqueue(async () => {
          const runs = [...unsaved];
          unsaved.clear();
          await saveEach(runs);
          await clearPacks();
          await tidy(false);
        })
        .catch(options.onProblem);
    },
    isBehind: () => unsaved.size > MOST_UNSAVED,
    async saveAll() {
      await saveEach([...lives.values()]);
      await tidy(true);
    },
  };
}

/** A sync that many may ask for: who asks while one is under way shares the next one, which begins when that has ended. */
export function sharedSync(sync: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    next = undefined;
    const now = sync().finally(() => {
      if (running === now) running = undefined;
    });
    running = now;
    return now;
  };
  // What was done before the call must be on the disk afterwards: a sync that has begun may have missed it.
  return () => (running === undefined ? begin() : (next ??= running.then(begin, begin)));
}
