import type { Pause } from '../../streams/yieldOften';
import { summaryOf } from '../summary';
import type { Files } from './files/files';
import type { Journal } from './journal/journal';
import type { Layout } from './layout';
import type { LiveRun } from './openRun';
import { writeRunFile } from './records/runFile';
import type { HistoryLine } from './records/runIndex';
import { writeHistoryFile } from './records/runIndex';

/** Writes what the journal says into the files of the runs, and removes what of the journal nobody needs then. */
export interface RunSaver {
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

/** A saver for the runs of one session. */
export function runSaver(options: SaverOptions): RunSaver {
  const { files, layout, store, pause, journal, lives, lines } = options;
  const unsaved = new Set<LiveRun>();
  const syncRuns = sharedSync(() => files.syncFolder(layout.runs));

  const save = async (run: LiveRun): Promise<void> => {
    const upTo = run.lastSeq;
    const state = run.fold.state();
    if (run.firstSeq === undefined || state === undefined || lives.get(run.runId) !== run) return;
    const events = run.fold.log()?.text();
    // The file must not know more than the journal will after a power loss.
    await journal.sync();
    const { ownBytes, lastAt } = run;
    const path = layout.run(run.runId);
    run.fileBytes = await writeRunFile(files, path, { upTo, state, events }, pause, syncRuns);
    run.ownBytes -= ownBytes;
    run.firstAt = lastAt;
    lines.set(run.runId, { ...summaryOf(state), upTo });
    run.firstSeq = run.lastSeq > upTo ? upTo + 1 : undefined;
    if (run.firstSeq === undefined && !run.isClaimed) lives.delete(run.runId);
  };

  /** What fails leaves the others alone. */
  const saveEach = async (runs: readonly LiveRun[]): Promise<void> => {
    let failed: PromiseRejectedResult | undefined;
    for (let at = 0; at < runs.length; at += SAVED_AT_ONCE) {
      const results = await Promise.allSettled(runs.slice(at, at + SAVED_AT_ONCE).map(save));
      failed ??= results.find((result) => result.status === 'rejected');
    }
    if (failed !== undefined) throw failed.reason as Error;
  };

  /** Removes the files of the journal that nobody needs any more. */
  const tidy = async (isLast: boolean): Promise<void> => {
    let upTo = journal.lastSeq;
    for (const { firstSeq } of lives.values())
      if (firstSeq !== undefined) upTo = Math.min(upTo, firstSeq - 1);
    const generations = journal.generations();
    const oldest = generations[0];
    if (oldest === undefined || oldest.lastSeq > upTo || (generations.length === 1 && !isLast)) return;
    await journal.sync();
    await writeHistoryFile(files, layout.history, { store, upTo, runs: lines.values() }, pause);
    if (isLast) await journal.close();
    journal.trim(upTo);
  };

  return {
    saveSoon(run) {
      unsaved.add(run);
      if (unsaved.size > 1) return;
      options
        .enqueue(async () => {
          const runs = [...unsaved];
          unsaved.clear();
          await saveEach(runs);
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
