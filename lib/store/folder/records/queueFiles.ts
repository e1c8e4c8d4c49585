import { asyncScheduler } from 'rxjs';

import { Tags } from '../../../codec/stateCodec';
import {
  BacklogFullError,
  StorageError,
  StoreCorruptError,
  storageErrorOf,
  systemCodeOf,
} from '../../../errors/storageErrors';
import { realTimers } from '../../../streams/realTimers';
import type { Pause } from '../../../streams/yieldOften';
import type { Rank } from '../../backlog';
import { Backlog } from '../../backlog';
import type { Durability } from '../../durability';
import { ids, madeAt } from '../../ids';
import type { QueuedRun, QueuedTurn, RunQueue } from '../../store';
import {
  foreignFile,
  makeSideFolder,
  parseChecked,
  removeOurs,
  whoseFile,
  within,
  writeChecked,
} from '../files/checkedFile';
import type { Files, Found } from '../files/files';
import type { Layout } from '../layout';
import { fileName } from '../layout';
import { sharedSync } from '../checkpoint';

/** Where queued runs lie: a file each, named after the run. */
export interface QueueFolder {
  readonly files: Files;
  readonly layout: Layout;
  readonly durability: Durability;
  readonly pause: Pause;
}

const SUFFIX = '.json';
/** What was taken back, for whoever serves: one of the same name that is added then is another run. */
const GONE = '.gone';
/** What decides the order stands in the first bytes of a file: 200 characters of an id, each six bytes long at most, and some numbers. */
const HEAD_BYTES = 2_048;
/** For so long the number of waiting runs is taken from what was counted last, in milliseconds. */
const COUNT_AGE_MS = 1_000;

/** What a queue asks of the rest of its store. */
interface QueueOthers {
  /** Whether there is a run of this id. */
  isKnown(runId: string): Promise<boolean>;
  /** Whether somebody begins runs here. */
  isServed(): Promise<boolean>;
  /** Called when a run has been added, or taken back. */
  changed(): void;
}

/** Runs that are queued as files. Needs no lock: no two runs have the same name, and a name is given only once. */
export class FolderQueue implements RunQueue {
  readonly #folder: QueueFolder;
  readonly #others: QueueOthers;
  readonly #nextId = ids(asyncScheduler);
  readonly #sync: () => Promise<void>;
  #count = 0;
  /** Those that have room and no name yet: no count of the folder sees them. */
  #beingAdded = 0;
  #countedAt = -Infinity;
  #countCostMs = 0;

  constructor(folder: QueueFolder, others: QueueOthers) {
    this.#folder = folder;
    this.#others = others;
    this.#sync = sharedSync(() => folder.files.syncFolder(folder.layout.queue));
  }

