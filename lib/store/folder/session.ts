import { isLeft } from 'fp-ts/lib/Either';

import { RunState as RunStateCodec } from '../../codec/stateCodec';
import { explain } from '../../codec/validate';
import {
  asStorageError,
  RunActiveError,
  RunExistsError,
  StorageError,
  storing,
} from '../../errors/storageErrors';
import type { RunState } from '../../model/state';
import { claimRun } from '../claimRun';
import type { Durability } from '../durability';
import { stateCopy } from '../stateCopy';
import type { Claim } from '../store';
import type { ListedRun } from '../summary';
import { summaryOf } from '../summary';
import type { SaverOptions } from './checkpoint';
import { runSaver } from './checkpoint';
import { removeForGood } from './files/checkedFile';
import type { StoreRecord } from './journal/replay';
import type { LiveRun } from './openRun';
import { liveRun } from './openRun';
import { cacheFiles } from './records/cacheFiles';
import { watchInbox } from './records/inboxFiles';
import { summaryIn } from './records/runIndex';
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
  /** Does something one after another with everything else that is written, before `close()` ends. */
  enqueue<T>(job: () => Promise<T>): Promise<T>;
  /** Looks for new messages now. */
  look(): void;
  /** Brings all files up to date, so that the older files of the journal can go. */
  checkpointAll: () => void;
  close(): Promise<void>;
}

/** What a session begins with. */
export interface SessionStart extends Pick<
  SaverOptions,
  'files' | 'layout' | 'store' | 'pause' | 'journal' | 'lines'
> {
  readonly durability: Durability;
  readonly tail: ReadonlyMap<string, TailRun>;
  unlock(): void;
}

/** Begins with what was read of the folder: the runs that only the journal knows get their files soon. */
export function startSession(start: SessionStart): Session {
  const { files, layout, durability, journal, lines } = start;
  const lives = new Map<string, LiveRun>();
  const inbox = watchInbox(files, layout.inbox);
  let isClosed = false;
  let problem: unknown;
  let queue: Promise<unknown> = Promise.resolve();

  const closed = () => new StorageError('write to', layout.folder, 'the store has been closed');

  /** One after another: whatever touches the run files and the history. */
  const enqueue = async <T>(job: () => Promise<T>): Promise<T> => {
    if (isClosed) throw closed();
    const turn = queue.then(job).catch((error: unknown) => {
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

  const write = (live: LiveRun, json: string): void => {
    if (isClosed) throw closed();
    live.lastSeq = journal.write(json);
    live.firstSeq ??= live.lastSeq;
    lives.set(live.runId, live);
  };

  const saveSoon = (live: LiveRun): void => {
    // close() writes what it finds; of a life that ends later, the journal tells.
    if (!isClosed) saver.saveSoon(live);
  };

  for (const [runId, { state, firstSeq, lastSeq }] of start.tail) {
    lines.delete(runId);
    if (state === undefined) {
      enqueue(() => removeForGood(files, layout.run(runId))).catch(noteProblem);
      continue;
    }
    const live = { ...liveRun(runId, state, lastSeq), firstSeq };
    lives.set(runId, live);
    saveSoon(live);
  }

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
      inbox: (listener) => inbox.listen(live.runId, listener),
      release() {
        live.isClaimed = false;
        if (live.firstSeq === undefined) lives.delete(live.runId);
        else saveSoon(live);
        return saver.isBehind() ? queue.then(() => undefined) : undefined;
      },
    });

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
    deleteRuns: (runIds) =>
      enqueue(async () => {
        const gone = runIds.filter((runId) => {
          const live = lives.get(runId);
          if (live?.isClaimed === true || (live === undefined && !lines.has(runId))) return false;
          const record: StoreRecord = { type: 'store.deleted', runId };
          journal.write(JSON.stringify(record));
          lives.delete(runId);
          lines.delete(runId);
          return true;
        });
        if (gone.length === 0) return gone;
        await journal.sync();
        for (const runId of gone) storing('remove', layout.run(runId), () => files.remove(layout.run(runId)));
        await files.syncFolder(layout.runs);
        return gone;
      }),
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
      const live = liveRun(runId, copy.right, 0);
      write(live, json);
      saveSoon(live);
      await journal.sync();
    },
    enqueue,
    look: inbox.look,
    checkpointAll() {
      for (const live of lives.values()) if (live.firstSeq !== undefined) saveSoon(live);
    },
    async close() {
      isClosed = true;
      inbox.close();
      try {
        await queue;
        problem = undefined;
        await saver.saveAll();
      } finally {
        try {
          await journal.close();
        } finally {
          start.unlock();
        }
      }
      if (problem !== undefined) throw problem as Error;
    },
  };
}
