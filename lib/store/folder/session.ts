import { isLeft } from 'fp-ts/lib/Either';

import { RunState as RunStateCodec } from '../../codec/stateCodec';
import { explain } from '../../codec/validate';
import {
  asStorageError,
  RunActiveError,
  RunExistsError,
  StorageError,
  storageErrorOf,
} from '../../errors/storageErrors';
import type { RunState } from '../../model/state';
import { claimRun } from '../claimRun';
import type { Durability } from '../durability';
import { stateCopy } from '../stateCopy';
import type { Attendance, Attendant, Claim } from '../store';
import type { ListedRun } from '../summary';
import { summaryOf } from '../summary';
import type { SaverOptions } from './checkpoint';
import { runSaver } from './checkpoint';
import type { Files } from './files/files';
import { foreignFile, removeOurs, whoseFile } from './files/checkedFile';
import type { StoreRecord } from './journal/replay';
import type { LiveRun } from './openRun';
import { liveRun } from './openRun';
import type { Lock } from './lock/lock';
import { cacheFiles } from './records/cacheFiles';
import { forgetMessages, forgetUnheard, InboxWatch } from './records/inboxFiles';
import { summaryIn } from './records/runIndex';
import type { StreamSession } from './records/streamFiles';
import { streamSession } from './records/streamFiles';
import type { TailRun } from './view';
import { readResting } from './view';
import { InvalidArgumentError } from '../../model/failure';

/** A store opened for writing: from the lock taken to `close()`. */
export interface Session {
  claim(runId: string): Claim | Promise<Claim>;
  loadRun(runId: string): Promise<RunState | undefined>;
  runs(): Iterable<ListedRun>;
  /** Forgets those of these runs that are there and rest. Returns their ids. */
  deleteRuns(runIds: readonly string[]): Promise<readonly string[]>;
  isClaimed(runId: string): boolean;
  importRun(state: RunState): Promise<void>;
  /**
   * Does something one after another with everything else that is written, before `close()` ends: on files that refuse to
   * change anything once the lock is lost.
   */
  enqueue<T>(job: (files: Files) => Promise<T>): Promise<T>;
  /** Tells a message that has just been written under this name. */
  posted(name: string): void;
  attend(attendant: Attendant): Attendance;
  /** Streams that remember. */
  readonly streams: StreamSession;
  /** Brings all files up to date, so that the older files of the journal can go. */
  checkpointAll: () => void;
  /** Why nothing can be written here any more, until the folder is opened anew; undefined while it can. */
  failure(): StorageError | undefined;
  /** Lets go of everything as it is, after a failure. */
  abandon(): Promise<void>;
  close(): Promise<void>;
}

/** What a session begins with. */
export interface SessionStart extends Pick<
  SaverOptions,
  'files' | 'layout' | 'store' | 'pause' | 'journal' | 'lines'
> {
  readonly durability: Durability;
  readonly rotateBytes: number;
  readonly tail: ReadonlyMap<string, TailRun>;
  readonly lock: Lock;
}

