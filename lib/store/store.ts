import type { Observable } from 'rxjs';

import type { RunEvent, StepEmitted, StepLogged } from '../model/event';
import type { MillraceError } from '../model/failure';
import type { LogRest } from '../model/executionLog';
import type { RunMessage } from '../model/message';
import type { Snapshot, SnapshotMetadata, SnapshotSummary } from '../model/snapshot';
import type { RunState, RunStatus } from '../model/state';
import type { Usage } from '../model/usage';
import type { AnswerCache } from './answerCache';
import type { SignalBox, SignalRest } from './signalRest';
import type { StreamRest } from './streamRest';

/**
 * Where runs rest: what people ask of a store, and what an engine asks of it.
 *
 * One process writes at a time; anybody may read. What changes runs is done at once where nobody else writes; otherwise it is asked
 * of the process that does, which does it if it serves the runs (`serve()`).
 */
export interface Store extends RunRest {
  /** The folder that it is in, as the command line takes it; absent where it is in none. */
  readonly folder?: string;
  /** The state of a run, also while it is under way; undefined for an unknown id. */
  loadRun(runId: string): Promise<RunState | undefined>;
  /** One line a run, newest first. */
  listRuns(query?: RunQuery): Promise<readonly RunSummary[]>;
  /**
   * Forgets a run, what was posted to it, and the answers that it has left in the cache; false when there was none. Snapshots and
   * execution logs stay, unless they are asked for: then also those of a run that has gone already.
   *
   * @throws RunActiveError when the run is under way.
   * @throws StoreNotServedError when another process writes to the store and does not serve its runs.
   */
  deleteRun(runId: string, more?: Forgetting): Promise<boolean>;
  /**
   * Puts in a run as it stands, such as a fork, or a run that begins with a snapshot. It can be resumed then. What was posted
   * to an earlier run of this id is forgotten. With the same `incarnation` it is the same run that has moved.
   *
   * @param events - All events that led to the state, where they are known; the run then keeps them instead of beginning with how it
   * stands. They are not checked against the state: `importRun()` of `millrace/store` does that.
   * @throws RunExistsError when its id is taken.
   * @throws StateValueError when a value of the state is no plain JSON.
   * @throws StoreNotServedError
   */
  importRun(state: RunState, events?: readonly RunEvent[]): Promise<void>;
  /**
   * Forgets runs that completed, failed or were cancelled, as `deleteRun` does: those that are not among the newest `keep` and
   * ended more than `olderThanMs` ago. Returns their ids.
   *
   * @throws InvalidArgumentError when a limit is negative or NaN.
   * @throws StoreNotServedError
   */
  prune(limits: PruneLimits): Promise<readonly string[]>;
  /**
   * Leaves a message for whoever carries on the run, now or later, in this process or another one. Takes no lock. Returns the
   * message with the names of what it is meant for; for anything else it is void, so that it can never reach another run
   * or question.
   *
   * Refuses at once what can never be heard; `addressMessage()` knows.
   *
   * @throws UnknownRunError when there is no such run.
   * @throws RunEndedError, UnknownStepError, NotWaitingError
   */
  post(runId: string, message: RunMessage): Promise<RunMessage>;
  /**
   * Asks that something is done with runs, of whoever serves them; only `resume` needs somebody who does, see above. Cold: tells
   * `accepted`, and `done` when it is, or errors with why not, within five seconds unless it was accepted. Leaving takes back
   * what has not been accepted.
   *
   * @throws StoreNotServedError (in the stream) when nobody serves.
   * @throws UnknownRunError, RunActiveError, RunExistsError, AgentNotServedError, DefinitionMismatchError (in the stream)
   */
  request(request: StoreRequest): Observable<RequestProgress>;
  /** Whether somebody serves the runs of this store now, in this process or another one. */
  isServed(): Promise<boolean>;
  /** Runs that wait to be begun by whoever serves. */
  readonly queue: RunQueue;
  /**
   * Tells whoever serves the runs of this store what may have to be carried on. Opens the store for writing.
   *
   * @throws StoreLockedError when another process writes to the store.
   */
  attend(attendant: Attendant): Promise<Attendance>;
  /**
   * The events that are kept of a run, in order: those so far, and those to come while a life is under way, in this process or
   * another one. Completes after the newest event when nothing is under way, else at the end of that life. Folded with
   * `reduceRun` they give what `loadRun` gives.
   *
   * Cold. What comes while a life is under way may be ahead of the disk: a power loss can take back the latest events.
   *
   * @throws UnknownRunError when there is no such run.
   * @throws EventsNotKeptError when none are kept of it.
   */
  events(runId: string, options?: EventsOptions): Observable<KeptEvent>;
  /**
   * How runs stand whenever they have changed, in this process or another one, and which are gone; only what changes from now
   * on. Of changes that follow each other closely only the latest is told. Never completes.
   */
  changes(): Observable<RunChange>;
  /** Where snapshots rest. */
  readonly snapshots: SnapshotStore;
  /** Where execution logs rest; `executionHistory(store.logs)` keeps them. */
  readonly logs: LogRest;
  /** Where streams rest that remember. */
  readonly streams: StreamRest;
  /** What has happened outside and no run has taken yet. */
  readonly signals: SignalRest;
  /** Waits for everything that is being written, and lets the next writer in. */
  close(): Promise<void>;
}

