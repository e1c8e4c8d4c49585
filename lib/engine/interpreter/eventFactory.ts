import { readableText } from '../../codec/jsonValue';
import { identityOf, isStructure } from '../../definition/definition';
import type { Containment, WaitAnswer } from '../../definition/scope';
import type {
  LogLevel,
  RunEvent,
  StepCompleted,
  StepSkipped,
  StepStarted,
  StepSuspended,
  TimeLimit,
} from '../../model/event';
import type { Failure } from '../../model/failure';
import type { GivenBy } from '../../model/givenBy';
import { askingOf } from '../../model/incarnation';
import { secrecyOf } from '../../model/secrets/secretNames';
import { tidy } from '../../model/secrets/tidy';
import type { Usage } from '../../model/usage';
import { addedUsage } from '../../model/usage';
import { isStream } from '../../streams/pull';
import type { Engine, KnownAnswer } from '../engine';
import type { StepTask } from '../task';
import { limitKeyOf, pathOfPart } from '../task';

/** What belongs to the beginning of an attempt in some cases only. */
interface StartedWith {
  /** The time limit of an earlier life that it is still under. */
  readonly limitAt?: number | undefined;
  readonly isAlone?: boolean | undefined;
  /** Steps that are not alone any more. */
  readonly joined?: readonly string[] | undefined;
  /** What its steps share, as it begins. */
  readonly shared?: unknown;
}

/** What an attempt has changed of a shared state. */
type SharedUpdates = Pick<StepCompleted, 'updates' | 'updated'>;

/** An event that nobody has seen yet. */
type Draft<E extends RunEvent> = { -readonly [K in keyof E]: E[K] };

/** Makes the events of one life: numbers them and asks the engine for the time. */
export class EventFactory {
  readonly #runId: string;
  readonly #engine: Engine;
  readonly #lifeBegan: number;
  readonly #recordsInputs: boolean;
  #seq: number;
  /** What was reported, and no event has said yet. */
  #usage: Usage | undefined;

  /** @param latestSeq - Number of the latest journaled event of the run. */
  constructor(runId: string, engine: Engine, latestSeq: number, recordsInputs = false) {
    this.#runId = runId;
    this.#recordsInputs = recordsInputs;
    this.#engine = engine;
    this.#lifeBegan = engine.elapsed();
    this.#seq = latestSeq;
  }

  // Whole literals, to which some fields are added, not spreads: these run for every step, and a field that is added to what was spread
  // costs half a microsecond.

  started(
    task: StepTask,
    dropped: readonly string[],
    { limitAt, isAlone = false, joined = [], shared }: StartedWith = {},
  ): RunEvent {
    const { path, definition, attempt, policy, input, caught } = task;
    const event: Draft<StepStarted> = {
      type: 'step.started',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      path,
      agent: definition.name,
      attempt,
    };
    const hash = policy.checkInput === true ? this.#engine.hash(input) : undefined;
    const limitKey = policy.limit?.key === undefined ? undefined : keyForUndoing(task);
    const isRecorded = this.#recordsInputs && task.tries === 1 && input !== undefined;
    if (policy.critical === true) event.critical = true;
    if (hash !== undefined) event.inputHash = `${hash}.${identityOf(definition, task.ids)}`;
    if (dropped.length > 0) event.dropped = dropped;
    if (caught !== undefined) event.caught = caught;
    if (limitAt !== undefined) event.limitAt = limitAt;
    if (isAlone) event.alone = true;
    if (joined.length > 0) event.joined = joined;
    if (limitKey !== undefined) event.limitKey = limitKey;
    if (isRecorded) event.input = recordedInput(input);
    if (shared !== undefined) event.shared = shared;
    return event;
  }

  emitted({ path, definition, attempt }: StepTask, index: number, value: unknown): RunEvent {
    return {
      type: 'step.emitted',
      runId: this.#runId,
      seq: this.#seq,
      at: this.#engine.now(),
      path,
      agent: definition.name,
      attempt,
      index,
      value,
    };
  }

