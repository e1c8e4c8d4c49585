import type { InvocationId, RestatePromise, WorkflowContext } from '@restatedev/restate-sdk';
import { CancelledError } from '@restatedev/restate-sdk';

import { jsonValue } from '../../../lib/codec/jsonValue';
import { validate } from '../../../lib/codec/validate';
import type { Decided } from '../../../lib/definition/scope';
import type {
  CallCallbacks,
  Engine,
  KeyFailed,
  KnownAnswer,
  RecallCallbacks,
} from '../../../lib/engine/engine';
import { hashOfInput } from '../../../lib/engine/local/cachedAnswers';
import type { LeaveCall, StepTask } from '../../../lib/engine/task';
import { StepError } from '../../../lib/errors/stepErrors';
import type { LimitPolicy } from '../../../lib/model/agentType';
import { bail } from '../../../lib/model/bail';
import type { RunEvent } from '../../../lib/model/event';
import type { Failure } from '../../../lib/model/failure';
import { reduceRunAll } from '../../../lib/model/reduce';
import type { RunState } from '../../../lib/model/state';
import type { StepResult } from '../../../lib/model/stepResult';
import type { StepTable } from '../../../lib/model/stepTable';
import type { AnswerCache } from '../../../lib/store/answerCache';
import type { Stop } from '../../../lib/streams/pull';
import { isStream } from '../../../lib/streams/pull';
import type { CallResult, GivenAnswer, NestedResult, SideEvent } from '../protocol/protocol';
import { toWire } from '../protocol/wireEvent';
import { recordedFailure } from '../protocol/wireFailure';
import { LARGEST_OUTPUT, MANY_STEPS, MOST_STEPS } from '../protocol/wireLimits';
import { StepStoppedError, TooManyStepsError } from '../restateErrors';
import { Inbox } from './inbox';
import { withNestedEvents } from './nestedRows';
import { PendingOps } from './pendingOps';
import type { SharedPolicies } from './sharedPolicies';
import { sharedPolicies } from './sharedPolicies';
import { withEmit } from './withEmit';

/** How the function of a task is called: in this process, or as an invocation of its own. */
export interface Placed {
  /** The answer, as the journal will give it. */
  readonly result: RestatePromise<CallResult>;
  readonly stop: Stop;
  /** How to feed partial results that were recorded to those who read them live, when the call is not made again. */
  readonly replay?: (result: CallResult) => void;
}

/** What a life begins with, and what it needs of its worker. */
export interface DurableEngineOptions {
  readonly context: WorkflowContext;
  readonly state: RunState;
  /** Epoch milliseconds at which the life begins. */
  readonly at: number;
  readonly answers: readonly GivenAnswer[];
  /** What other runs have left behind for steps that ask the same. */
  readonly cache: AnswerCache;
  readonly place: (task: StepTask, input: unknown, callbacks: CallCallbacks) => Placed;
  /** The life has called so many agents that another one had better go on. */
  readonly hasMany: () => void;
}

/**
 * Answers the questions of the interpreter from the journal, one at a time and in journaled order. Time is what the
 * journal says: it stands still between two answers, and a replay sees the same.
 */
export class DurableEngine implements Engine {
  /** Everything told so far, in order. */
  readonly events: readonly RunEvent[];
  /** Which run this is; questions bear it. */
  readonly incarnation: string | undefined;
  readonly #context: WorkflowContext;
  readonly #runId: string;
  readonly #place: DurableEngineOptions['place'];
  readonly #hasMany: () => void;
  readonly #log: EventLog;
  readonly #pending = new PendingOps();
  readonly #inbox: Inbox;
  readonly #shared: SharedPolicies;
  readonly #abandoned: Promise<InvocationId>[] = [];
  readonly #sleeps = new Set<Sleep>();
  #clock: number;
  #steps = 0;
  /** Calls of which the journal has no result. */
  #open = 0;
  #told = 0;
  #isFeeding = false;
  #isCancelled = false;
  #feeding: CallCallbacks | undefined;

