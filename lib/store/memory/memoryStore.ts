import { isLeft } from 'fp-ts/lib/Either';
import type { Observable } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../codec/jsonValue';
import { RunState } from '../../codec/stateCodec';
import {
  BacklogFullError,
  checkRunId,
  RunActiveError,
  RunExistsError,
  StoreNotServedError,
  UnknownSnapshotError,
} from '../../errors/storageErrors';
import type { RunEvent, StepEmitted, StepLogged } from '../../model/event';
import type { ExecutionLog } from '../../model/executionLog';
import type { RunMessage } from '../../model/message';
import type { RunState as RunStateRecord } from '../../model/state';
import { asStored } from '../../model/state';
import { memoryCache } from '../answerCache';
import type { Rank } from '../backlog';
import { Backlog } from '../backlog';
import { checkImport } from '../claimRun';
import { EventLog } from '../events/eventLog';
import { checkedEvents, checkKeptEvents, keptForm, sideText } from '../events/keptForm';
import type { RunFold } from '../folder/openRun';
import { runFold } from '../folder/openRun';
import { newestFirst, runOfLog, summaryOfLog } from '../folder/records/logFiles';
import type { Clock } from '../ids';
import { ids } from '../ids';
import { addressMessage, canHear } from '../messages';
import { hasTaken, signalIn } from '../signalAnswer';
import type { Done } from '../storeRequests';
import { actionOf, progressOf, resumeBy } from '../storeRequests';
import type { SnapshotText } from '../snapshotText';
import { captureSnapshot, checkSnapshotId, snapshotOf } from '../snapshotText';
import { stateCopy } from '../stateCopy';
import type {
  Attendance,
  Attendant,
  Claim,
  EventsOptions,
  Forgetting,
  KeptEvent,
  KeptEvents,
  PruneLimits,
  QueuedRun,
  QueuedTurn,
  ReceivedMessage,
  RunChange,
  RunQuery,
  RunQueue,
  RunSummary,
  SnapshotStore,
  Store,
  StoreRequest,
} from '../store';
import { prunable, select, summaryOf } from '../summary';
import { InvalidArgumentError } from '../../model/failure';
import { MemoryFeed } from './memoryFeed';
import { MemorySignals } from './memorySignals';
import { memoryStreams } from './memoryStreams';

/** How a store in memory works. */
export interface MemoryStoreOptions {
  /** Tells the time for snapshots and `prune`; the async scheduler when left out. */
  readonly clock?: Clock;
  /** Which events are kept of a run: as for `lowdbStore`; `journaled` when left out. */
  readonly events?: KeptEvents;
}

/**
 * A store that forgets everything with the process; for tests, and for runs that need no more than `retry()`.
 *
 * Everything happens at once, so runs of synchronous agents stay synchronous. Values are checked and kept as JSON, exactly
 * as `lowdbStore` does.
 */
export function memoryStore(options: MemoryStoreOptions = {}): Store {
  const { clock = asyncScheduler, events = 'journaled' } = options;
  checkKeptEvents(events);
  const logs = new Map<string, ExecutionLog>();
  const snapshots = memorySnapshots(clock);
  const runs = new MemoryRuns(clock, events, (runId, more) => {
    if (more.snapshots === true) snapshots.forget(runId);
    if (more.logs === true)
      for (const logId of logs.keys()) if (runOfLog(logId) === runId) logs.delete(logId);
  });
  // A plain object, as every store: whoever wraps one spreads it.
  return {
    claim: (runId) => runs.claim(runId),
    loadRun: async (runId) => Promise.resolve(runs.load(runId)),
    listRuns: async (query) => Promise.resolve(runs.list(query)),
    deleteRun: async (runId, more = {}) => Promise.resolve(runs.delete(runId, more)),
    importRun: async (state, events) => {
      runs.import(state, events);
      return Promise.resolve();
    },
    prune: async (limits) => Promise.resolve(runs.prune(limits)),
    post: async (runId, message) => Promise.resolve(runs.post(runId, message)),
    request: (request) => progressOf((accepted) => runs.carryOut(request, accepted)),
    isServed: async () => Promise.resolve(runs.isServed),
    queue: runs.queue,
    attend: async (attendant) => Promise.resolve(runs.attend(attendant)),
    events: (runId, wanted) => runs.events(runId, wanted),
    changes: () => runs.changes(),
    snapshots,
    logs: {
      save: async (log) => {
        logs.set(log.logId, log);
        return Promise.resolve();
      },
      load: async (logId) => Promise.resolve(logs.get(logId)),
      list: async () => Promise.resolve([...logs.values()].map(summaryOfLog).sort(newestFirst)),
    },
    streams: memoryStreams(),
    signals: runs.signals,
    close: async () => Promise.resolve(),
  };
}