/** An event that is kept. */
export interface KeptEvent {
  /** Counts the kept events of a run from 1, without gaps. */
  readonly offset: number;
  /** What happened, whole. */
  readonly event: RunEvent;
}

/** Which events of a run are wanted. */
export interface EventsOptions {
  /** Only events with a larger `offset`; all when left out. */
  readonly after?: number;
  /** Goes on with the lives to come, until the run is forgotten. */
  readonly live?: boolean;
}

/** How a run stands now, or the id of one that has been forgotten. */
export type RunChange = RunSummary | { readonly gone: string };

/** Which events of its runs a store keeps: those that make up the state and the log lines, the partial results too, or none. */
export type KeptEvents = 'journaled' | 'all' | 'none';

/** What an engine asks of a store: the right to carry on one run. */
export interface RunRest {
  /**
   * Reserves a run for one life. When its previous life is just ending, waits for that end.
   *
   * Answers at once, not through a Promise, where the store can: then a run needs no turn of the event loop.
   *
   * @throws RunActiveError when somebody else in this process carries the run on.
   * @throws StoreLockedError when another process writes to the store.
   */
  claim(runId: string): Claim | Promise<Claim>;
}

/** The right to write down one life of one run. */
export interface Claim {
  /** What is known of the run; undefined for a new one. Outputs are in their stored form. */
  readonly state: RunState | undefined;
  /** Whether values must survive JSON unchanged to be kept here. */
  readonly checksValues: boolean;
  /** Nobody can leave a message for the run, because it has no store. */
  readonly isUnreachable?: true;
  /** Where answers rest that other runs may use; absent where nothing is kept beyond the run. */
  readonly cache?: AnswerCache;
  /**
   * Writes an event down. Returns nothing when it is as durable as the store promises, or a Promise of that.
   * Calls are in the order of `seq`; later events may be appended before earlier ones are durable.
   */
  append(event: RunEvent): void | Promise<void>;
  /**
   * Writes an event down without waiting for the disk: it survives the process, maybe not a power loss.
   * Used for what only says that something is about to happen.
   */
  note(event: RunEvent): void;
  /**
   * Keeps what is no part of the state, for those who read the events of the run: a line of the log, a partial result. Absent
   * where none are kept.
   */
  keep?(event: StepLogged | StepEmitted): void;
  /**
   * Hears the messages left for this run: those that wait at once, later ones as they come. Returns how to stop hearing.
   *
   * A message is told again in every life until it is done with.
   */
  inbox(listener: (message: ReceivedMessage) => void): () => void;
  /** Signals for runs that wait for one; absent where nobody can give any. */
  readonly signals?: SignalBox;
  /**
   * Ends the claim. `state` tells how the run stands after everything appended, to who needs it. Returns when the run can be
   * claimed again.
   */
  release(state: (() => RunState | undefined) | undefined): void | Promise<void>;
}

