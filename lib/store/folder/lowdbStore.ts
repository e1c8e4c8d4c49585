import { hostname } from 'node:os';
import { resolve } from 'node:path';

import type { Observable } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../codec/jsonValue';
import {
  checkRunId,
  RunActiveError,
  RunExistsError,
  StoreLockedError,
  StoreNotServedError,
  UnknownRunError,
} from '../../errors/storageErrors';
import { InvalidArgumentError } from '../../model/failure';
import type { RunEvent } from '../../model/event';
import type { RunMessage } from '../../model/message';
import type { RunState } from '../../model/state';
import { asStored } from '../../model/state';
import { nextTurn, realTimers } from '../../streams/realTimers';
import { pauses } from '../../streams/yieldOften';
import { checkImport } from '../claimRun';
import type { Durability } from '../durability';
import { checkDurability } from '../durability';
import type { Clock } from '../ids';
import { ids } from '../ids';
import { addressMessage } from '../messages';
import { captureSnapshot, checkSnapshotId, snapshotOf } from '../snapshotText';
import { stateCopy } from '../stateCopy';
import type { Done } from '../storeRequests';
import { actionOf, progressOf } from '../storeRequests';
import { checkedEvents, checkKeptEvents } from '../events/keptForm';
import type {
  Attendance,
  Attendant,
  Claim,
  EventsOptions,
  Forgetting,
  KeptEvent,
  KeptEvents,
  PruneLimits,
  RequestProgress,
  RunChange,
  RunQuery,
  RunSummary,
  Store,
  StoreRequest,
} from '../store';
import { checkLimits, checkQuery, prunable, select } from '../summary';
import type { Files } from './files/files';
import { GuardedFiles } from './files/guardedFiles';
import { nodeFiles } from './files/nodeFiles';
import { SideReader } from './folderReader';
import { FolderFollower } from './followFolder';
import { layoutOf } from './layout';
import { holderOf, isLocked } from './lock/lock';
import type { Owners } from './lock/owner';
import { processOwners } from './lock/owner';
import { closedInProcess, openInProcess } from './openFolders';
import type { OpenOptions } from './openSession';
import { openSession } from './openSession';
import { dropOldAnswers } from './records/cacheFiles';
import { checkStore, postMessage } from './records/inboxFiles';
import type { LogIndex } from './records/logFiles';
import { deleteLog, listLogs, logIndex, readLog, runOfLog, writeLog } from './records/logFiles';
import { FolderQueue, queuedName, queuedNames } from './records/queueFiles';
import { askOwner, isServedByOwner } from './records/requestFiles';
import { FolderSignals } from './records/signalFiles';
import { deleteSnapshot, listSnapshots, loadSnapshot, writeSnapshot } from './records/snapshotFiles';
import { listStreams } from './records/streamFiles';
import type { Session } from './session';

/** How a store in a folder works. */
export interface LowdbStoreOptions {
  /** What an acknowledged step survives; `disk` when left out. */
  readonly durability?: Durability;
  /**
   * Which events are kept of a run, for as long as the run is: those that make up its state and its log lines (`journaled`, when
   * left out), the partial results too (`all`), or none.
   */
  readonly events?: KeptEvents;
  /** Size at which a file of the journal is full; 8 MiB when left out. */
  readonly rotateBytes?: number;
  /** Tells the time for snapshots, messages and `prune`; the async scheduler when left out. */
  readonly clock?: Clock;
  /** @internal The file system; for tests. */
  readonly files?: Files;
  /** Who owns locks; for tests. */
  readonly owners?: Owners;
}

/**
 * A store in a folder: one lowdb JSON file a run, and one journal of what has happened since those were written.
 *
 * Nothing is opened before the first use. The first claim takes the lock, which `close()` gives back; a process that has
 * died holds nothing. Anybody may read meanwhile.
 *
 * @throws TypeError for an unknown durability or an empty path, RangeError for a size that is not above 0.
 */