/** Runs that are forgotten with the process. */
class MemoryRuns {
  readonly #clock: Clock;
  readonly #runs = new Map<string, RunFold>();
  readonly #claimed = new Set<string>();
  readonly #inbox = memoryInbox();
  readonly #cache = memoryCache();
  readonly #attendants = new Set<Attendant>();
  /** Runs that wait to be begun. */
  readonly queue = new MemoryQueue(
    (runId) => this.#runs.has(runId),
    () => {
      queueMicrotask(() => {
        for (const attendant of this.#attendants) attendant.queued();
      });
    },
  );
  readonly signals: MemorySignals;
  readonly #events: KeptEvents;
  readonly #feed: MemoryFeed;

  readonly #forgetMore: (runId: string, more: Forgetting) => void;

  constructor(clock: Clock, events: KeptEvents, forgetMore: (runId: string, more: Forgetting) => void) {
    this.#clock = clock;
    this.#forgetMore = forgetMore;
    this.#events = events;
    this.signals = new MemorySignals(ids(clock), (runId, answer) => {
      const isHeard = canHear(this.#runs.get(runId)?.state()?.status);
      if (isHeard) this.#put(runId, answer);
      return isHeard;
    });
    this.#feed = new MemoryFeed({
      fold: (runId) => this.#runs.get(runId),
      isClaimed: (runId) => this.#claimed.has(runId),
    });
  }