  logged(path: string, level: LogLevel, message: string, data?: object | (() => object)): RunEvent {
    const event: RunEvent = {
      type: 'step.logged',
      runId: this.#runId,
      seq: this.#seq,
      at: this.#engine.now(),
      path,
      level,
      message,
    };
    return data === undefined ? event : { ...event, data };
  }

  /** @param reset - The failed steps below that are tried again with it. */
  retrying(
    { path, definition, attempt }: StepTask,
    error: Failure,
    delayMs: number,
    reset: readonly string[] = [],
  ): RunEvent {
    return {
      type: 'step.retrying',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      ...this.#takeUsage(),
      path,
      agent: definition.name,
      attempt,
      error,
      delayMs,
      ...(reset.length > 0 && { reset }),
    };
  }

  completed(task: StepTask, { output, kept, givenBy }: KnownAnswer, shared?: SharedUpdates): RunEvent {
    const event: Draft<StepCompleted> = {
      type: 'step.completed',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      ...this.#takeUsage(),
      path: task.path,
      agent: task.definition.name,
      attempt: task.attempt,
      output,
      duration: this.#seconds(task.startedAt),
    };
    if (shared !== undefined) Object.assign(event, shared);
    if (givenBy !== undefined) event.givenBy = givenBy;
    if (task.partials === 0) return event;
    event.partials = task.partials;
    if (kept !== undefined) event.kept = kept;
    return event;
  }

  recalled(task: StepTask, { output, kept, givenBy }: KnownAnswer): RunEvent {
    return {
      type: 'step.completed',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      path: task.path,
      agent: task.definition.name,
      attempt: task.attempt,
      output,
      duration: this.#seconds(task.startedAt),
      ...(givenBy !== undefined && { givenBy }),
      ...(kept !== undefined && { partials: kept.length, kept }),
      cached: true,
    };
  }

  failed(task: StepTask, error: Failure): RunEvent {
    const { path, definition, attempt, tries, startedAt } = task;
    const { isContained, exposes } = containmentOf(task);
    return {
      type: 'step.failed',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      ...this.#takeUsage(),
      path,
      agent: definition.name,
      attempt,
      error,
      duration: tries === 0 ? 0 : this.#seconds(startedAt),
      ...(isContained && { contained: true }),
      ...(exposes.length > 0 && { exposes }),
    };
  }

  skipped(path: string, agent: string, reason: StepSkipped['reason'], output?: unknown): RunEvent {
    const event: RunEvent = {
      type: 'step.skipped',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      path,
      agent,
      reason,
    };
    return output === undefined ? event : { ...event, output };
  }

  cancelled(path: string): RunEvent {
    return {
      type: 'step.cancelled',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      ...this.#takeUsage(),
      path,
    };
  }

  /** A step asks somebody outside: a question of its own, whatever it has asked before. */
  asked(
    task: StepTask,
    request: unknown,
    deadline: number | undefined,
    signal: string | undefined,
  ): RunEvent {
    const event = this.#suspended(task);
    event.request = request;
    event.asking = askingOf(this.#engine.incarnation, event.seq);
    if (deadline !== undefined) event.deadline = deadline;
    if (signal !== undefined) event.signal = signal;
    return event;
  }

  /** A step sleeps until this moment. */
  asleep(task: StepTask, deadline: number): RunEvent {
    const event = this.#suspended(task);
    event.deadline = deadline;
    return event;
  }

  #suspended(task: StepTask): Draft<StepSuspended> {
    const { path, definition, attempt } = task;
    const limits = limitsOver(task);
    const event: Draft<StepSuspended> = {
      type: 'step.suspended',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      path,
      agent: definition.name,
      attempt,
      request: undefined,
    };
    if (limits.length > 0) event.limits = limits;
    return event;
  }

