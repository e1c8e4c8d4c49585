import { isLeft } from 'fp-ts/lib/Either';
import { asyncScheduler } from 'rxjs';

import { RunState as RunStateCodec } from '../../codec/stateCodec';
import { explain } from '../../codec/validate';
import {
  asStorageError,
  RunActiveError,
  RunExistsError,
  StorageError,
  storageErrorOf,
  StoreCorruptError,
  StoreFormatError,
} from '../../errors/storageErrors';
import type { RunEvent } from '../../model/event';
import type { RunState, RunStatus } from '../../model/state';
import { claimRun } from '../claimRun';
import { canHear } from '../messages';
import type { Durability } from '../durability';
import { hasTaken } from '../signalAnswer';
import { stateCopy } from '../stateCopy';
import { EventLog } from '../events/eventLog';
import type { Attendance, Attendant, Claim, Forgetting, KeptEvents, RunQuery } from '../store';
import type { ListedRun } from '../summary';
import { summaryOf } from '../summary';
import type { SaverOptions } from './checkpoint';
import { RunSaver } from './checkpoint';
import type { Files } from './files/files';
import { foreignFile, removeOurs, whoseFile } from './files/checkedFile';
import type { StoreRecord } from './journal/replay';
import { removeLeftovers } from './leftovers';
import type { FoldStart, LiveRun } from './openRun';
import { liveRun } from './openRun';
import type { Lock } from './lock/lock';
import { CacheFiles } from './records/cacheFiles';
import type { GivenSignal, PutBack } from './records/inboxFiles';
import { forgetMessages, forgetTaken, forgetUnheard, InboxWatch, postMessage } from './records/inboxFiles';
import { SignalWatch } from './records/signalFiles';
import type { RunLine } from './records/runIndex';
import { isDamaged, summaryIn } from './records/runIndex';
import type { StreamSession } from './records/streamFiles';
import { streamSession } from './records/streamFiles';
import type { CarryOut } from './records/requestFiles';
import { Serving } from './serving';
import type { TailRun } from './view';
import { readResting } from './view';
import { InvalidArgumentError } from '../../model/failure';

/** What a session begins with. */
export interface SessionStart extends Pick<
  SaverOptions,
  'files' | 'layout' | 'store' | 'pause' | 'journal' | 'lines'
> {
  readonly durability: Durability;
  readonly events: KeptEvents;
  readonly rotateBytes: number;
  readonly tail: ReadonlyMap<string, TailRun>;
  readonly lock: Lock;
  /** Called after each record. */
  readonly onWrite: () => void;
}