  async add(run: QueuedRun, maxBacklog: number): Promise<boolean> {
    const { files, layout } = this.#folder;
    const { runId } = run;
    const path = queuedPath(layout, runId);
    const whose = await whoseFile(files, path, 'queued');
    if (whose === 'foreign') throw foreignFile('write', path, 'queued');
    if (whose !== undefined || files.look(layout.run(runId)) !== undefined) return false;
    // One that is under way may have no file yet.
    if (await this.#others.isKnown(runId)) return false;
    await makeSideFolder(files, layout.queue);
    if (this.#roomIn(maxBacklog) <= 0) throw new BacklogFullError(runId, maxBacklog);
    this.#beingAdded += 1;
    let beside: string;
    try {
      beside = await this.#write(run);
    } finally {
      this.#beingAdded -= 1;
    }
    if (!this.#give(beside, path)) return false;
    this.#count += 1;
    if (this.#folder.durability === 'disk') await this.#sync();
    this.#others.changed();
    return true;
  }

  size(): Promise<number> {
    return Promise.resolve(queuedNames(this.#folder).length);
  }

  async remove(runId: string): Promise<boolean> {
    const { files, layout } = this.#folder;
    const path = queuedPath(layout, runId);
    if (!(await this.#others.isServed())) return removeOurs(files, path, 'queued');
    const whose = await whoseFile(files, path, 'queued');
    if (whose === 'foreign') throw foreignFile('remove', path, 'queued');
    if (whose === undefined) return false;
    try {
      files.rename(path, within(layout.queue, `${this.#nextId()}${GONE}`));
    } catch (error) {
      if (error instanceof StorageError && error.systemCode === 'ENOENT') return false;
      throw error;
    }
    this.#others.changed();
    return true;
  }

  /** As many as may be added. Counted anew when there seem to be none, and now and then, as others add and take runs. */
  #roomIn(maxBacklog: number): number {
    const now = performance.now();
    const isOld = now - this.#countedAt > Math.max(COUNT_AGE_MS, this.#countCostMs * 20);
    if (this.#count + this.#beingAdded >= maxBacklog || isOld) {
      this.#count = queuedNames(this.#folder).length;
      this.#countedAt = performance.now();
      this.#countCostMs = this.#countedAt - now;
    }
    return maxBacklog - this.#count - this.#beingAdded;
  }

  /** Writes the run beside the queue, and tells where. */
  async #write(run: QueuedRun): Promise<string> {
    const { files, layout, durability, pause } = this.#folder;
    const { runId, priority, dueAt, ...rest } = run;
    const order = this.#nextId();
    const rank: Rank = { runId, priority, ...(dueAt !== undefined && { dueAt }), order };
    const fields = [
      ['rank', JSON.stringify(rank)],
      ['run', JSON.stringify(rest)],
    ] as const;
    const beside = within(layout.queue, `${order}.new`);
    const quick: Files = durability === 'disk' ? files : withoutSync(files);
    await writeChecked(quick, beside, 'queued', fields, pause, { syncFolder: () => Promise.resolve() });
    return beside;
  }

  /** Gives what was written its name; false when the name is taken. */
  #give(beside: string, path: string): boolean {
    const { files } = this.#folder;
    try {
      files.link(beside, path);
    } catch (error) {
      if (systemCodeOf(error) === 'EEXIST') return false;
      throw storageErrorOf(error, 'write', path);
    } finally {
      files.remove(beside);
    }
    return true;
  }
}

/** The same files, whose content is left to the system to write out. */
function withoutSync(files: Files): Files {
  return new Proxy(files, {
    get: (target, key) => {
      if (key === 'sync') return () => Promise.resolve();
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Where a run lies that waits. */
export function queuedPath(layout: Layout, runId: string): string {
  return within(layout.queue, queuedName(runId));
}

/** The names of the files of runs that wait. */
export function queuedNames({ files, layout }: Pick<QueueFolder, 'files' | 'layout'>): readonly string[] {
  return files.list(layout.queue).filter((name) => name.endsWith(SUFFIX));
}

/** How often the folder is looked at, in milliseconds; less often where a look takes long. */
const LOOK_MS = 250;
const COST_SHARE = 20;
/** For so long after a change names may come without a new time stamp: file systems count as coarsely as two seconds. */
const COARSEST_STAMP_MS = 2_500;
/** What somebody who was killed has left of a run that was being added is removed then. */
const LEFTOVER_MS = 3_600_000;
/** How many files are read at once. */
const READ_AT_ONCE = 16;

/**
 * Tells whoever serves which run of the queue begins next. Holds a name, an id and some numbers of each run, not its input.
 *
 * The folder is listed when it has changed; each file is read once for its rank, and again when its turn comes.
 */
export class QueueWatch {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #queued: () => void;
  readonly #troubled: (error: Error) => void;
  readonly #backlog = new Backlog();
  /** The names that were there, with the `order` of the run: it tells a run from one of the same id that was taken back before. */
  readonly #known = new Map<string, string | undefined>();
  /** Files of runs that have begun, and whether it was told that they cannot be removed. */
  readonly #begun = new Set<string>();
  #isStuck = false;
  #timer: NodeJS.Timeout | undefined;
  #stamp: string | undefined;
  #stampSeenAt = -Infinity;
  #listedAt = -Infinity;
  #listCostMs = 0;
  #isReading = false;
  #isTold = false;

  constructor(
    { files, layout }: Pick<QueueFolder, 'files' | 'layout'>,
    queued: () => void,
    troubled: (error: Error) => void,
  ) {
    this.#files = files;
    this.#layout = layout;
    this.#queued = queued;
    this.#troubled = troubled;
  }

  open(): void {
    this.#timer = realTimers
      .setInterval(() => {
        this.look();
      }, LOOK_MS)
      .unref();
    this.look();
  }

  close(): void {
    realTimers.clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** When the first delayed run is due. */
  get dueAt(): number {
    return this.#backlog.dueAt;
  }

  /** Takes the run whose turn it is. */
  take(now: number): QueuedTurn | undefined {
    let rank = this.#backlog.take(now);
    while (rank !== undefined && this.#known.get(queuedName(rank.runId)) !== rank.order)
      rank = this.#backlog.take(now);
    return rank && this.#turnOf(rank);
  }

  #turnOf(rank: Rank): QueuedTurn {
    const { runId } = rank;
    const path = queuedPath(this.#layout, runId);
    const name = queuedName(runId);
    let isTakenBack = false;
    let found: Found | undefined;
    return {
      runId,
      load: async () => {
        found = this.#files.look(path);
        const bytes = await this.#files.read(path);
        const queued = bytes && readQueued(path, bytes);
        isTakenBack = queued?.order !== rank.order;
        if (queued === undefined || isTakenBack) return undefined;
        const { order: _, ...run } = queued;
        return run;
      },
      back: () => {
        this.#backlog.add(rank);
      },
      done: () => {
        // What may have the name now is another run.
        const isOther =
          this.#known.get(name) !== rank.order || (found !== undefined && !this.#isStill(path, found));
        isTakenBack ||= isOther;
        if (isTakenBack) {
          if (this.#known.get(name) === rank.order) this.#known.delete(name);
        } else {
          this.#begun.add(name);
        }
        return !this.#removeBegun().includes(name) && !isTakenBack;
      },
    };
  }

  /** Whether the file is the one that was found there. */
  #isStill(path: string, { id }: Found): boolean {
    try {
      return this.#files.look(path)?.id === id;
    } catch {
      // Removing it tells why.
      return true;
    }
  }

  /**
   * Removes the files of runs that have begun, and names those that somebody else had removed. Where it fails it is told, and tried again
   * later: it must not end the run, and whoever serves next finds that there is one.
   */
  #removeBegun(): readonly string[] {
    const missing: string[] = [];
    try {
      for (const name of this.#begun) {
        if (!this.#files.remove(within(this.#layout.queue, name))) missing.push(name);
        this.#begun.delete(name);
        this.#known.delete(name);
      }
      this.#isStuck = false;
    } catch (error) {
      if (!this.#isStuck) this.#troubled(error as Error);
      this.#isStuck = true;
    }
    return missing;
  }

  /** Looks for runs that have been added. */
  look(isNew = false): void {
    if (this.#isReading || this.#timer === undefined) return;
    this.#isReading = true;
    this.#read(isNew)
      .then(
        () => {
          this.#isTold = false;
        },
        (error: unknown) => {
          this.#stamp = undefined;
          if (!this.#isTold) this.#troubled(error as Error);
          this.#isTold = true;
        },
      )
      .finally(() => {
        this.#isReading = false;
      });
  }

  async #read(isNew: boolean): Promise<void> {
    this.#removeBegun();
    const { names, gone } = this.#newNames(isNew);
    for (const name of gone) await this.#forgetGone(name);
    const fresh = names.filter((name) => !this.#known.has(name));
    for (let at = 0; at < fresh.length; at += READ_AT_ONCE) {
      if (this.#timer === undefined) return;
      const read = await Promise.all(fresh.slice(at, at + READ_AT_ONCE).map((name) => this.#rankIn(name)));
      for (const rank of read) if (rank !== undefined) this.#backlog.add(rank);
    }
    if (fresh.length > 0 && this.#timer !== undefined) this.#queued();
  }

  /** The names that are there, and what was taken back; none when the folder has not changed. */
  #newNames(isNew: boolean): { readonly names: readonly string[]; readonly gone: readonly string[] } {
    const now = performance.now();
    const none = { names: [], gone: [] };
    if (!isNew && now - this.#listedAt < this.#listCostMs * COST_SHARE) return none;
    const found = this.#files.look(this.#layout.queue);
    if (found === undefined) return none;
    const stamp = `${found.id} ${String(found.stamp)}`;
    if (stamp === this.#stamp) {
      if (!isNew && this.#listedAt - this.#stampSeenAt > COARSEST_STAMP_MS) return none;
    } else {
      this.#stamp = stamp;
      this.#stampSeenAt = now;
    }
    const names: string[] = [];
    const gone: string[] = [];
    for (const name of this.#files.list(this.#layout.queue)) {
      if (name.endsWith(SUFFIX)) names.push(name);
      else if (name.endsWith(GONE)) gone.push(name);
      else if (madeAt(name) < asyncScheduler.now() - LEFTOVER_MS)
        this.#files.remove(within(this.#layout.queue, name));
    }
    this.#listedAt = performance.now();
    this.#listCostMs = this.#listedAt - now;
    const there = new Set(names);
    for (const name of this.#known.keys()) if (!there.has(name)) this.#known.delete(name);
    return { names, gone };
  }

  /** A run that was taken back; one of the same id that was added since is read anew. */
  async #forgetGone(gone: string): Promise<void> {
    const path = within(this.#layout.queue, gone);
    const head = await this.#files.read(path, HEAD_BYTES);
    const rank = head && rankAt(head);
    const name = rank && queuedName(rank.runId);
    if (name !== undefined && this.#known.get(name) === rank?.order) this.#known.delete(name);
    this.#files.remove(path);
  }

  async #rankIn(name: string): Promise<Rank | undefined> {
    const path = within(this.#layout.queue, name);
    const head = await this.#files.read(path, HEAD_BYTES);
    if (head === undefined) return undefined;
    const rank = rankAt(head);
    const isOurs = rank !== undefined && queuedName(rank.runId) === name;
    this.#known.set(name, isOurs ? rank.order : undefined);
    if (isOurs) return rank;
    this.#troubled(new StoreCorruptError(path, 0, 'it does not say which run it queues'));
    return undefined;
  }
}

/** The name of the file of a run that waits. */
export function queuedName(runId: string): string {
  return `${fileName(runId)}${SUFFIX}`;
}

function rankAt(head: Buffer): Rank | undefined {
  try {
    return JSON.parse(/^"rank": (.*),$/m.exec(head.toString())?.[1] ?? '') as Rank;
  } catch {
    return undefined;
  }
}

/** A run of the queue in the bytes of its file. @throws StoreCorruptError */
export function readQueued(path: string, bytes: Buffer): QueuedRun & Pick<Rank, 'order'> {
  const { rank, run } = parseChecked(path, 'queued', bytes) as {
    readonly rank?: Rank;
    readonly run?: Omit<QueuedRun, 'runId' | 'priority' | 'dueAt'>;
  };
  if (typeof rank?.runId !== 'string' || typeof run?.name !== 'string')
    throw new StoreCorruptError(path, 0, 'it does not say which run it queues');
  // With them the list of runs could not be read any more.
  if (run.tags !== undefined && !Tags.is(run.tags))
    throw new StoreCorruptError(path, 0, 'its tags are not strings');
  return { ...run, ...rank };
}