  constructor({ context, state, at, answers, cache, place, hasMany }: DurableEngineOptions) {
    this.#context = context;
    this.#runId = state.runId;
    this.incarnation = state.incarnation;
    this.#place = place;
    this.#hasMany = hasMany;
    this.#clock = at;
    this.#log = new EventLog(state);
    this.events = this.#log.events;
    this.#inbox = new Inbox(context, answers, this.#pending, {
      incarnation: state.incarnation,
      step: (path) => this.steps().get(path),
      warn: (message) => {
        this.tell(this.#warning(message));
      },
    });
    this.#shared = sharedPolicies({ context, cache, now: () => this.#clock, pending: this.#pending });
  }

  now(): number {
    return this.#clock;
  }

  elapsed(): number {
    return this.#clock;
  }

  record(event: RunEvent, then: () => void, stored: RunEvent = event): void {
    this.#log.add(stored);
    then();
  }

  note(event: RunEvent): void {
    this.#log.add(event);
  }

  tell(event: RunEvent): void {
    // A call tells its partial results itself, beside the journal; here they only go to those who read them live.
    if (this.#isFeeding && event.type === 'step.emitted') return;
    const told = toWire(event);
    if (told !== undefined) this.#log.add(told);
  }

  steps(): StepTable {
    return this.#log.state().steps;
  }

  /** The steps below this one that had begun before this life, as they stand now. */
  stepsBelow(path: string): readonly StepResult[] {
    if (!this.#log.hadBegunBelow(path)) return [];
    return [...this.steps()].filter(({ stepId }) => stepId.startsWith(`${path}/`));
  }

  /** How the run stands after everything told so far, with what was told of nested steps beside the journal. */
  stateWith(nested: readonly SideEvent[]): RunState {
    const state = this.state();
    return nested.length === 0 ? state : { ...state, steps: this.#log.stepsWith(nested) };
  }

  keep(value: unknown, path: string): unknown {
    // What a function gives was checked where it was called.
    return jsonValue(value, path, { bytes: LARGEST_OUTPUT });
  }

  hash(value: unknown): string | undefined {
    return isStream(value) ? undefined : hashOfInput(value, (hash) => this.#log.hadHash(hash));
  }

  call(task: StepTask, input: unknown, callbacks: CallCallbacks): Stop {
    this.#steps += 1;
    if (this.#steps > MOST_STEPS) throw new TooManyStepsError(this.#runId, MOST_STEPS);
    if (this.#steps % MANY_STEPS === 0) this.#hasMany();
    this.#open += 1;
    const { result, stop, replay } = this.#place(task, input, this.#feedingOf(callbacks));
    const forget = this.#pending.await(result, (value, failure) => {
      // With a life the server cancels its calls. Where sagas undo meanwhile, the step counts as under way until that is done.
      if (this.#isCancelled && failure?.code === CANCELLED) return;
      this.#open -= 1;
      if (failure !== undefined) {
        callbacks.fail(task, failure);
        return;
      }
      const call = value as CallResult;
      this.#advance(call.at);
      this.#told = Math.max(this.#told, call.told ?? 0);
      for (const event of call.tail ?? []) this.#log.add(event);
      for (const step of call.below ?? []) this.#log.addNested(step, this.#clock);
      replay?.(call);
      applyCallResult(task, call, callbacks);
    });
    return () => {
      forget();
      stop();
    };
  }

  admit(limit: LimitPolicy, task: StepTask, enter: (failed?: KeyFailed) => void, isBack?: boolean): Stop {
    return this.#shared.admit(limit, task, enter, isBack);
  }

  recall(task: StepTask, callbacks: RecallCallbacks): LeaveCall | undefined {
    return this.#shared.recall(task, callbacks);
  }

  memorize(task: StepTask, known: KnownAnswer): void {
    this.#shared.memorize(task, known);
  }

  decide<T>(path: string, question: string, decision: () => T, answer: (decided: Decided<T>) => void): void {
    const asked = this.#context.run(`${path} ${question}`, () => recordDecision(decision), {
      maxRetryAttempts: 1,
    });
    this.#pending.await(asked, (value, failure) => {
      answer(
        failure === undefined ? readDecision<T>(value as RecordedDecision) : { ok: false, error: failure },
      );
    });
  }

  sleep(path: string, delayMs: number, wake: () => void): Stop {
    const sleep = { path, dueAt: this.#clock + delayMs };
    this.#sleeps.add(sleep);
    const forget = this.pause(delayMs, () => {
      this.#sleeps.delete(sleep);
      wake();
    });
    return () => {
      this.#sleeps.delete(sleep);
      forget();
    };
  }

  /** Waits on behalf of the life, not of a step. */
  pause(delayMs: number, then: () => void): Stop {
    const dueAt = this.#clock + delayMs;
    return this.#pending.await(this.#context.sleep(Math.min(Math.ceil(delayMs), LONGEST_MS)), () => {
      this.#advance(dueAt);
      then();
    });
  }

  /**
   * Whether nothing can happen for so many milliseconds but that somebody answers or cancels: steps sleep, with the moment on record
   * at which they wake. When a step is tried again is not, nor is the time limit of the whole run.
   */
  isAsleepFor(ms: number): boolean {
    const sleeps = [...this.#sleeps];
    const others = this.#pending.size - sleeps.length - (this.#inbox.isListening ? 1 : 0);
    if (sleeps.length === 0 || others > 0 || this.#shared.isLimited()) return false;
    if (sleeps.some(({ dueAt }) => dueAt - this.#clock < ms)) return false;
    // A time limit around steps that sleep is on record too.
    return sleeps.every(({ path }) => {
      const row = this.steps().get(path);
      return row?.limitAt !== undefined || (row?.status === 'SUSPENDED' && row.deadline !== undefined);
    });
  }

  signal(path: string, answered: Parameters<Engine['signal']>[1]): Stop {
    return this.#inbox.signal(path, answered);
  }

  unheard(): readonly string[] {
    return this.#inbox.unheard();
  }

  /** Waits for the next answer from the journal and hands it on. False when the run was cancelled. */
  async turn(): Promise<boolean> {
    try {
      // Not awaited for nothing: that takes a turn of the loop for each answer.
      if (this.#abandoned.length > 0) await this.#cancelCalls();
      await this.#pending.next();
    } catch (error) {
      if (!(error instanceof CancelledError)) throw error;
      this.#isCancelled = true;
      return false;
    }
    return true;
  }

  /** Answers that nobody has used. */
  unused(): readonly GivenAnswer[] {
    return this.#inbox.unused();
  }

  /** Position of the first message that was not read. */
  read(): number {
    return this.#inbox.read();
  }

  /** Cancels an invocation: in the next turn, or at the latest with `cancelAbandoned`. */
  abandon(id: Promise<InvocationId>): void {
    this.#abandoned.push(id);
  }

  /** Cancels what is still to be cancelled when no turn comes any more. True when the life is cancelled meanwhile. */
  async cancelAbandoned(): Promise<boolean> {
    try {
      await this.#cancelCalls();
      return false;
    } catch (error) {
      // Whoever cancels a life cancels its calls.
      if (!(error instanceof CancelledError)) throw error;
      return true;
    }
  }

  /** How the run stands after everything told so far. */
  state(): RunState {
    return this.#log.state();
  }

  /** Gives room to others in what is limited: the life goes on elsewhere, or is over. */
  leave(): void {
    this.#shared.leave();
  }

  /** How many batches of side events there are at least. */
  told(): number {
    return this.#told;
  }

  /** Whether functions may have asked for steps, of which only what was told beside the journal knows. */
  mayHaveNested(): boolean {
    return this.#told > 0 || this.#open > 0;
  }

  /** Epoch milliseconds of the latest answer, by the journal. */
  clock(): number {
    return this.#clock;
  }

  #warning(message: string): RunEvent {
    const seq = this.events.at(-1)?.seq ?? 0;
    return {
      type: 'step.logged',
      runId: this.#runId,
      seq,
      at: this.#clock,
      path: '',
      level: 'WARNING',
      message,
    };
  }

  #advance(at: number): void {
    this.#clock = Math.max(this.#clock, at);
  }

  /** Hands partial results on to those who read them live; one object, because a life has one set of callbacks. */
  #feedingOf(callbacks: CallCallbacks): CallCallbacks {
    return (this.#feeding ??= withEmit(callbacks, (fed, partial) => {
      this.#isFeeding = true;
      try {
        return callbacks.emit(fed, partial);
      } finally {
        this.#isFeeding = false;
      }
    }));
  }

  async #cancelCalls(): Promise<void> {
    for (const id of this.#abandoned.splice(0)) this.#context.cancel(await id);
  }
}