export function lowdbStore(folder: string, options: LowdbStoreOptions = {}): Store {
  const {
    durability = 'disk',
    events = 'journaled',
    rotateBytes = 8 * 1024 * 1024,
    clock = asyncScheduler,
  } = options;
  const { owners = processOwners } = options;
  checkDurability(durability);
  checkKeptEvents(events);
  checkPlace(folder, rotateBytes);
  const layout = layoutOf(resolve(folder));
  const files = new GuardedFiles(options.files ?? nodeFiles, [layout]);
  const folderOptions = { files, owners, layout, durability, events, rotateBytes, pause: pauses() };
  const store = new LowdbStore(folderOptions, clock);
  // A plain object, as every store: whoever wraps one spreads it.
  return {
    folder: layout.folder,
    claim: (runId) => store.claim(runId),
    loadRun: (runId) => store.loadRun(runId),
    listRuns: (query) => store.listRuns(query),
    deleteRun: (runId, more) => store.deleteRun(runId, more),
    importRun: (state, events) => store.importRun(state, events),
    prune: (limits) => store.prune(limits),
    post: (runId, message) => store.post(runId, message),
    request: (request) => store.request(request),
    isServed: () => store.isServed(),
    queue: store.queue,
    attend: (attendant) => store.attend(attendant),
    events: (runId, wanted) => store.events(runId, wanted),
    changes: () => store.changes(),
    snapshots: store.snapshots(),
    logs: store.logs(),
    streams: store.streams(),
    signals: store.signals,
    close: () => store.close(),
  };
}

/** For so long a folder that was opened for a write alone stays open for the next one, in milliseconds. */
const IDLE_MS = 500;

/** How long `close()` follows those who ask for one write after another, in milliseconds. */
const MOST_FOLLOWED_MS = 5_000;

/** What a store in a folder does; the session is the part of it that lasts as long as the lock. */
class LowdbStore {
  readonly #folder: OpenOptions;
  readonly #clock: Clock;
  readonly #nextId: () => string;
  /** Runs that wait to be begun. */
  readonly queue: FolderQueue;
  /** What has happened outside and no run has taken yet. */
  readonly signals: FolderSignals;
  readonly #reader: SideReader;
  readonly #follower: FolderFollower;
  #session: Session | undefined;
  #opening: Promise<Session> | undefined;
  #closing: Promise<void> | undefined;
  /** The session that is being closed, while it still takes what is asked for besides runs. */
  #leaving: Session | undefined;
  /** True from a claim, a stream or a server on until `close()`. Any other write opens the folder for itself alone. */
  #isHeld = false;
  /** Whether it has been closed: what is written later gives the folder back at once, because nothing may come after it. */
  #wasClosed = false;
  #idle: NodeJS.Timeout | undefined;
  /** Writes and reads that have been asked for and are not done: `close()` waits for them. */
  readonly #passing = new Set<Promise<unknown>>();
  /** What is known of the execution logs, as long as nobody else can write any. */
  #logs: LogIndex | undefined;