/** Begins with what was read of the folder: the runs that only the journal knows get their files soon. */
export function startSession(start: SessionStart): Session {
  const { files, layout, durability, journal, lines } = start;
  const lives = new Map<string, LiveRun>();
  const inbox = new InboxWatch(files, layout.inbox);
  const attendants = new Set<Attendant>();
  let lost: StorageError | undefined;
  let isClosed = false;
  /** Characters written to the journal. */
  let written = 0;
  let problem: unknown;
  let queue: Promise<unknown> = Promise.resolve();

  const closed = () => new StorageError('write to', layout.folder, 'the store has been closed');

  /** One after another: whatever touches the run files and the history. */
  const enqueue = async <T>(job: (files: Files) => Promise<T>): Promise<T> => {
    if (isClosed) throw closed();
    const turn = queue
      .then(() => job(files))
      .catch((error: unknown) => {
        throw asStorageError(error, 'write to', layout.folder);
      });
    queue = turn.catch(() => undefined);
    return turn;
  };

  const cache = cacheFiles(files, layout.cache, enqueue, start.pause);

  const noteProblem = (error: unknown): void => {
    problem = error; // close() tries again.
  };
  const saver = runSaver({ ...start, lives, enqueue, onProblem: noteProblem });

  /** Asked before anything is acknowledged: who has lost the lock writes nothing more. */
  const check = (): void => {
    if (lost !== undefined) throw lost;
    try {
      start.lock.check();
    } catch (error) {
      lost = storageErrorOf(error, 'write to', layout.folder);
      throw lost;
    }
  };

  const streams = streamSession({
    files,
    folder: layout.streams,
    durability,
    rotateBytes: start.rotateBytes,
    pause: start.pause,
    check,
  });

  const write = (live: LiveRun, json: string): void => {
    if (isClosed) throw closed();
    if (lost !== undefined) throw lost;
    const writtenBefore = written;
    live.lastSeq = journal.write(json);
    written += json.length;
    live.ownBytes += json.length;
    live.lastAt = written;
    if (live.firstSeq === undefined) {
      live.firstSeq = live.lastSeq;
      live.firstAt = writtenBefore;
    }
    lives.set(live.runId, live);
  };

  const saveSoon = (live: LiveRun): void => {
    // close() writes what it finds; of a life that ends later, the journal tells.
    if (!isClosed) saver.saveSoon(live);
  };

  for (const [runId, { state, firstSeq, lastSeq }] of start.tail) {
    lines.delete(runId);
    if (state === undefined) {
      enqueue(() => removeOurs(files, layout.run(runId), 'run')).catch(noteProblem);
      continue;
    }
    const live = { ...liveRun(runId, state, lastSeq), firstSeq };
    lives.set(runId, live);
    saveSoon(live);
  }

  /** Messages that came too late, or were for a run that is gone. Each names what it is for, so that they may as well stay. */
  const sweepInbox = async (): Promise<void> => {
    const canHear = (runId: string): boolean => {
      const live = lives.get(runId);
      const status = live === undefined ? lines.get(runId)?.status : live.fold.state()?.status;
      return live?.isClaimed === true || (status !== undefined && status !== 'COMPLETED');
    };
    await forgetUnheard(files, layout.inbox, canHear);
  };
  // What cannot be removed now may be when the store is opened again.
  enqueue(sweepInbox).catch(() => undefined);

  /** What a life has left, to whoever serves the runs. */
  const tellRested = ({ fold }: LiveRun): void => {
    const state = attendants.size === 0 ? undefined : fold.state();
    if (state === undefined) return;
    const summary = summaryOf(state);
    queueMicrotask(() => {
      for (const attendant of attendants) attendant.rested(summary);
    });
  };

  const claimOf = (live: LiveRun, state: RunState | undefined): Claim =>
    claimRun({
      state,
      durability,
      cache,
      fold: live.fold,
      write: (json) => {
        write(live, json);
      },
      sync: () => journal.sync(),
      check,
      inbox: (listener) => inbox.listen(live.runId, listener),
      release() {
        live.isClaimed = false;
        tellRested(live);
        if (live.firstSeq === undefined) lives.delete(live.runId);
        else saveSoon(live);
        return saver.isBehind() ? queue.then(() => undefined) : undefined;
      },
    });

  /** What could not be forgotten leaves the others alone; the first such error is thrown when they are gone. */
  const deleteRuns = async (runIds: readonly string[]): Promise<readonly string[]> => {
    const gone: string[] = [];
    const errors: unknown[] = [];
    for (const runId of runIds) {
      try {
        if (await forget(runId)) gone.push(runId);
      } catch (error) {
        errors.push(error);
      }
    }
    if (gone.length > 0) await journal.sync();
    for (const runId of gone) {
      try {
        files.remove(layout.run(runId));
      } catch (error) {
        errors.push(error); // Asked again, it is removed: see forget().
      }
    }
    if (gone.length > 0) {
      await files.syncFolder(layout.runs);
      await forgetMessages(files, layout.inbox, gone);
    }
    if (errors.length > 0) throw errors[0];
    return gone;
  };

  /** Writes down that a run is forgotten; false when there is none, or somebody carries it on. */
  const forget = async (runId: string): Promise<boolean> => {
    const path = layout.run(runId);
    // Before anything is written down: what is not ours is neither removed nor forgotten.
    const whose = await whoseFile(files, path, 'run');
    const live = lives.get(runId);
    if (live?.isClaimed === true) return false;
    if (whose === 'foreign') throw foreignFile('remove', path, 'run');
    // Left by an attempt that could not remove it.
    if (live === undefined && !lines.has(runId)) return whose === 'ours';
    const record: StoreRecord = { type: 'store.deleted', runId };
    journal.write(JSON.stringify(record));
    lives.delete(runId);
    lines.delete(runId);
    return true;
  };

  return {
    claim(runId) {
      const known = lives.get(runId);
      if (known?.isClaimed === true) throw new RunActiveError(runId);
      if (known !== undefined) {
        known.isClaimed = true;
        const state = known.fold.state();
        return claimOf(known, state && stateCopy(state));
      }
      const line = lines.get(runId);
      // Taken before the file is read: of two who ask at once only one may get it.
      const live = { ...liveRun(runId, undefined, line?.upTo ?? 0), isClaimed: true };
      lives.set(runId, live);
      if (line === undefined) return claimOf(live, undefined);
      return readResting(files, layout, line).then(
        (state) => {
          const loaded = { ...liveRun(runId, state, line.upTo), isClaimed: true };
          lives.set(runId, loaded);
          return claimOf(loaded, stateCopy(state));
        },
        (error: unknown) => {
          lives.delete(runId);
          throw error;
        },
      );
    },
    async loadRun(runId) {
      const live = lives.get(runId);
      const state = live?.fold.state();
      if (state !== undefined) return stateCopy(state);
      const line = lines.get(runId);
      return line === undefined ? undefined : readResting(files, layout, line);
    },
    *runs() {
      for (const [runId, line] of lines) {
        const live = lives.get(runId);
        if (live?.firstSeq === undefined) yield { run: summaryIn(line), isResting: live?.isClaimed !== true };
      }
      for (const { firstSeq, fold, isClaimed } of lives.values()) {
        const state = firstSeq === undefined ? undefined : fold.state();
        if (state !== undefined) yield { run: summaryOf(state), isResting: !isClaimed };
      }
    },
    deleteRuns: (runIds) => enqueue(() => deleteRuns(runIds)),
    isClaimed: (runId) => lives.get(runId)?.isClaimed === true,
    async importRun(state) {
      const { runId } = state;
      if (lives.has(runId) || lines.has(runId)) throw new RunExistsError(runId);
      const record: StoreRecord = { type: 'store.imported', runId, state };
      const json = JSON.stringify(record);
      const copy = RunStateCodec.decode((JSON.parse(json) as { readonly state: unknown }).state);
      if (isLeft(copy)) {
        throw new InvalidArgumentError(
          `Cannot put in run "${runId}": ${explain(copy.left)[0] ?? ''}`,
          'give a state from loadRun() or a snapshot',
        );
      }
      // What a file of an earlier version says is meant for whoever has the id.
      await enqueue(() => forgetMessages(files, layout.inbox, [runId]));
      if (lives.has(runId) || lines.has(runId)) throw new RunExistsError(runId);
      const live = liveRun(runId, copy.right, 0);
      write(live, json);
      saveSoon(live);
      await journal.sync();
      tellRested(live);
    },
    enqueue,
    posted: (name) => {
      inbox.posted(name);
    },
    attend(attendant) {
      attendants.add(attendant);
      const attendance = inbox.attend(attendant);
      return {
        messages: (runId) => attendance.messages(runId),
        leave() {
          attendants.delete(attendant);
          attendance.leave();
        },
      };
    },
    streams,
    checkpointAll() {
      let files = 0;
      for (const { fileBytes } of lives.values()) files += fileBytes;
      for (const live of lives.values()) if (isDue(live, written, files)) saveSoon(live);
    },
    failure: () => lost ?? journal.failure,
    async abandon() {
      isClosed = true;
      inbox.close();
      await queue;
      try {
        journal.abandon();
      } finally {
        start.lock.release();
      }
    },
    async close() {
      isClosed = true;
      inbox.close();
      try {
        await streams.close();
        await queue;
        problem = undefined;
        await saver.saveAll();
      } finally {
        try {
          await journal.close();
        } finally {
          start.lock.release();
        }
      }
      if (problem !== undefined) throw problem as Error;
    },
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