/** Whoever serves the runs of a store: hears what may have to be carried on. Nothing is told from within a call to the store. */
export interface Attendant {
  /** A message waits for a run that nobody carries on. Told once a message, those that were there before too. */
  posted(runId: string): void;
  /** A run has come to rest: its life has ended, or it was put in. */
  rested(run: RunSummary): void;
  /** Messages cannot be looked for now; it is tried again. Told once until it works. */
  troubled(error: Error): void;
  /** Runs wait in the queue that did not before. */
  queued(): void;
  /**
   * Somebody asks for a run to be resumed, however it ended. Calls `accepted` when it will be; resolves with how it comes to rest.
   * Rejects with why it cannot be.
   */
  resume(runId: string, accepted: () => void): Promise<RunSummary>;
}

/** The ear of an attendant. */
export interface Attendance {
  /** What waits for a run, oldest first. What cannot be read is left out: the run hears of it when it is carried on. */
  messages(runId: string): Iterable<RunMessage>;
  /**
   * Takes the run out of the queue that begins next: of those that are due the one with the highest priority, of these the
   * oldest. Undefined when none is due.
   *
   * @param now - Epoch milliseconds.
   */
  takeQueued(now: number): QueuedTurn | undefined;
  /** When the first delayed run of the queue is due, epoch milliseconds; Infinity when none is. */
  queuedAt(): number;
  /** The signals of the store. */
  readonly signals: SignalBox;
  /** Hears nothing more. */
  leave(): void;
}

/** A run of the queue whose turn it is. */
export interface QueuedTurn {
  /** The id that the run will have. */
  readonly runId: string;
  /** All that is known of it; undefined when it has been taken back. */
  load(): Promise<QueuedRun | undefined>;
  /**
   * Takes it out of the queue for good: it has begun, or is known already. False when it was taken back since it was loaded: one that has
   * begun is cancelled then.
   */
  done(): boolean;
  /** Puts it back: it does not begin now. */
  back(): void;
}

/** Runs that wait to be begun by whoever serves. Anybody may add one; takes no lock. */
export interface RunQueue {
  /**
   * Adds a run, on the disk where that was promised; false when its id is queued already, or that of a run. A run of this id that the
   * store does not see at once keeps the new one from beginning.
   *
   * @param maxBacklog - How many runs may wait, this one included.
   * @throws BacklogFullError
   */
  add(run: QueuedRun, maxBacklog: number): Promise<boolean>;
  /** How many runs wait. */
  size(): Promise<number>;
  /** Takes a run back that has not begun; false when it does not wait. */
  remove(runId: string): Promise<boolean>;
}

