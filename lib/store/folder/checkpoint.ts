import type { Pause } from '../../streams/yieldOften';
import { StoreCorruptError } from '../../errors/storageErrors';
import { summaryOf } from '../summary';
import { removeOurs, whoseFile } from './files/checkedFile';
import type { Files } from './files/files';
import type { Journal } from './journal/journal';
import type { Layout } from './layout';
import { packNumber } from './layout';
import type { LiveRun } from './openRun';
import type { WrittenRun } from './records/runFile';
import { keepInPack, MOST_PACKED, writePack, writeRunFile } from './records/runFile';
import type { RunLine, RunPlace } from './records/runIndex';
import { writeHistoryFile } from './records/runIndex';

/** What a saver works on; `lives` and `lines` are its session's. */
export interface SaverOptions {
  readonly files: Files;
  readonly layout: Layout;
  readonly store: string;
  readonly pause: Pause;
  readonly journal: Journal;
  readonly lives: Map<string, LiveRun>;
  readonly lines: Map<string, RunLine>;
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

/** Writes what the journal says into the files of the runs of one session, and removes what of the journal nobody needs then. */
export class RunSaver {
  readonly #options: SaverOptions;
  readonly #unsaved = new Set<LiveRun>();
  /** Packs with something that is of no use there any more. */
  readonly #outdated = new Set<number>();
  #latestPack: number | undefined;
  readonly #syncRuns: () => Promise<void>;

  constructor(options: SaverOptions) {
    const { files, layout } = options;
    this.#options = options;
    this.#syncRuns = sharedSync(() => files.syncFolder(layout.runs));
  }

