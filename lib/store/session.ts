import { isLeft } from 'fp-ts/lib/Either';

import { explain } from '../codec/explain';
import { RunState as RunStateCodec } from '../codec/state';
import type { RunEvent } from '../model/event';
import { isEnd } from '../model/event';
import type { RunState } from '../model/state';
import { removeForGood } from './checkedFile';
import { cacheFiles } from './cacheFiles';
import type { Durability } from './durability';
import type { Files } from './files';
import type { HistoryLine } from './historyFile';
import { writeHistoryFile } from './historyFile';
import type { Journal } from './journal';
import type { Layout } from './layout';
import type { Pause } from './pause';
import { outputJournal } from './outputJournal';
import { RunActiveError } from './runActiveError';
import { RunExistsError } from './runExistsError';
import type { RunFold } from './runFold';
import { runFold } from './runFold';
import { writeRunFile } from './runFile';
import { sharedSync } from './sharedSync';
import { asStorageError, StorageError, storing } from './storageError';
import type { Claim } from './store';
import type { ListedRun } from './summary';
import { summaryOf } from './summary';
import type { StoreRecord, TailRun } from './view';
import { readResting } from './view';
import { watchInbox } from './watchInbox';

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
export interface SessionStart {
  readonly files: Files;
  readonly layout: Layout;
  readonly store: string;
  readonly durability: Durability;
  readonly pause: Pause;
  readonly journal: Journal;
  readonly lines: Map<string, HistoryLine>;
  readonly tail: ReadonlyMap<string, TailRun>;
  unlock(): void;
}

/** A run of which more is known than its file says, or that is claimed. */
interface Live {
  readonly runId: string;
  readonly fold: RunFold;
  isClaimed: boolean;
  /** Its first record that its file does not hold yet; undefined when the file holds everything. */
  firstSeq: number | undefined;
  lastSeq: number;
}

/** How many runs that have ended may wait for their files before the next one waits too. */
const MOST_UNSAVED = 64;
/** How many files of runs are written at once; they share their syncs. */
const SAVED_AT_ONCE = 16;

export function startSession(start: SessionStart): Session {
  const { files, layout, durability, pause, journal, lines } = start;
  const lives = new Map<string, Live>();
  const unsaved = new Set<Live>();
  const syncRuns = sharedSync(() => files.syncFolder(layout.runs));
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

  const cache = cacheFiles(files, layout.cache, enqueue, pause);

  const write = (live: Live, json: string): void => {
    if (isClosed) throw closed();
    live.lastSeq = journal.write(json);
    live.firstSeq ??= live.lastSeq;
    lives.set(live.runId, live);
  };

  const checkpoint = async (live: Live): Promise<void> => {
    const upTo = live.lastSeq;
    const state = live.fold.state();
    if (live.firstSeq === undefined || state === undefined || lives.get(live.runId) !== live) return;
    // The file must not know more than the journal will after a power loss.
    await journal.sync();
    await writeRunFile(files, layout.run(live.runId), { upTo, state }, pause, syncRuns);
    lines.set(live.runId, { ...summaryOf(state), upTo });
    live.firstSeq = live.lastSeq > upTo ? upTo + 1 : undefined;
    if (live.firstSeq === undefined && !live.isClaimed) lives.delete(live.runId);
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
    await writeHistoryFile(files, layout.history, { store: start.store, upTo, runs: lines.values() }, pause);
    if (isLast) await journal.close();
    journal.trim(upTo);
  };

  /** Brings the files of these runs up to date. What fails leaves the others alone: the journal still has it. */
  const checkpoints = async (all: readonly Live[]): Promise<void> => {
    let failed: PromiseRejectedResult | undefined;
    for (let at = 0; at < all.length; at += SAVED_AT_ONCE) {
      const results = await Promise.allSettled(all.slice(at, at + SAVED_AT_ONCE).map(checkpoint));
      failed ??= results.find((result) => result.status === 'rejected');
    }
    if (failed !== undefined) throw failed.reason as Error;
  };

  const saveSoon = (live: Live): void => {
    // close() writes what it finds; of a life that ends later, the journal tells.
    if (isClosed) return;
    unsaved.add(live);
    if (unsaved.size > 1) return; // Saved together with those that wait already.
    enqueue(async () => {
      const all = [...unsaved];
      unsaved.clear();
      await checkpoints(all);
      await tidy(false);
    }).catch((error: unknown) => {
      problem = error; // close() tries again.
    });
  };

  for (const [runId, { state, firstSeq, lastSeq }] of start.tail) {
    lines.delete(runId);
    if (state === undefined) {
      void enqueue(() => removeForGood(files, layout.run(runId))).catch((error: unknown) => {
        problem = error;
      });
      continue;
    }
    const live = { runId, fold: runFold(runId, state), isClaimed: false, firstSeq, lastSeq };
    lives.set(runId, live);
    saveSoon(live);
  }

  const claimOf = (live: Live, state: RunState | undefined): Claim => {
    const kept: string[] = [];
    const outputs = outputJournal();
    const put = (event: RunEvent): void => {
      const text = outputs.text(event);
      if (durability === 'end' && !isEnd(event)) {
        kept.push(text);
        outputs.wrote(event);
        return;
      }
      for (let early = kept[0]; early !== undefined; early = kept[0]) {
        write(live, early);
        live.fold.add(early);
        kept.shift();
      }
      write(live, text);
      outputs.wrote(event);
      live.fold.add(text);
    };
    return {
      state,
      checksValues: true,
      cache,
      append(event) {
        put(event);
        if (durability === 'disk' || (durability === 'end' && isEnd(event))) return journal.sync();
        return undefined;
      },
      note: put,
      inbox: (listener) => inbox.listen(live.runId, listener),
      release() {
        live.isClaimed = false;
        if (live.firstSeq === undefined) lives.delete(live.runId);
        else saveSoon(live);
        return unsaved.size > MOST_UNSAVED ? queue.then(() => undefined) : undefined;
      },
    };
  };

  return {
    claim(runId) {
      const known = lives.get(runId);
      if (known?.isClaimed === true) throw new RunActiveError(runId);
      if (known !== undefined) {
        known.isClaimed = true;
        return claimOf(known, known.fold.state());
      }
      const line = lines.get(runId);
      if (line === undefined) {
        const live = {
          runId,
          fold: runFold(runId, undefined),
          isClaimed: true,
          firstSeq: undefined,
          lastSeq: 0,
        };
        lives.set(runId, live);
        return claimOf(live, undefined);
      }
      // Taken before the file is read: of two who ask at once only one may get it.
      const live = {
        runId,
        fold: runFold(runId, undefined),
        isClaimed: true,
        firstSeq: undefined,
        lastSeq: line.upTo,
      };
      lives.set(runId, live);
      return readResting(files, layout, line).then(
        (state) => {
          const loaded = { ...live, fold: runFold(runId, state) };
          lives.set(runId, loaded);
          return claimOf(loaded, state);
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
      if (state !== undefined) return state;
      const line = lines.get(runId);
      return line === undefined ? undefined : readResting(files, layout, line);
    },
    *runs() {
      for (const [runId, run] of lines) {
        const live = lives.get(runId);
        if (live?.firstSeq === undefined) yield { run, isResting: live?.isClaimed !== true };
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
      if (isLeft(copy)) throw new TypeError(`Cannot put in run "${runId}": ${explain(copy.left)[0] ?? ''}`);
      const live = {
        runId,
        fold: runFold(runId, copy.right),
        isClaimed: false,
        firstSeq: undefined,
        lastSeq: 0,
      };
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
        await checkpoints([...lives.values()]);
        await tidy(true);
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