  constructor(folder: OpenOptions, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
    this.#nextId = ids(clock);
    this.queue = new FolderQueue(folder, {
      isKnown: async (runId) => {
        const open = await this.#settled();
        return open === undefined ? this.#reader.isUnderWay(runId) : open.isKnown(runId);
      },
      isServed: () => this.isServed(),
      changed: () => {
        this.#session?.serving?.queued();
      },
    });
    this.signals = new FolderSignals(folder, this.#nextId, () => {
      this.#session?.signals.look();
    });
    this.#reader = new SideReader(folder.files, folder.layout, folder.owners);
    this.#follower = new FolderFollower(this.#reader, (runId) => this.#session?.isClaimed(runId));
  }

  claim(runId: string): Claim | Promise<Claim> {
    checkRunId(runId);
    this.#isHeld = true;
    return (
      this.#usable()?.claim(runId) ??
      this.#open().then(
        (opened) => opened.claim(runId),
        (error: unknown) => this.#handedOver(error),
      )
    );
  }

  /** Whoever is kept out by a process that serves can have that process carry the run out. */
  async #handedOver(error: unknown): Promise<never> {
    if (!(error instanceof StoreLockedError)) throw error;
    const { folder, pid, host, next } = error;
    const isHere = pid === process.pid && host === hostname();
    if (isHere || !(await this.isServed().catch(() => false))) throw error;
    const hand = "submit() hands it a new run, store.request({ kind: 'resume', runId }) one that is there";
    throw new StoreLockedError(folder, pid, host, `that process serves the store: ${hand}; or ${next}`);
  }

  async loadRun(runId: string): Promise<RunState | undefined> {
    checkRunId(runId);
    const held = await ((await this.#settled()) ?? this.#reader).heldRun(runId);
    return held && stateCopy(held);
  }

  async listRuns(query: RunQuery | undefined): Promise<readonly RunSummary[]> {
    checkQuery(query);
    const open = await this.#settled();
    return select(
      open === undefined ? await this.#reader.runs(query?.onDamaged) : open.runs(query?.onDamaged),
      query,
    );
  }

  async deleteRun(runId: string, more: Forgetting = {}): Promise<boolean> {
    const { gone = [] } = await this.#ask({ kind: 'delete', runId, more });
    return gone.length > 0;
  }

  async importRun(state: RunState, events?: readonly RunEvent[]): Promise<void> {
    checkImport(state, events);
    await this.#ask({ kind: 'import', state: asStored(state), ...(events !== undefined && { events }) });
  }

  async prune(limits: PruneLimits): Promise<readonly string[]> {
    checkLimits(limits);
    return (await this.#ask({ kind: 'prune', limits })).gone ?? [];
  }

  request(request: StoreRequest): Observable<RequestProgress> {
    return progressOf((accepted, signal) => this.#ask(request, accepted, signal));
  }

  async isServed(): Promise<boolean> {
    const open = await this.#settled();
    return open === undefined ? isServedByOwner(this.#folder) : open.serving?.isServed === true;
  }

  /** Removes the snapshots and execution logs of runs, where that is asked for. */
  #forgetting({ snapshots = false, logs = false }: Forgetting) {
    const { layout, pause } = this.#folder;
    return async (files: Files, runIds: ReadonlySet<string>): Promise<void> => {
      if (runIds.size === 0) return;
      if (snapshots)
        for (const { runId, snapshotId } of await listSnapshots(files, layout.snapshots, pause))
          if (runIds.has(runId)) await deleteSnapshot(files, layout.snapshots, snapshotId);
      if (!logs) return;
      for (const { logId } of await listLogs(files, layout.logs, pause)) {
        if (runIds.has(runOfLog(logId))) await deleteLog(files, layout.logs, logId);
      }
      // On a folder that is being closed nothing is remembered any more.
      if (this.#logs !== undefined) this.#logs = logIndex((leftOut) => this.#readLogs(leftOut));
    };
  }

  async post(runId: string, message: RunMessage): Promise<RunMessage> {
    const { files, layout, pause } = this.#folder;
    checkRunId(runId);
    const kept = jsonValue(message, '') as RunMessage;
    if (!checkStore(files, layout.history)) throw new UnknownRunError(runId);
    const open = await this.#settled();
    const state = await (open ?? this.#reader).heldRun(runId);
    const meant = addressMessage(runId, state, kept, this.#clock.now());
    const name = await postMessage(files, layout.inbox, this.#nextId(), runId, meant, pause);
    this.#session?.posted(name);
    return meant;
  }

  events(runId: string, wanted: EventsOptions | undefined): Observable<KeptEvent> {
    checkRunId(runId);
    return this.#follower.events(runId, checkedEvents(wanted));
  }

  changes(): Observable<RunChange> {
    return this.#follower.changes();
  }

  async attend(attendant: Attendant): Promise<Attendance> {
    this.#isHeld = true;
    return (await this.#writing()).attend(attendant, (request, accepted) =>
      this.#carryOut(request, accepted),
    );
  }

  /** Does it here where nobody else has the folder; otherwise asks whoever has. */
  async #ask(
    request: StoreRequest,
    accepted: () => void = () => undefined,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Done> {
    for (let wasAccepted = false; ;) {
      try {
        return await this.#carryOut(request, accepted);
      } catch (error) {
        if (wasAccepted && (await this.#isDone(request, error))) return { stage: 'done' };
        if (!(error instanceof StoreLockedError)) throw error;
      }
      const asked = await askOwner(this.#folder, request, accepted, signal);
      if (asked.stage === 'done' || signal.aborted) return { ...asked, stage: 'done' };
      wasAccepted ||= asked.wasAccepted;
    }
  }

  /** @throws StoreLockedError when somebody else has the folder. */
  async #carryOut(request: StoreRequest, accepted: () => void): Promise<Done> {
    const { layout, files, owners } = this.#folder;
    if (request.kind === 'resume') {
      const { runId } = request;
      checkRunId(runId);
      const here = this.#usable()?.serving;
      if (here !== undefined) return here.resume(runId, accepted);
      // The folder is not opened for this: whoever does that serves nothing.
      const { owner } = holderOf(files, layout.lock);
      if (owner !== undefined && this.#usable() === undefined && (await isLocked(files, layout.lock, owners)))
        throw new StoreLockedError(layout.folder, owner.pid, owner.host, 'ask there');
      const me = { pid: process.pid, host: hostname() };
      throw new StoreNotServedError(actionOf(request), layout.folder, this.#usable() && me);
    }
    return this.#during((open) => this.#change(open, request));
  }

  async #change(open: Session, request: Exclude<StoreRequest, { readonly kind: 'resume' }>): Promise<Done> {
    const { layout, pause } = this.#folder;
    if (request.kind === 'import') {
      await open.importRun(request.state, request.events);
      return { stage: 'done' };
    }
    if (request.kind === 'prune') {
      const now = this.#clock.now();
      await open.enqueue((own) => dropOldAnswers(own, layout.cache, now, pause));
      const past = prunable(
        open.runs(() => undefined),
        request.limits,
        now,
      );
      const queued = new Set(past.length === 0 ? [] : queuedNames(this.#folder));
      for (const runId of past) if (queued.has(queuedName(runId))) await this.queue.remove(runId);
      const gone = await open.deleteRuns(past, request.limits, this.#forgetting(request.limits));
      return { stage: 'done', gone };
    }
    const { runId, more = {} } = request;
    checkRunId(runId);
    // Also what a crash has left there of a run that has begun: it would begin again.
    const wasQueued = !open.isClaimed(runId) && (await this.queue.remove(runId));
    const gone = await open.deleteRuns([runId], more, this.#forgetting(more));
    if (gone.length === 0 && open.isClaimed(runId)) throw new RunActiveError(runId);
    return { stage: 'done', gone: gone.length === 0 && wasQueued ? [runId] : gone };
  }

  /** Whether an owner that has left had done it before: the run that is there is the one that was to be put in. */
  async #isDone(request: StoreRequest, error: unknown): Promise<boolean> {
    if (request.kind !== 'import' || !(error instanceof RunExistsError)) return false;
    const { runId, incarnation } = request.state;
    return incarnation !== undefined && (await this.loadRun(runId))?.incarnation === incarnation;
  }

  snapshots(): Store['snapshots'] {
    const { files, layout, pause } = this.#folder;
    return {
      save: async (name, state, metadata = {}) => {
        const text = captureSnapshot(this.#nextId(), this.#clock.now(), name, state, metadata);
        // Before it is written: what cannot be read back must not lie in the folder.
        const snapshot = snapshotOf(text);
        await this.#during((open) =>
          open.enqueue((own) => writeSnapshot(own, layout.snapshots, text, pause)),
        );
        return snapshot;
      },
      load: async (snapshotId) => {
        checkSnapshotId(snapshotId);
        return loadSnapshot(files, layout.snapshots, snapshotId);
      },
      delete: async (snapshotId) => {
        checkSnapshotId(snapshotId);
        return this.#during((open) =>
          open.enqueue((own) => deleteSnapshot(own, layout.snapshots, snapshotId)),
        );
      },
      list: () => listSnapshots(files, layout.snapshots, pause),
    };
  }

  logs(): Store['logs'] {
    const { files, layout, pause } = this.#folder;
    return {
      save: (log) =>
        this.#during((open) => {
          const write = () => open.enqueue((own) => writeLog(own, layout.logs, log, pause));
          return this.#logs === undefined ? write() : this.#logs.save(log, write);
        }),
      // Who keeps a log reads it before the next line: close() waits for both.
      load: (logId) => this.#awaited(readLog(files, layout.logs, logId)),
      list: async () => {
        await this.#settled();
        return this.#logs === undefined ? this.#readLogs() : this.#logs.list();
      },
    };
  }

  streams(): Store['streams'] {
    const { files, layout, pause } = this.#folder;
    return {
      claim: async (name) => {
        this.#isHeld = true;
        const open = await this.#writing().catch((error: unknown) => {
          if (!(error instanceof StoreLockedError)) throw error;
          // Whoever has several streams is told which one it is.
          const { folder, pid, host, next } = error;
          throw new StoreLockedError(folder, pid, host, next, `go on with stream ${JSON.stringify(name)}`);
        });
        return open.streams.claim(name);
      },
      list: (query) => listStreams(files, layout.streams, pause, query),
      delete: (name) => this.#during((open) => open.streams.delete(name)),
    };
  }

  async close(): Promise<void> {
    this.#isHeld = false;
    this.#wasClosed = true;
    // Not a turn later where nothing opens: somebody may write meanwhile.
    if (this.#opening !== undefined) await this.#opening.catch(() => undefined);
    return this.#giveBack(() => this.#workDone());
  }

  /** Closes the open session. From within this call on, who writes waits for that, and opens the folder anew. */
  #giveBack(settle: () => Promise<void>): Promise<void> {
    const open = this.#session;
    if (open === undefined) return this.#closing ?? Promise.resolve();
    this.#session = undefined;
    this.#logs = undefined;
    this.#leaving = open;
    const left = async (): Promise<void> => {
      await settle();
      this.#leaving = undefined;
    };
    const ending = open.failure() === undefined ? open.close(left) : left().then(() => open.abandon());
    const closing = ending.finally(() => {
      // One that failed is not told again: the lock has been given back, and the journal holds everything.
      if (this.#closing === closing) this.#closing = undefined;
      closedInProcess(this.#folder.layout.folder);
    });
    this.#closing = closing;
    return closing;
  }

  /**
   * Waits for what has been asked for, and for what follows upon it: who writes line after line, as an execution log, asks for
   * the next one when one is written. Whoever never stops is not waited for.
   */
  async #workDone(): Promise<void> {
    const until = performance.now() + MOST_FOLLOWED_MS;
    do {
      await Promise.allSettled(this.#passing);
      await nextTurn();
    } while (this.#passing.size > 0 && performance.now() < until);
  }

  /** Does one write. A folder that nobody holds is opened for it, and given back afterwards. */
  #during<T>(write: (open: Session) => Promise<T>): Promise<T> {
    const begun = this.#leaving === undefined ? this.#writing().then(write) : write(this.#leaving);
    return this.#awaited(begun);
  }

  /** Has `close()` wait for this. */
  async #awaited<T>(work: Promise<T>): Promise<T> {
    this.#passing.add(work);
    try {
      return await work;
    } finally {
      this.#passing.delete(work);
      if (this.#isUnused() && this.#wasClosed) await this.#giveBack(() => Promise.resolve());
      else if (this.#isUnused()) this.#giveBackSoon();
    }
  }

  #isUnused(): boolean {
    return !this.#isHeld && this.#passing.size === 0 && this.#leaving === undefined;
  }

  /** Who writes one thing now and then keeps nobody out: not the process either that would serve the runs. */
  #giveBackSoon(): void {
    realTimers.clearTimeout(this.#idle);
    this.#idle = realTimers
      .setTimeout(() => {
        // What it could not write is in the journal, for whoever opens the folder next.
        if (this.#isUnused()) this.#giveBack(() => Promise.resolve()).catch(() => undefined);
      }, IDLE_MS)
      .unref();
  }

  /** The open session, unless it has broken: then the folder is opened anew, as another process would. */
  #usable(): Session | undefined {
    return this.#session?.failure() === undefined ? this.#session : undefined;
  }

  async #writing(): Promise<Session> {
    return this.#usable() ?? this.#open();
  }

  /** The open session; one that is just being opened is waited for. */
  async #settled(): Promise<Session | undefined> {
    await this.#opening?.catch(() => undefined);
    return this.#session;
  }

  async #open(): Promise<Session> {
    this.#opening ??= (this.#closing ?? Promise.resolve())
      .catch(() => undefined)
      .then(async () => {
        const broken = this.#session;
        this.#session = undefined;
        await broken?.abandon().catch(() => undefined); // Its runs have been told what broke it.
        return openInProcess(this.#folder.layout.folder, this, () =>
          openSession(this.#folder, () => {
            this.#follower.poke();
          }),
        );
      })
      .then(
        (opened) => {
          this.#session = opened;
          this.#logs = logIndex((leftOut) => this.#readLogs(leftOut));
          this.#opening = undefined;
          return opened;
        },
        (error: unknown) => {
          this.#opening = undefined;
          this.#isHeld = false;
          throw error;
        },
      );
    return this.#opening;
  }

  #readLogs(leftOut?: () => void): ReturnType<typeof listLogs> {
    const { files, layout, pause } = this.#folder;
    return listLogs(files, layout.logs, pause, leftOut);
  }
}

/** @throws InvalidArgumentError */
function checkPlace(folder: unknown, rotateBytes: number): void {
  if (typeof folder !== 'string' || folder === '')
    throw new InvalidArgumentError('Cannot make a store without a folder', 'give the path of one');
  if (!(rotateBytes > 0))
    throw new InvalidArgumentError(
      `Cannot make a store with rotateBytes ${String(rotateBytes)}`,
      'give a number above 0',
    );
}