/** What a call has failed with that was cancelled. */
const CANCELLED = new CancelledError().code;

/** A step that sleeps, or whose time is limited. */
interface Sleep {
  readonly path: string;
  /** By the clock of the journal, epoch milliseconds. */
  readonly dueAt: number;
}

/** What has come to pass in one life of a run. */
class EventLog {
  /** Everything that is told, in order. */
  readonly events: RunEvent[] = [];
  readonly #runId: string;
  readonly #counted: RunEvent[] = [];
  readonly #before: RunState;
  #reduced: RunState;
  #begun: ReadonlySet<string> | undefined;
  #hashes: ReadonlySet<string> | undefined;

  /** @param before - How the run stood when the life began. */
  constructor(before: RunState) {
    this.#runId = before.runId;
    this.#before = before;
    this.#reduced = before;
  }

  add(event: RunEvent): void {
    this.events.push(event);
    this.#counted.push(event);
  }

  /** A step that a function has asked for: told beside the journal, and counted here as if the journal had it. */
  addNested({ path, agent, output }: NestedResult, at: number): void {
    const base = { runId: this.#runId, seq: this.events.at(-1)?.seq ?? 0, at, path, agent, attempt: 1 };
    this.#counted.push(
      { ...base, type: 'step.started' },
      { ...base, type: 'step.completed', output, duration: 0 },
    );
  }