  claim(runId: string): Claim {
    checkRunId(runId);
    if (this.#claimed.has(runId)) throw new RunActiveError(runId);
    this.#claimed.add(runId);
    let fold = this.#runs.get(runId);
    const state = fold?.state();
    const keepsEvents = this.#events !== 'none';
    const writeText = (text: string, type: RunEvent['type']): void => {
      if (fold === undefined)
        this.#runs.set(runId, (fold = runFold(runId, undefined, { log: undefined, keepsEvents })));
      fold.add(text, type);
      this.#feed.changed(runId);
    };
    const write = (event: RunEvent): void => {
      writeText(JSON.stringify(keepsEvents ? keptForm(event) : event), event.type);
    };
    return {
      state: state && stateCopy(state),
      checksValues: true,
      cache: this.#cache,
      append: write,
      note: write,
      ...(keepsEvents && {
        keep: (event: StepLogged | StepEmitted) => {
          if (event.type === 'step.emitted' && this.#events !== 'all') return;
          const text = sideText(event);
          if (text !== undefined) writeText(text, event.type);
        },
      }),
      inbox: (listener) => this.#inbox.listen(runId, listener),
      signals: this.signals,
      release: () => {
        this.#claimed.delete(runId);
        this.#feed.changed(runId);
        this.#tellRested(runId);
      },
    };
  }

  load(runId: string): RunStateRecord | undefined {
    checkRunId(runId);
    const state = this.#runs.get(runId)?.state();
    return state && stateCopy(state);
  }

  list(query: RunQuery | undefined): readonly RunSummary[] {
    return select(this.#summaries(), query);
  }

  delete(runId: string, more: Forgetting): boolean {
    checkRunId(runId);
    if (this.#claimed.has(runId)) throw new RunActiveError(runId);
    const wasQueued = this.queue.withdraw(runId);
    return this.#forget(runId, more) || wasQueued;
  }

  import(state: RunStateRecord, events?: readonly RunEvent[]): void {
    checkImport(state, events);
    const { runId } = state;
    if (this.#runs.has(runId) || this.#claimed.has(runId)) throw new RunExistsError(runId);
    const copy = copyOf(asStored(state));
    const keepsEvents = this.#events !== 'none';
    this.#runs.set(
      runId,
      runFold(runId, copy, { log: keepsEvents ? EventLog.since(copy, events) : undefined, keepsEvents }),
    );
    this.#feed.changed(runId);
    this.#forgetMessages(runId, undefined);
    this.#tellRested(runId);
  }

  prune(limits: PruneLimits): readonly string[] {
    const forgotten = prunable(this.#summaries(), limits, this.#clock.now());
    for (const runId of forgotten) this.#forget(runId, limits);
    return forgotten;
  }

  events(runId: string, wanted: EventsOptions | undefined): Observable<KeptEvent> {
    checkRunId(runId);
    return this.#feed.events(runId, checkedEvents(wanted));
  }

  changes(): Observable<RunChange> {
    return this.#feed.changes();
  }

  post(runId: string, message: RunMessage): RunMessage {
    checkRunId(runId);
    const meant = addressMessage(runId, this.#runs.get(runId)?.state(), message, this.#clock.now());
    this.#put(runId, meant);
    return meant;
  }

  #put(runId: string, message: RunMessage): void {
    this.#inbox.post(runId, message);
    queueMicrotask(() => {
      for (const attendant of this.#attendants) this.#tellPosted(attendant, runId);
    });
  }

  get isServed(): boolean {
    return this.#attendants.size > 0;
  }

  async carryOut(request: StoreRequest, accepted: () => void): Promise<Done> {
    switch (request.kind) {
      case 'resume':
        return resumeBy(
          this.#attendants,
          request.runId,
          accepted,
          () => new StoreNotServedError(actionOf(request), 'memory'),
        );
      case 'delete':
        return { stage: 'done', gone: this.delete(request.runId, request.more ?? {}) ? [request.runId] : [] };
      case 'prune':
        return Promise.resolve({ stage: 'done', gone: this.prune(request.limits) });
      case 'import':
        this.import(request.state, request.events);
        return Promise.resolve({ stage: 'done' });
    }
  }

  attend(attendant: Attendant): Attendance {
    this.#attendants.add(attendant);
    if (this.queue.count > 0)
      queueMicrotask(() => {
        if (this.#attendants.has(attendant)) attendant.queued();
      });
    queueMicrotask(() => {
      for (const runId of this.#inbox.runIds()) this.#tellPosted(attendant, runId);
    });
    return {
      messages: (runId) => this.#inbox.messages(runId),
      takeQueued: (now) => this.queue.take(now),
      queuedAt: () => this.queue.dueAt,
      signals: this.signals,
      leave: () => {
        this.#attendants.delete(attendant);
      },
    };
  }

  /** A run that is carried on has heard for itself. */
  #tellPosted(attendant: Attendant, runId: string): void {
    if (!this.#claimed.has(runId) && this.#attendants.has(attendant)) attendant.posted(runId);
  }

  #tellRested(runId: string): void {
    const state = this.#attendants.size === 0 ? undefined : this.#runs.get(runId)?.state();
    if (state === undefined) return;
    const summary = summaryOf(state);
    queueMicrotask(() => {
      for (const attendant of this.#attendants) attendant.rested(summary);
    });
  }

  /** A signal that the run has been given and has not used is there for others. */
  #forgetMessages(runId: string, forgotten: RunStateRecord | undefined): void {
    const messages = this.#inbox.messages(runId);
    this.#inbox.forget(runId);
    for (const message of messages) {
      if (message.kind !== 'answer') continue;
      const signal = signalIn(message);
      if (signal === undefined || hasTaken(forgotten?.steps.get(message.path), signal.signalId)) continue;
      this.signals.putBack(signal, () => undefined);
    }
  }

  #forget(runId: string, more: Forgetting): boolean {
    if (more.cache !== false) this.#cache.forget(runId);
    this.#forgetMore(runId, more);
    const state = this.#runs.get(runId)?.state();
    const was = this.#runs.delete(runId);
    if (was) this.#feed.changed(runId);
    this.#forgetMessages(runId, state);
    return was;
  }

  #summaries(): readonly { readonly run: RunSummary; readonly isResting: boolean }[] {
    return [...this.#runs].flatMap(([runId, run]) => {
      const state = run.state();
      return state === undefined ? [] : [{ run: summaryOf(state), isResting: !this.#claimed.has(runId) }];
    });
  }
}

/** Queued runs that are forgotten with the process. */
class MemoryQueue implements RunQueue {
  readonly #isKnown: (runId: string) => boolean;
  readonly #added: () => void;
  /** By the ids of the runs; `order` tells a run from one of the same id that was taken back before. */
  readonly #waiting = new Map<string, { readonly order: string; readonly text: string }>();
  readonly #backlog = new Backlog();
  #number = 0;

  constructor(isKnown: (runId: string) => boolean, added: () => void) {
    this.#isKnown = isKnown;
    this.#added = added;
  }

  get count(): number {
    return this.#waiting.size;
  }

  get dueAt(): number {
    return this.#backlog.dueAt;
  }

  async add(run: QueuedRun, maxBacklog: number): Promise<boolean> {
    const { runId, priority, dueAt } = run;
    checkRunId(runId);
    if (this.#waiting.has(runId) || this.#isKnown(runId)) return Promise.resolve(false);
    if (this.#waiting.size >= maxBacklog) return Promise.reject(new BacklogFullError(runId, maxBacklog));
    this.#number += 1;
    const order = String(this.#number).padStart(16, '0');
    this.#waiting.set(runId, { order, text: JSON.stringify(jsonValue(run, '')) });
    this.#backlog.add({ runId, priority, order, ...(dueAt !== undefined && { dueAt }) });
    this.#added();
    return Promise.resolve(true);
  }

  size(): Promise<number> {
    return Promise.resolve(this.#waiting.size);
  }

  remove(runId: string): Promise<boolean> {
    return Promise.resolve(this.withdraw(runId));
  }

  withdraw(runId: string): boolean {
    return this.#waiting.delete(runId);
  }

  take(now: number): QueuedTurn | undefined {
    const isWaiting = ({ runId, order }: Rank): boolean => this.#waiting.get(runId)?.order === order;
    let rank = this.#backlog.take(now);
    while (rank !== undefined && !isWaiting(rank)) rank = this.#backlog.take(now);
    if (rank === undefined) return undefined;
    const taken = rank;
    const { runId } = rank;
    return {
      runId,
      load: () => {
        const text = isWaiting(taken) ? this.#waiting.get(runId)?.text : undefined;
        return Promise.resolve(text === undefined ? undefined : (JSON.parse(text) as QueuedRun));
      },
      done: () => isWaiting(taken) && this.#waiting.delete(runId),
      back: () => {
        this.#backlog.add(taken);
      },
    };
  }
}

/** The state as it would be read back from a file. */
function copyOf(state: RunStateRecord): RunStateRecord {
  const copy = RunState.decode(JSON.parse(JSON.stringify(RunState.encode(state))));
  if (isLeft(copy)) {
    throw new InvalidArgumentError(
      `Cannot put in run "${state.runId}": it is no state of a run`,
      'give a state from loadRun() or a snapshot',
    );
  }
  return copy.right;
}

/** Messages that are forgotten with the process. */
export interface MemoryInbox {
  post(runId: string, message: RunMessage): void;
  /** The runs for which something waits. */
  runIds(): readonly string[];
  /** What waits for a run, oldest first. */
  messages(runId: string): readonly RunMessage[];
  /** Drops what waits for a run. */
  forget(runId: string): void;
  listen(runId: string, listener: (message: ReceivedMessage) => void): () => void;
}

function memoryInbox(): MemoryInbox {
  const waiting = new Map<string, Set<RunMessage>>();
  const listeners = new Map<string, (message: ReceivedMessage) => void>();
  const received = (runId: string, message: RunMessage): ReceivedMessage => ({
    ...message,
    done() {
      const messages = waiting.get(runId);
      messages?.delete(message);
      if (messages?.size === 0) waiting.delete(runId);
    },
  });
  return {
    post(runId, message) {
      const kept = JSON.parse(JSON.stringify(jsonValue(message, ''))) as RunMessage;
      const messages = waiting.get(runId) ?? new Set();
      waiting.set(runId, messages.add(kept));
      listeners.get(runId)?.(received(runId, kept));
    },
    runIds: () => [...waiting].flatMap(([runId, messages]) => (messages.size > 0 ? [runId] : [])),
    messages: (runId) => [...(waiting.get(runId) ?? [])],
    forget: (runId) => {
      waiting.delete(runId);
    },
    listen(runId, listener) {
      listeners.set(runId, listener);
      for (const message of [...(waiting.get(runId) ?? [])]) listener(received(runId, message));
      return () => {
        if (listeners.get(runId) === listener) listeners.delete(runId);
      };
    },
  };
}

/** Snapshots that are forgotten with the process. */
function memorySnapshots(clock: Clock): SnapshotStore & { forget(runId: string): void } {
  const snapshots = new Map<string, SnapshotText>();
  const nextId = ids(clock);
  return {
    async save(name, state, metadata = {}) {
      const text = captureSnapshot(nextId(), clock.now(), name, state, metadata);
      const snapshot = snapshotOf(text);
      snapshots.set(text.summary.snapshotId, text);
      return Promise.resolve(snapshot);
    },
    async load(snapshotId) {
      checkSnapshotId(snapshotId);
      const text = snapshots.get(snapshotId);
      return text === undefined
        ? Promise.reject(new UnknownSnapshotError(snapshotId))
        : Promise.resolve(snapshotOf(text));
    },
    async delete(snapshotId) {
      checkSnapshotId(snapshotId);
      return Promise.resolve(snapshots.delete(snapshotId));
    },
    forget(runId) {
      for (const [snapshotId, { summary }] of snapshots)
        if (summary.runId === runId) snapshots.delete(snapshotId);
    },
    list: async () => Promise.resolve([...snapshots.values()].map(({ summary }) => summary).reverse()),
  };
}