  answered(path: string, answer: WaitAnswer, signalId?: string): RunEvent {
    return {
      type: 'step.answered',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      path,
      ...answer,
      ...(signalId !== undefined && { signalId }),
    };
  }

  runCompleted(output: unknown, givenBy: GivenBy | undefined, critical: boolean | undefined): RunEvent {
    return {
      type: 'run.completed',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      ...this.#takeUsage(),
      output,
      ...(givenBy !== undefined && { givenBy }),
      ...(critical === true && { critical }),
      duration: this.#seconds(this.#lifeBegan),
    };
  }

  runFailed(error: Failure, others: readonly string[]): RunEvent {
    return {
      type: 'run.failed',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      ...this.#takeUsage(),
      error,
      ...(others.length > 0 && { others }),
      duration: this.#seconds(this.#lifeBegan),
    };
  }

  runSuspended(waiting: readonly string[], reason?: string): RunEvent {
    return {
      type: 'run.suspended',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      ...this.#takeUsage(),
      waiting,
      ...(reason !== undefined && { reason }),
      duration: this.#seconds(this.#lifeBegan),
    };
  }

  runCancelled(reason: string | undefined, error?: Failure): RunEvent {
    return {
      type: 'run.cancelled',
      runId: this.#runId,
      seq: this.#next(),
      at: this.#engine.now(),
      ...this.#takeUsage(),
      duration: this.#seconds(this.#lifeBegan),
      ...(reason !== undefined && { reason }),
      ...(error !== undefined && { error }),
    };
  }

  /** The next event that ends something says so. */
  report(usage: Usage): void {
    this.#usage = addedUsage(this.#usage, usage);
  }

  #takeUsage(): { readonly usage?: Usage } | undefined {
    const usage = this.#usage;
    if (usage === undefined) return undefined;
    this.#usage = undefined;
    return { usage };
  }

  #next(): number {
    this.#seq += 1;
    return this.#seq;
  }

  /** Seconds since this reading of the engine's steady clock. */
  #seconds(since: number): number {
    // To the microsecond: no clock is better, and the digits beyond would be journaled for every step.
    return Math.round((this.#engine.elapsed() - since) * 1e3) / 1e6;
  }
}

/** What its failure means to whoever asked for the step. `exposes` holds paths. */
function containmentOf({ parent, contain, heardFailures = [] }: StepTask): Required<Containment> {
  const { isContained, exposes = [] } = contain?.() ?? { isContained: false };
  const exposed = exposes.map((id) => (parent === undefined ? id : pathOfPart(parent, id)));
  // A function that fails has not gone on without what it heard of.
  return { isContained, exposes: [...exposed, ...heardFailures] };
}

/** Undoing gets the output of the step, from which its limit could not tell the key. */
function keyForUndoing({ definition, policy, input }: StepTask): string | undefined {
  if (isStructure(definition) || definition.compensate === undefined) return undefined;
  try {
    return policy.limit === undefined ? undefined : limitKeyOf(policy.limit, input);
  } catch {
    // Where it matters, it was asked before and has failed the step.
    return undefined;
  }
}

function limitsOver(task: StepTask): readonly TimeLimit[] {
  const limits: TimeLimit[] = [];
  for (let above: StepTask | undefined = task; above !== undefined; above = above.parent) {
    const { path, limitAt } = above;
    // That of the run itself counts within one life: there is no row to keep it.
    if (limitAt !== undefined && path !== '') limits.push({ path, limitAt });
  }
  return limits;
}

/** An input as JSON, for whoever looks: nothing is made from it again. Bounded, because many steps may be given the same. */
function recordedInput(input: unknown): unknown {
  if (isStream(input)) return '[stream]';
  const text = readableText(tidy(input, secrecyOf));
  // What gives nothing by its `toJSON`, as such a value within a list.
  return text === undefined ? null : (JSON.parse(text) as unknown);
}