  /** Whether a step below this one had begun before this life. */
  hadBegunBelow(path: string): boolean {
    this.#begun ??= new Set(
      [...this.#before.steps].flatMap(({ stepId, attempts }) =>
        attempts > 0 ? pathsBeforeSlashes(stepId) : [],
      ),
    );
    return this.#begun.has(path);
  }

  /** Whether this is the hash of an input of an earlier life. */
  hadHash(hash: string): boolean {
    this.#hashes ??= new Set(
      [...this.#before.steps].map(({ inputHash = '' }) => inputHash.split('.', 1)[0] ?? ''),
    );
    return this.#hashes.has(hash);
  }

  /** The steps after all that, and after what was told beside the journal. */
  stepsWith(parts: readonly SideEvent[]): StepTable {
    return reduceRunAll(this.#before, withNestedEvents(this.events, parts)).steps;
  }

  /** How the run stands after all that. Only computed when somebody asks, which most lives never do. */
  state(): RunState {
    if (this.#counted.length > 0) this.#reduced = reduceRunAll(this.#reduced, this.#counted.splice(0));
    return this.#reduced;
  }
}

/** What a function asks for stands behind a slash: `trim[1]/read` belongs to the second `trim`, not to the first. */
function pathsBeforeSlashes(path: string): readonly string[] {
  const above: string[] = [];
  for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1))
    above.push(path.slice(0, end));
  return above;
}

// A hundred years.
const LONGEST_MS = 3_155_760_000_000;

/** A decision as the journal keeps it. */
type RecordedDecision =
  { readonly ok: true; readonly value?: unknown } | { readonly ok: false; readonly failure: Failure };

/** Decides, in the form that the journal keeps. */
function recordDecision(decision: () => unknown): RecordedDecision {
  try {
    return { ok: true, value: decision() };
  } catch (error) {
    return { ok: false, failure: recordedFailure(error) };
  }
}

/** A decision from the journal. */
function readDecision<T>(recorded: RecordedDecision): Decided<T> {
  return recorded.ok
    ? { ok: true, value: recorded.value as T }
    : { ok: false, error: new StepError(recorded.failure, undefined) };
}

/**
 * Hands what the journal says of a call to the interpreter, as if the function had just been called. Whoever stops a call
 * does not hear of it any more: one that was stopped and is still waited for has failed.
 */
function applyCallResult(task: StepTask, call: CallResult, callbacks: CallCallbacks): void {
  task.partials = call.partials ?? 0;
  if (call.kept !== undefined) task.kept = [...call.kept];
  if (call.heard !== undefined) task.heardFailures = [...call.heard];
  for (const path of call.failedBelow ?? [])
    (task.failedBelow ??= []).push({ path, readers: undefined, isEarlier: false });
  if (call.kind === 'failed') callbacks.fail(task, new StepError(call.failure, undefined));
  else if (call.kind === 'stopped') {
    callbacks.fail(task, new StepStoppedError(task.path));
  } else if (call.bailed === true) {
    callbacks.done(task, bail(call.output));
  } else {
    const { output: codec, name } = task.definition;
    try {
      callbacks.done(
        task,
        codec === undefined ? call.output : validate(codec, call.output, `saved output of agent "${name}"`),
      );
    } catch (error) {
      callbacks.fail(task, error);
    }
  }
}