/** A run that is to be begun. */
export interface QueuedRun {
  /** The id that the run will have. */
  readonly runId: string;
  /** Name of its agent. */
  readonly name: string;
  /** Plain JSON. */
  readonly input?: unknown;
  /** Larger is earlier. */
  readonly priority: number;
  /** Epoch milliseconds before which it does not begin. */
  readonly dueAt?: number;
  /** What it is listed under. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** What can be asked of whoever serves the runs of a store. */
export type StoreRequest =
  /** Goes on with a run, however it ended. */
  | { readonly kind: 'resume'; readonly runId: string }
  | { readonly kind: 'delete'; readonly runId: string; readonly more?: Forgetting }
  | { readonly kind: 'prune'; readonly limits: PruneLimits }
  | { readonly kind: 'import'; readonly state: RunState; readonly events?: readonly RunEvent[] };

/** What has become of a request. */
export type RequestProgress =
  | { readonly stage: 'accepted' }
  /** `run`: how a run that was resumed has come to rest. `gone`: the runs that were forgotten. */
  | { readonly stage: 'done'; readonly run?: RunSummary; readonly gone?: readonly string[] };

/** Which runs to list. */
export interface RunQuery {
  /** Name of the agent that was run. */
  readonly name?: string;
  /** How the run stands. */
  readonly status?: RunStatus | readonly RunStatus[];
  /** Only runs that started at this moment or later, epoch milliseconds. */
  readonly since?: number;
  /** Only runs in which this step failed. */
  readonly failedStep?: string;
  /** Only runs with all of these tags. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Only runs of which a wait ends before this moment, epoch milliseconds. */
  readonly dueBefore?: number;
  /** Only runs with this text in their id, name, failed step, error or tags, in upper or lower case. */
  readonly text?: string;
  /** Only runs that nobody carries on now, as far as can be seen. */
  readonly isResting?: boolean;
  /** At most so many. */
  readonly limit?: number;
  /**
   * Hears of each run that cannot be read, and the list goes on without it; when left out, the list is refused. A run at rest is listed
   * by its line: whether its file can be read is only known when it is loaded.
   */
  readonly onDamaged?: (runId: string, error: MillraceError) => void;
}

/** One line about a run. */
export interface RunSummary {
  /** The id of the run. */
  readonly runId: string;
  readonly name: string;
  /** How the run stands. */
  readonly status: RunStatus;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Epoch milliseconds; absent while nobody knows of an end. */
  readonly endedAt?: number;
  /** How often the run was begun or resumed. */
  readonly life: number;
  /** Path of the step whose failure ended the run, or of the undoing that failed in one that was cancelled. */
  readonly failedStep?: string;
  /** What its steps have reported to have used, over all lives. */
  readonly used?: Usage;
  /** Why the latest life was cut short, such as `drain`; absent when nobody said. */
  readonly reason?: string;
  /** How many of its steps have ended, completed or skipped, how many have failed, and how many there are; absent in lists of earlier versions. */
  readonly steps?: { readonly done: number; readonly failed: number; readonly total: number };
  /** When the first of its waits ends, epoch milliseconds: a deadline, a time limit, or a sleep. */
  readonly dueAt?: number;
  /** Where it was forked from, if it was. */
  readonly forkedFrom?: { readonly runId: string; readonly path: string };
  /** Name and message of the error that ended its latest life, at most 200 characters, without what looks like a secret. */
  readonly error?: string;
  /** What it is found by besides. */
  readonly tags?: Readonly<Record<string, string>>;
  /** The questions that are open, in the order of the steps. */
  readonly waiting: readonly OpenQuestion[];
}

/** A question that a run waits to be answered. */
export interface OpenQuestion {
  /** Of the step that asks. */
  readonly path: string;
  /** The id of the question: give it to `answer()`, so that the answer reaches no other. */
  readonly asking: string;
  /** Epoch milliseconds after which an answer is not waited for any longer: its deadline, or the end of a time limit around it. */
  readonly dueAt?: number;
  /** The name of the signals that may answer it; absent where somebody is asked. */
  readonly signal?: string;
}

/** What goes with a run that is forgotten. */
export interface Forgetting {
  /** Answers that it has left in the cache for other runs; true when left out. */
  readonly cache?: boolean;
  /** Snapshots of it; false when left out. */
  readonly snapshots?: boolean;
  /** Execution logs that `record` has written of it, by their ids: `<runId>`, `<runId>#2` …; false when left out. */
  readonly logs?: boolean;
}

/** Which runs to forget, and what goes with them. */
export interface PruneLimits extends Forgetting {
  /** How many of the newest runs stay in any case; 0 when left out. */
  readonly keep?: number;
  /** How long ago a run must have ended, in milliseconds; 0 when left out. */
  readonly olderThanMs?: number;
}

/** A message that has come, or a file in its place that cannot be read. */
export type ReceivedMessage = (RunMessage | { readonly kind: 'damaged'; readonly error: Error }) & {
  /** Forgets the message: it has been used, or never can be. A damaged one stays for inspection. */
  done(): void;
};

/** Named copies of how runs stood, or of plain objects. */
export interface SnapshotStore {
  /**
   * Captures the state at once; resolves when the snapshot is written.
   *
   * @param state - How a run stands, or a plain object of your own, such as `{ step: 'processing', progress: 60 }`: that comes
   * back as it is, and no run can be restored from it.
   * @throws InvalidArgumentError when the name is no text, or the state no object.
   * @throws StateValueError when a value of the state, as in a run without a store, or the metadata is no plain JSON.
   */
  save(name: string, state: RunState | object, metadata?: SnapshotMetadata): Promise<Snapshot>;
  /** A snapshot by its id. @throws UnknownSnapshotError */
  load(snapshotId: string): Promise<Snapshot>;
  /** False when there was none. */
  delete(snapshotId: string): Promise<boolean>;
  /** Newest first, without bodies. One that cannot be read is left out and named in a process warning. */
  list(): Promise<readonly SnapshotSummary[]>;
}