  /** Writes the file of this run soon, together with those that wait already. */
  saveSoon(run: LiveRun): void {
    const { enqueue, onProblem } = this.#options;
    this.#unsaved.add(run);
    if (this.#unsaved.size > 1) return;
    enqueue(async () => {
      const runs = [...this.#unsaved];
      this.#unsaved.clear();
      await this.#saveEach(runs);
      await this.#tidy(false);
      // Behind it: a damaged pack must not keep the journal from being shortened.
      await this.clearPacks();
    }).catch(onProblem);
  }

  /** Whether so many runs wait for their files that the next one should wait too. */
  isBehind(): boolean {
    return this.#unsaved.size > MOST_UNSAVED;
  }

  /** Writes all files, and leaves no journal. Fails when any of it fails. */
  async saveAll(): Promise<void> {
    await this.#saveEach([...this.#options.lives.values()]);
    await this.#tidy(true);
  }

  /** Something in this pack is of no use any more: a run is deleted, or has a file of its own. */
  outdate(pack: number | undefined): void {
    if (pack !== undefined) this.#outdated.add(pack);
  }

  /** Outdates the packs of a process that died before the list of runs named them: the journal has their runs. */
  async outdateUnnamed(): Promise<void> {
    const { files, layout } = this.#options;
    const used = this.#usedPacks();
    for (const pack of this.#packs())
      if (!used.has(pack) && (await whoseFile(files, layout.pack(pack), 'pack')) === 'ours')
        this.outdate(pack);
  }

  /** Takes out of the packs what is of no use any more. */
  async clearPacks(): Promise<void> {
    if (this.#outdated.size === 0) return;
    const { files, layout, lines, lives, pause } = this.#options;
    const used = this.#usedPacks();
    let failed: unknown;
    for (const pack of this.#outdated) {
      const path = layout.pack(pack);
      // What is there may be all that is left of a run.
      const isIn = (runId: string): boolean =>
        lines.get(runId)?.pack === pack || lives.get(runId)?.pack === pack;
      try {
        if (used.has(pack)) await keepInPack(files, path, isIn, pause);
        else await removeOurs(files, path, 'pack');
        this.#outdated.delete(pack);
      } catch (error) {
        failed ??= error;
      }
    }
    if (failed !== undefined) throw failed as Error;
  }

  #usedPacks(): ReadonlySet<number | undefined> {
    const { lines, lives } = this.#options;
    return new Set([...lines.values(), ...lives.values()].map(({ pack }) => pack));
  }

  #packs(): readonly number[] {
    const { files, layout } = this.#options;
    return files
      .list(layout.runs)
      .map(packNumber)
      .filter((number) => number !== undefined);
  }

  /** What fails leaves the others alone. */
  async #saveEach(runs: readonly LiveRun[]): Promise<void> {
    const small = runs.filter((run) => this.#isPacked(run));
    const packed = new Set(small.length < LEAST_PACKED ? [] : small);
    const rest = runs.filter((run) => !packed.has(run));
    const results = await Promise.allSettled([this.#savePacked([...packed])]);
    for (let at = 0; at < rest.length; at += SAVED_AT_ONCE)
      results.push(
        ...(await Promise.allSettled(rest.slice(at, at + SAVED_AT_ONCE).map((run) => this.#save(run)))),
      );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason as Error;
  }

  /** One that has rested before has a file, or waits for somebody who looks for one. */
  #isPacked(run: LiveRun): boolean {
    return (
      !run.isClaimed &&
      run.ownBytes <= MOST_PACKED &&
      !this.#options.lines.has(run.runId) &&
      run.fold.state()?.status === 'COMPLETED'
    );
  }

  async #save(run: LiveRun): Promise<void> {
    const { files, layout, journal, pause } = this.#options;
    const now = this.#standing(run);
    if (now === undefined) return;
    // The file must not know more than the journal will after a power loss.
    await journal.sync();
    run.fileBytes = await writeRunFile(files, layout.run(run.runId), now.written, pause, this.#syncRuns);
    now.saved({});
  }

  async #savePacked(runs: readonly LiveRun[]): Promise<void> {
    const { files, layout, journal, pause } = this.#options;
    const all = runs.map((run) => this.#standing(run)).filter((each) => each !== undefined);
    if (all.length === 0) return;
    await journal.sync();
    const pack = (this.#latestPack ?? Math.max(0, ...this.#packs())) + 1;
    this.#latestPack = pack;
    const written = all.map((each) => each.written);
    await writePack(files, layout.pack(pack), written, pause, this.#syncRuns);
    for (const each of all) each.saved({ pack });
  }

  /** How a run stands now, and what to note when that is in a file; undefined when there is nothing to write. */
  #standing(run: LiveRun): Standing | undefined {
    const { lives, lines } = this.#options;
    const { runId, lastSeq: upTo, ownBytes, lastAt } = run;
    const state = run.fold.state();
    if (run.firstSeq === undefined || state === undefined || lives.get(runId) !== run) return undefined;
    return {
      written: { upTo, state, events: run.fold.log()?.text() },
      saved: (where) => {
        run.ownBytes -= ownBytes;
        run.firstAt = lastAt;
        this.outdate(run.pack);
        run.pack = where.pack;
        lines.set(runId, { ...summaryOf(state), upTo, ...where });
        run.firstSeq = run.lastSeq > upTo ? upTo + 1 : undefined;
        if (run.firstSeq === undefined && !run.isClaimed) lives.delete(runId);
      },
    };
  }

  /** Removes the files of the journal that nobody needs any more. */
  async #tidy(isLast: boolean): Promise<void> {
    const { files, layout, store, pause, journal, lives, lines } = this.#options;
    let upTo = journal.lastSeq;
    for (const { firstSeq } of lives.values())
      if (firstSeq !== undefined) upTo = Math.min(upTo, firstSeq - 1);
    const generations = journal.generations();
    const oldest = generations[0];
    if (oldest === undefined || oldest.lastSeq > upTo || (generations.length === 1 && !isLast)) return;
    // What no line names would stay for ever. A damaged pack stays for those runs that it may still have.
    await this.clearPacks().catch((error: unknown) => {
      if (!(error instanceof StoreCorruptError)) throw error;
    });
    await journal.sync();
    await writeHistoryFile(files, layout.history, { store, upTo, runs: lines.values() }, pause);
    if (isLast) await journal.close();
    journal.trim(upTo);
  }
}

/** A run at the moment when it is written. */
interface Standing {
  readonly written: WrittenRun;
  readonly saved: (where: Pick<RunPlace, 'pack'>) => void;
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
