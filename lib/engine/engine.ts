import type { Observable } from 'rxjs';

import type { Decided } from '../definition/scope';
import type { Agent, LimitPolicy } from '../model/agentType';
import type { LogLevel, RunEvent, Transition } from '../model/event';
import type { GivenBy } from '../model/givenBy';
import type { RunState } from '../model/state';
import type { RowPlace, StepTable } from '../model/stepTable';
import type { Pull, PullReceiver, Stop } from '../streams/pull';
import type { LeaveCall, StepTask } from './task';

/**
 * Where a run is carried out: everything that takes time, touches the world or must be remembered.
 *
 * The interpreter of a run is a synchronous machine: it has no timers and no promises of its own, asks these questions,
 * and reacts to the answers one at a time. So the same definitions run in this process and on a distributed engine, which
 * replays the answers in the order in which they were given.
 */
export interface Engine {
  /** Which run this is; questions bear it. Undefined for runs that an earlier version began, and where nothing is kept. */
  readonly incarnation?: string | undefined;
  /** Epoch milliseconds. */
  now(): number;
  /** Milliseconds of a clock that never jumps; only differences mean anything. */
  elapsed(): number;
  /**
   * Writes an event down and tells it; `then` is called once the event is as durable as was asked for. `stored` replaces
   * the event in what is written, where the live value has another form than the saved one. `place` is where the row of the
   * event's step stands, for an engine that reduces events.
   */
  record(event: RunEvent, then: () => void, stored?: RunEvent, place?: RowPlace): void;
  /** Writes an event down and tells it, without waiting for the disk. */
  note(event: RunEvent, place?: RowPlace): void;
  /** Tells an event that is not written down. */
  tell(event: RunEvent): void;
  /** Settles once whoever reads the run one event at a time wants the next; undefined where nobody has to be waited for. */
  demand?(): Promise<void> | undefined;
  /** The steps as they stand now, for what is asked again within one life. */
  steps(): StepTable;
  /**
   * The shared state of the composite at this path, the empty one for the run, after everything that was written down; undefined where
   * there is none. Absent where nothing is shared.
   */
  shared?(of: string): unknown;
  /**
   * The form in which this engine keeps a value.
   *
   * @throws StateValueError when it cannot be kept.
   */
  keep(value: unknown, path: string): unknown;
  /** A short text that equal inputs share; undefined when this engine does not compare inputs. */
  hash(value: unknown): string | undefined;
  /** Calls the function of a task's agent once, with an accepted input. Returns how to stop it. */
  call(task: StepTask, input: unknown, callbacks: CallCallbacks): Stop | undefined;
  /**
   * Lets a step in that is limited: `enter` is called when there is room, maybe from within this call. What comes back
   * gives the room to the next one, or gives up waiting. Without it nothing is limited. Where the limit's `key` fails, that
   * is thrown, or handed to `enter`.
   *
   * @param isBack - It has been let in before, and goes on: no call of it begins.
   */
  admit?(limit: LimitPolicy, task: StepTask, enter: (failed?: KeyFailed) => void, isBack?: boolean): Stop;
  /**
   * Looks for the answer that an earlier call with the same input gave. An engine without it remembers no answers. Where the
   * `key` of the policy fails, that is thrown, or handed to `answer`.
   *
   * What comes back is called when the step is not answered after all; undefined where nobody else waits for that.
   */
  recall?(task: StepTask, callbacks: RecallCallbacks): LeaveCall | undefined;
  /** Keeps the answer of a step for those who ask the same. */
  memorize?(task: StepTask, known: KnownAnswer): void;
  /** What this step has done is being undone: nobody may use its answer from now on. */
  forget?(path: string, revision: number): void;
  /** Calls a function of the user's whose result decides how the run goes on. An engine that replays calls it once for a question. */
  decide<T>(path: string, question: string, decision: () => T, answer: (decided: Decided<T>) => void): void;
  /** Waits, for any length of time. */
  sleep(path: string, delayMs: number, wake: () => void): Stop;
  /**
   * Waits for an answer from outside, and goes on listening until stopped. `done` forgets an answer that has been used, or
   * never can be; one that is not done with is told again in the next life.
   */
  signal(path: string, answered: (value: unknown, done?: () => void, given?: Given) => void): Stop;
  /**
   * Offers the signals of a name to a step that waits, also later, until stopped. One that it takes is posted to it as an answer;
   * `lost` tells that somebody else has got it. Absent where there are no signals.
   */
  hearSignals?(path: string, name: string, takes: (value: unknown) => boolean, lost: () => void): Stop;
  /** Paths of answers from outside for which no step listens. */
  unheard?(): readonly string[];
  /** Whether no answer can ever come from outside. */
  readonly isUnreachable?: boolean;
  /**
   * Calls back when functions have done all that they can do without waiting for time or for the world. Absent where a run is
   * replayed: what functions do between two entries of the journal is not in it.
   */
  settle?(then: () => void): Stop;
  /** Takes items from a stream. Absent where a run is replayed: no item can be had twice. */
  pull?(source: object, receiver: PullReceiver): Pull;
}

/** How an answer from outside was given. */
export interface Given {
  /** When, epoch milliseconds. */
  readonly at?: number | undefined;
  /** The id of the signal that it was made of. */
  readonly signalId?: string | undefined;
}