/** What is asked to be deleted, and who waits for that. */
interface Deletion {
  readonly runIds: readonly string[];
  readonly forgetsAnswers: boolean;
  readonly forgetMore: (files: Files, runIds: ReadonlySet<string>) => Promise<void>;
  readonly resolve: (gone: readonly string[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What came of that: the runs that are gone, and why others are not, or not wholly. */
interface Deleted {
  readonly gone: ReadonlySet<string>;
  readonly errors: ReadonlyMap<string, unknown>;
}

/**
 * A store opened for writing: from the lock taken to `close()`.
 *
 * Begins with what was read of the folder: the runs that only the journal knows get their files soon.
 */
export class Session {
  readonly #start: SessionStart;
  readonly #lives = new Map<string, LiveRun>();
  readonly #inbox: InboxWatch;
  readonly #attendants = new Set<Attendant>();
  #serving: Serving | undefined;
  /** Resting runs that were read of late: who answers one of many questions asks for its state again and again. */
  readonly #read = new WeakMap<RunLine, WeakRef<RunState>>();
  readonly #cache: CacheFiles;
  readonly #saver: RunSaver;
  /** Streams that remember. */
  readonly streams: StreamSession;
  /** Signals for the runs of this process. */
  readonly signals: SignalWatch;
  /** Deletions with nothing between them that have not begun: they are done in one turn, with one sync. */
  #toDelete: Deletion[] | undefined;
  #lost: StorageError | undefined;
  #isClosed = false;
  /** True once `close()` has begun: runs write nothing more, while it waits for all else that was asked for. */
  #isLeaving = false;
  /** Characters written to the journal. */
  #written = 0;
  #problem: unknown;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(start: SessionStart) {
    const { files, layout, durability, rotateBytes, pause } = start;
    const enqueue = <T>(job: (own: Files) => Promise<T>): Promise<T> => this.enqueue(job);
    this.#start = start;
    this.#inbox = new InboxWatch(files, layout.inbox);
    this.signals = new SignalWatch(start, {
      hold: (runId, id) => this.#inbox.hold(runId, id),
      letGo: (name) => {
        this.#inbox.letGo(name);
      },
      withdraw: (name) => {
        this.#inbox.withdraw(name);
      },
      write: (runId, answer, id) => postMessage(files, layout.inbox, id, runId, answer, pause),
      posted: (name) => {
        this.posted(name);
      },
      canHear: (runId) => canHear(this.#statusOf(runId)),
      inTurn: enqueue,
    });
    this.#cache = new CacheFiles(files, layout.cache, enqueue, pause);
    this.#saver = new RunSaver({ ...start, lives: this.#lives, enqueue, onProblem: this.#noteProblem });
    this.streams = streamSession({
      files,
      folder: layout.streams,
      durability,
      rotateBytes,
      pause,
      check: this.#check,
    });
    this.#takeUpTail();
    // What cannot be removed now may be when the store is opened again.
    this.enqueue(() => this.#sweepInbox()).catch(() => undefined);
    this.enqueue(() => removeLeftovers(files, layout)).catch(() => undefined);
    this.enqueue(() => this.#sweepPacks()).catch(this.#noteProblem);
  }

  claim(runId: string): Claim | Promise<Claim> {
    const { files, layout, lines } = this.#start;
    const known = this.#lives.get(runId);
    if (known?.isClaimed === true) throw new RunActiveError(runId);
    if (known !== undefined) {
      known.isClaimed = true;
      const state = known.fold.state();
      return this.#claimOf(known, state && stateCopy(state));
    }
    const line = lines.get(runId);
    // Taken before the file is read: of two who ask at once only one may get it.
    const live = {
      ...liveRun(runId, undefined, line?.upTo ?? 0, this.#startOf(), line?.pack),
      isClaimed: true,
    };
    this.#lives.set(runId, live);
    if (line === undefined) return this.#claimOf(live, undefined);
    return readResting(files, layout, line).then(
      ({ state, events }) => {
        const loaded = {
          ...liveRun(runId, state, line.upTo, this.#startOf(events), line.pack),
          isClaimed: true,
        };
        this.#lives.set(runId, loaded);
        return this.#claimOf(loaded, stateCopy(state));
      },
      (error: unknown) => {
        this.#lives.delete(runId);
        throw error;
      },
    );
  }

  /** How a run stands, for the store itself: not to be changed, and handed out only as a copy. */
  async heldRun(runId: string): Promise<RunState | undefined> {
    const { files, layout, lines } = this.#start;
    const state = this.#lives.get(runId)?.fold.state();
    if (state !== undefined) return state;
    const line = lines.get(runId);
    if (line === undefined) return undefined;
    const known = this.#read.get(line)?.deref();
    if (known !== undefined) return known;
    const { state: read } = await readResting(files, layout, line);
    this.#read.set(line, new WeakRef(read));
    return read;
  }

  *runs(onDamaged?: RunQuery['onDamaged']): Generator<ListedRun> {
    for (const [runId, line] of this.#start.lines) {
      const live = this.#lives.get(runId);
      const run = live?.firstSeq === undefined ? summaryIn(line, onDamaged) : undefined;
      if (run !== undefined) yield { run, isResting: live?.isClaimed !== true };
    }
    for (const { firstSeq, fold, isClaimed } of this.#lives.values()) {
      const state = firstSeq === undefined ? undefined : fold.state();
      if (state !== undefined) yield { run: summaryOf(state), isResting: !isClaimed };
    }
  }

  /**
   * Forgets those of these runs that are there and rest. Returns their ids.
   *
   * @param forgetMore - Forgets what else holds runs: also of one that is gone already, where that broke off.
   */
  deleteRuns(
    runIds: readonly string[],
    { cache = true }: Forgetting,
    forgetMore: (files: Files, runIds: ReadonlySet<string>) => Promise<void>,
  ): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      const deletion: Deletion = { runIds, forgetsAnswers: cache, forgetMore, resolve, reject };
      if (this.#toDelete !== undefined) {
        this.#toDelete.push(deletion);
        return;
      }
      const together = [deletion];
      const close = (): void => {
        if (this.#toDelete === together) this.#toDelete = undefined;
      };
      this.enqueue((files) => {
        close();
        return this.#deleteAll(files, together);
      }).catch((error: unknown) => {
        close();
        for (const { reject: refuse } of together) refuse(error);
      });
      this.#toDelete = together;
    });
  }

  isClaimed(runId: string): boolean {
    return this.#lives.get(runId)?.isClaimed === true;
  }

  async importRun(state: RunState, events?: readonly RunEvent[]): Promise<void> {
    const { files, layout, journal } = this.#start;
    const { runId } = state;
    this.#checkIsNew(runId);
    const record: StoreRecord = {
      type: 'store.imported',
      runId,
      // Rows as they are: a table in JSON has an output of null where a row has none.
      state: { ...state, steps: [...state.steps] },
      ...(events !== undefined && { events }),
    };
    const json = JSON.stringify(record);
    const copy = RunStateCodec.decode((JSON.parse(json) as { readonly state: unknown }).state);
    if (isLeft(copy)) {
      throw new InvalidArgumentError(
        `Cannot put in run "${runId}": ${explain(copy.left)[0] ?? ''}`,
        'give a state from loadRun() or a snapshot',
      );
    }
    // What a file of an earlier version says is meant for whoever has the id.
    await this.enqueue(() => forgetMessages(files, layout.inbox, [runId], this.#putBack));
    this.#checkIsNew(runId);
    const log = new EventLog();
    log.add(json, 'store.imported', () => undefined);
    const live = liveRun(runId, copy.right, 0, this.#startOf(log));
    this.#write(live, json);
    this.#saveSoon(live);
    await journal.sync();
    this.#tellRested(live);
  }

  /**
   * Does something one after another with everything else that is written, before `close()` ends: on files that refuse to
   * change anything once the lock is lost.
   */
  async enqueue<T>(job: (files: Files) => Promise<T>): Promise<T> {
    const { files, layout } = this.#start;
    // What is deleted from here on is so behind this.
    this.#toDelete = undefined;
    if (this.#isClosed) throw this.#closedError();
    const turn = this.#queue
      .then(() => job(files))
      .catch((error: unknown) => {
        throw asStorageError(error, 'write to', layout.folder);
      });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** Tells a message that has just been written under this name. */
  posted(name: string): void {
    this.#inbox.posted(name);
  }

  /** @param carryOut - Does what other processes ask for. */
  async attend(attendant: Attendant, carryOut: CarryOut): Promise<Attendance> {
    const { files, layout, pause, lock } = this.#start;
    this.#attendants.add(attendant);
    const serving = (this.#serving ??= new Serving({ files, layout, pause }, lock, carryOut));
    const served = await serving.join(attendant);
    const attendance = this.#inbox.attend(attendant);
    return {
      ...served,
      messages: (runId) => attendance.messages(runId),
      signals: this.signals,
      leave: () => {
        this.#attendants.delete(attendant);
        attendance.leave();
        served.leave();
      },
    };
  }

  /** What is done for whoever serves the runs; undefined as long as nobody has. */
  get serving(): Serving | undefined {
    return this.#serving;
  }

  /** Brings all files up to date, so that the older files of the journal can go. */
  checkpointAll(): void {
    let allFileBytes = 0;
    for (const { fileBytes } of this.#lives.values()) allFileBytes += fileBytes;
    for (const live of this.#lives.values())
      if (isDue(live, this.#written, allFileBytes)) this.#saveSoon(live);
  }

  /** Why nothing can be written here any more, until the folder is opened anew; undefined while it can. */
  failure(): StorageError | undefined {
    return this.#lost ?? this.#start.journal.failure;
  }

  /** Lets go of everything as it is, after a failure. */
  async abandon(): Promise<void> {
    const { journal, lock } = this.#start;
    this.#isClosed = true;
    this.#inbox.close();
    this.signals.close();
    this.#serving?.close();
    await this.#queue;
    try {
      journal.abandon();
    } finally {
      lock.release();
    }
  }

  /** @param settle - Waits for what else is to be written here; the runs write nothing more meanwhile. */
  async close(settle: () => Promise<void>): Promise<void> {
    const { journal, lock } = this.#start;
    try {
      for (const live of this.#lives.values()) this.#leaveRunning(live);
    } catch (error) {
      this.#noteProblem(error);
    }
    this.#isLeaving = true;
    // What others ask for from now on is for whoever has the folder next.
    this.#serving?.close();
    await settle();
    this.#isClosed = true;
    this.#inbox.close();
    this.signals.close();
    try {
      await this.#serving?.settled();
      await this.signals.settled();
      await this.streams.close();
      await this.#queue;
      this.#problem = undefined;
      await this.#saver.saveAll();
    } finally {
      try {
        await journal.close();
      } finally {
        lock.release();
      }
    }
    if (this.#problem !== undefined) throw this.#problem as Error;
  }

  /** With which events a run is taken up; none are imported where none are kept. */
  #startOf(log?: EventLog): FoldStart {
    const keepsEvents = this.#start.events !== 'none';
    return { log: keepsEvents ? log : undefined, keepsEvents };
  }

  #takeUpTail(): void {
    const { files, layout, lines, tail } = this.#start;
    for (const [runId, { state, firstSeq, lastSeq, log }] of tail) {
      const pack = lines.get(runId)?.pack;
      lines.delete(runId);
      if (state === undefined) {
        this.#saver.outdate(pack);
        this.enqueue(() => removeOurs(files, layout.run(runId), 'run')).catch(this.#noteProblem);
        continue;
      }
      const live = { ...liveRun(runId, state, lastSeq, this.#startOf(log), pack), firstSeq };
      this.#lives.set(runId, live);
      this.#saveSoon(live);
    }
  }

  async #sweepPacks(): Promise<void> {
    await this.#saver.outdateUnnamed();
    await this.#saver.clearPacks();
  }

  /** Messages that came too late, or were for a run that is gone. Each names what it is for, so that they may as well stay. */
  async #sweepInbox(): Promise<void> {
    const { files, layout } = this.#start;
    const mayHear = (runId: string): boolean => {
      const status = this.#statusOf(runId);
      if (isDamaged(this.#start.lines.get(runId))) return true; // It may go on once its file is restored.
      return this.isClaimed(runId) || (status !== undefined && status !== 'COMPLETED');
    };
    await forgetUnheard(files, layout.inbox, mayHear, this.#putBack);
  }

  #statusOf(runId: string): RunStatus | undefined {
    // One that is just being claimed has not been read.
    const line = this.#start.lines.get(runId);
    return this.#lives.get(runId)?.fold.state()?.status ?? (isDamaged(line) ? undefined : line?.status);
  }

  /** What a life has left, to whoever serves the runs. */
  #tellRested({ fold }: LiveRun): void {
    const state = this.#attendants.size === 0 ? undefined : fold.state();
    if (state === undefined) return;
    const summary = summaryOf(state);
    queueMicrotask(() => {
      for (const attendant of this.#attendants) attendant.rested(summary);
    });
  }

  #claimOf(live: LiveRun, state: RunState | undefined): Claim {
    const { durability, journal, events } = this.#start;
    return claimRun({
      state,
      events,
      durability,
      cache: this.#cache,
      fold: live.fold,
      write: (json) => {
        if (this.#isLeaving) throw this.#closedError();
        this.#write(live, json);
        live.isUnderWay = true;
      },
      sync: () => journal.sync(),
      check: this.#check,
      inbox: (listener) => this.#inbox.listen(live.runId, listener),
      signals: this.signals,
      release: () => {
        live.isClaimed = false;
        live.isUnderWay = false;
        this.#tellRested(live);
        if (live.firstSeq === undefined) this.#lives.delete(live.runId);
        else this.#saveSoon(live);
        return this.#saver.isBehind() ? this.#queue.then(() => undefined) : undefined;
      },
    });
  }

  #write(live: LiveRun, json: string): void {
    if (this.#isClosed) throw this.#closedError();
    if (this.#lost !== undefined) throw this.#lost;
    const writtenBefore = this.#written;
    live.lastSeq = this.#start.journal.write(json);
    this.#written += json.length;
    live.ownBytes += json.length;
    live.lastAt = this.#written;
    if (live.firstSeq === undefined) {
      live.firstSeq = live.lastSeq;
      live.firstAt = writtenBefore;
    }
    this.#lives.set(live.runId, live);
    this.#start.onWrite();
  }

  #saveSoon(live: LiveRun): void {
    // close() writes what it finds; of a life that ends later, the journal tells.
    if (!this.#isClosed) this.#saver.saveSoon(live);
  }

  /** Closing a store is no crash: what is under way is PENDING again, and counts none. */
  #leaveRunning(live: LiveRun): void {
    const state = live.isUnderWay ? live.fold.state() : undefined;
    if (state?.status !== 'RUNNING') return;
    const { runId } = live;
    let { seq } = state;
    for (const { stepId: path, status } of state.steps) {
      if (status !== 'RUNNING') continue;
      seq += 1;
      const left: RunEvent = { type: 'step.cancelled', runId, seq, at: asyncScheduler.now(), path };
      const json = JSON.stringify(left);
      this.#write(live, json);
      live.fold.add(json, left.type);
    }
  }

  /** Each gets the first error of what it has asked for. */
  async #deleteAll(files: Files, deletions: readonly Deletion[]): Promise<void> {
    const { gone, errors } = await this.#deleteRuns([...new Set(deletions.flatMap(({ runIds }) => runIds))]);
    for (const { runIds, forgetsAnswers, forgetMore, resolve, reject } of deletions) {
      const failed = runIds.find((runId) => errors.has(runId));
      try {
        if (failed !== undefined) throw errors.get(failed);
        // One that has begun again meanwhile is another run.
        const past = new Set(runIds.filter((runId) => !this.isKnown(runId)));
        if (forgetsAnswers) await this.#cache.forget(past);
        await forgetMore(files, past);
        resolve(runIds.filter((runId) => gone.has(runId)));
      } catch (error) {
        reject(asStorageError(error, 'write to', this.#start.layout.folder));
      }
    }
  }

  /** What could not be forgotten leaves the others alone. */
  async #deleteRuns(runIds: readonly string[]): Promise<Deleted> {
    const { files, layout, journal } = this.#start;
    const gone = new Set<string>();
    // What a run that is carried on has taken may not be on the disk.
    const resting = runIds.filter((runId) => !this.isClaimed(runId));
    const errors = new Map(await forgetTaken(files, layout.inbox, resting, this.#isTaken));
    for (const runId of resting) {
      if (errors.has(runId)) continue;
      try {
        if (await this.#forget(runId)) gone.add(runId);
      } catch (error) {
        errors.set(runId, error);
      }
    }
    if (gone.size > 0) await journal.sync();
    for (const runId of gone) {
      try {
        files.remove(layout.run(runId));
      } catch (error) {
        errors.set(runId, error); // Asked again, it is removed: see #forget().
      }
    }
    let uncleared: unknown;
    await this.#saver.clearPacks().catch((error: unknown) => (uncleared = error));
    if (gone.size > 0) {
      await files.syncFolder(layout.runs);
      await forgetMessages(files, layout.inbox, [...gone], this.#putBack);
    }
    if (uncleared !== undefined) throw uncleared as Error;
    return { gone, errors };
  }

  /** Writes down that a run is forgotten; false when there is none, or somebody carries it on. */
  async #forget(runId: string): Promise<boolean> {
    const { files, layout, journal, lines } = this.#start;
    const path = layout.run(runId);
    // Before anything is written down: what is not ours is neither removed nor forgotten.
    const whose = await whoseFile(files, path, 'run');
    const live = this.#lives.get(runId);
    if (live?.isClaimed === true) return false;
    if (whose === 'foreign') throw foreignFile('remove', path, 'run');
    // Left by an attempt that could not remove it.
    if (live === undefined && !lines.has(runId)) return whose === 'ours';
    const record: StoreRecord = { type: 'store.deleted', runId };
    journal.write(JSON.stringify(record));
    this.#start.onWrite();
    this.#saver.outdate(live?.pack ?? lines.get(runId)?.pack);
    this.#lives.delete(runId);
    lines.delete(runId);
    return true;
  }

  #checkIsNew(runId: string): void {
    if (this.isKnown(runId)) throw new RunExistsError(runId);
  }

  /** Whether there is a run of this id, or one just begins. */
  isKnown(runId: string): boolean {
    return this.#lives.has(runId) || this.#start.lines.has(runId);
  }

  #closedError(): StorageError {
    return new StorageError('write to', this.#start.layout.folder, 'the store has been closed');
  }

  /** A signal that a run has been given and has not used is there for others. */
  readonly #putBack: PutBack = async (given, name, done) => {
    if (this.#inbox.isLeft(name) || (await this.#isTaken(given))) await done();
    else await this.signals.returned(given.signal, done);
  };

  /** Whether the run has that on record, also after a power loss; what cannot be read says nothing. */
  readonly #isTaken = async ({ runId, path, signal }: GivenSignal): Promise<boolean> => {
    try {
      const state = await this.heldRun(runId);
      if (!hasTaken(state?.steps.get(path), signal.signalId)) return false;
    } catch (error) {
      if (error instanceof StoreCorruptError || error instanceof StoreFormatError) return false;
      throw error;
    }
    await this.#start.journal.sync();
    return true;
  };

  readonly #noteProblem = (error: unknown): void => {
    this.#problem = error; // close() tries again.
  };

  /** Asked before anything is acknowledged: who has lost the lock writes nothing more. */
  readonly #check = (): void => {
    if (this.#lost !== undefined) throw this.#lost;
    try {
      this.#start.lock.checkInTurn();
    } catch (error) {
      this.#lost = storageErrorOf(error, 'write to', this.#start.layout.folder);
      throw this.#lost;
    }
  };
}

/**
 * Whether the file of a run that goes on is worth writing anew, so that the journal can be shortened: when a share of its length
 * has come to the journal since, of its own, or of all so much as the files of all take. Then files and journal together stay
 * within a few times the length of what they hold, and what is written in all grows with it, not with its square.
 */
function isDue(live: LiveRun, written: number, allFileBytes: number): boolean {
  if (live.firstSeq === undefined) return false;
  return live.ownBytes >= live.fileBytes * SHARE || written - live.firstAt >= allFileBytes;
}

/** A larger share writes less, and keeps more of the journal. */
const SHARE = 0.25;