/** What the function threw that gives the key of a limit or of a cache. */
export interface KeyFailed {
  readonly error: unknown;
}

/** How a step hears of an answer that it could use. */
export interface RecallCallbacks {
  /** Called once. Without a known answer the step calls its agent. */
  readonly answer: (known: KnownAnswer | undefined, failed?: KeyFailed) => void;
  /** Another step is making the same call, and `answer` comes after it: a step of the same run, or of another one. */
  readonly waits: (isWithinRun: boolean) => void;
}

/** The answer of a step in its stored form. */
export interface KnownAnswer {
  readonly output: unknown;
  readonly givenBy?: GivenBy;
  /** Partial results, where another step reads them live. */
  readonly kept?: readonly unknown[];
}

/** What may come back while a function is called; `done` or `fail` is the last of it. */
export interface CallCallbacks {
  /** A partial result. Where a Promise comes back, the next one is only asked for after it has settled. */
  emit(task: StepTask, value: unknown): void | Promise<void>;
  log(task: StepTask, level: LogLevel, message: string, data?: object | (() => object)): void;
  /** A nested durable step, asked for by the function that is called. */
  step<I, O>(task: StepTask, id: string, agent: Agent<I, O>, input: I): Observable<O>;
  /** The state that the step shares with others; undefined where there is none. Absent where nothing is shared. */
  shared?(task: StepTask): unknown;
  /** Changes it, once the attempt has given its output. */
  update?(task: StepTask, change: unknown): void;
  /** Whether anybody still wants what the call gives. */
  isWanted?(task: StepTask): boolean;
  done(task: StepTask, output: unknown): void;
  fail(task: StepTask, error: unknown): void;
}

/**
 * Where whole runs are carried out, instead of in this process: what `run()`, `answer()`, `cancel()` and `fork()` turn to
 * when they are given an engine.
 */
export interface RunEngine {
  /** Behaves as `run()` says: cold, transitions in order, a `RunError` after `run.failed`. */
  run<O>(request: RunRequest<O>): Observable<Transition<O>>;
  /**
   * Answers an approval that a run waits at; the run goes on by itself, watched or not.
   *
   * @throws UnknownRunError
   */
  answer(runId: string, path: string, value: unknown, request?: AnswerRequest): Promise<void>;
  /**
   * Cancels a run that is under way, or waits for an answer: sagas undo what they have done, and its agents see an aborted
   * signal.
   *
   * @throws UnknownRunError
   * @throws RunEndedError when the run has ended.
   */
  cancel(runId: string, request?: CancelRequest): Promise<void>;
  /**
   * Makes a new run that reuses what another one has done, and begins it. Returns its id.
   *
   * @throws UnknownRunError, UnknownStepError
   * @throws RunExistsError when the new id is taken.
   */
  fork(runId: string, request?: ForkRequest): Promise<string>;
  /**
   * Begins a run that stands as this state says. Absent where an engine cannot.
   *
   * @throws RunExistsError when its id is taken.
   * @throws DefinitionMismatchError when the agent that is given is no longer the one of the state.
   */
  begin?(state: RunState, request?: RunHint): Promise<void>;
  /**
   * Hands a run over without waiting for it. Absent where an engine cannot.
   *
   * @throws InvalidArgumentError for what the engine does not have, by name.
   */
  submit?<I>(
    agent: Agent<I, unknown>,
    input: unknown,
    request: SubmitRequest & { readonly runId: string },
  ): Promise<{ readonly became: 'queued' | 'known' }>;
}

/** When a run that is handed over begins. */
export interface SubmitRequest {
  /** Names the run: the same name is the same run. A new ULID when left out. */
  readonly runId?: string;
  /** Larger is earlier; 0 when left out. */
  readonly priority?: number;
  /** How long it waits at least, in milliseconds. */
  readonly delayMs?: number;
  /** What it is listed under. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** What an engine may be told about a run that is named by its id alone. */
export interface RunHint {
  /** The agent of the run: spares the engine looking for it. */
  readonly agent?: Agent<never, unknown>;
}

/** Which question is answered. */
export interface AnswerRequest extends RunHint {
  /** Id of the asking that is meant; the one that is open when left out. */
  readonly asking?: string;
}

/** Why a run is cancelled. */
export interface CancelRequest extends RunHint {
  readonly reason?: string;
}

/** Where a run is forked. */
export interface ForkRequest extends RunHint {
  /**
   * Path of a step that runs again, such as `write` or `pages[3]/ocr`, with all that was made from it. Steps that failed run
   * again in any case; when left out, only they do.
   */
  readonly from?: string;
  /** What the steps that run again see as the input of the run; the same input when left out. */
  readonly input?: unknown;
  /** The id of the new run; a new ULID when left out. */
  readonly runId?: string;
}

/** One run to carry out. */
export interface RunRequest<out O> {
  readonly runId: string;
  readonly agent: Agent<never, O>;
  readonly input: unknown;
  readonly onMismatch: 'refuse' | 'actual';
  /** Only a run that the engine knows is gone on with; its input is the one it began with. */
  readonly mustExist?: boolean;
  /** Aborting it cancels the run on request: sagas undo what they have done. */
  readonly signal?: AbortSignal | undefined;
}
