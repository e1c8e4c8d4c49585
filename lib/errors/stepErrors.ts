import type { Failure } from '../model/failure';
import { MillraceError } from '../model/failure';

/** A nested step failed: what a function that asked for it gets. Keeps the name, the message and the place of the failure. */
export class StepError extends MillraceError {
  override readonly name: string;
  /** That of the failure; `STEP_FAILED` where it has none. */
  readonly code: string;
  /** What went wrong, as plain data. */
  readonly failure: Failure;
  readonly retryable: boolean;

  constructor(failure: Failure, cause: unknown) {
    super(failure.message, 'catch it, or let it fail the step that asked', { cause, tellsNext: false });
    this.name = failure.name;
    this.code = failure.code ?? 'STEP_FAILED';
    this.failure = failure;
    this.retryable = failure.retryable;
  }
}

/** An attempt of a step took longer, or was silent for longer, than its policy allows. */
export class StepTimeoutError extends MillraceError {
  override readonly name = 'StepTimeoutError';
  readonly code = 'STEP_TIMEOUT';
  /** Path of the step. */
  readonly path: string;
  /** The limit that was passed, in milliseconds. */
  readonly limitMs: number;

  constructor(path: string, limitMs: number, kind: 'timeoutMs' | 'idleTimeoutMs') {
    const what = kind === 'timeoutMs' ? 'no answer' : 'no partial result';
    super(
      `Cannot wait for step "${path}" any longer: ${what} within ${String(limitMs)} ms (${kind})`,
      'allow it more time, or make it stop on context.signal and retry',
      { tellsNext: false },
    );
    this.path = path;
    this.limitMs = limitMs;
  }
}

/** The stream that an agent returned ended without a value, so the step has no output. */
export class EmptyAnswerError extends MillraceError {
  override readonly name = 'EmptyAnswerError';
  readonly code = 'EMPTY_ANSWER';

  constructor(agent: string) {
    super(
      `Cannot take an output from agent "${agent}": the stream it returned ended without a value`,
      'give it a reduce with a seed',
    );
  }
}

/** An agent answered with a Promise of a Promise of a Promise, and so on: one of them may resolve with itself. */
export class EndlessAnswerError extends MillraceError {
  override readonly name = 'EndlessAnswerError';
  readonly code = 'ENDLESS_ANSWER';
  readonly retryable = false;

  constructor(deepest: number) {
    super(
      `Cannot take the answer of the function: what it returned resolved with a thenable, ${String(deepest)} times in a row`,
      'look for a thenable that resolves with itself',
    );
  }
}

/** Functions asked for steps below each other without an end. */
export class StepDepthError extends MillraceError {
  override readonly name = 'StepDepthError';
  readonly code = 'STEP_DEPTH';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;

  constructor(path: string, deepest: number) {
    // The names of all that stand above would fill the log.
    const short = path.length > 200 ? `${path.slice(0, 100)}…${path.slice(-100)}` : path;
    super(
      `Cannot run step "${short}": it stands below more than ${String(deepest)} functions that asked for each other`,
      'look for an agent that asks for itself; a loop() or each() needs no depth',
    );
    this.path = path;
  }
}

/** An agent uses a service that the run was not given; services are not saved, so each life needs them again. */
export class MissingServiceError extends MillraceError {
  override readonly name = 'MissingServiceError';
  readonly code = 'MISSING_SERVICE';
  readonly retryable = false;
  /** Name of the service. */
  readonly service: string;

  constructor(service: string) {
    super(
      `Cannot use service "${service}": this life of the run was not given it`,
      `services are never saved: give { services: { ${service} } } to run(), resume() or serve() each time`,
    );
    this.service = service;
  }
}

/** A step has changed a shared state, and there is none. */
export class NoSharedStateError extends MillraceError {
  override readonly name = 'NoSharedStateError';
  readonly code = 'NO_SHARED_STATE';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;

  constructor(path: string) {
    super(
      `Cannot update the shared state in step "${path}": no workflow above it has one`,
      'give the workflow { shared: { initial } }, and carry it out with run()',
    );
    this.path = path;
  }
}

/**
 * A function does not get the answer of a nested step: the run rests until somebody answers a question, the call was stopped or
 * timed out, or was over when the step was asked for. What the function still does counts for nothing; a later call begins anew.
 */
export class AttemptOverError extends MillraceError {
  override readonly name = 'AttemptOverError';
  readonly code = 'ATTEMPT_OVER';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;
  /** Why the step is not answered. */
  readonly reason: string;

  constructor(path: string, reason = 'the call that asks for it is over, and nobody waits for its answer') {
    super(
      `Cannot answer step "${path}": ${reason}`,
      'let the error end the function; it is called anew when there is an answer',
      { tellsNext: false },
    );
    this.path = path;
    this.reason = reason;
  }
}

/** The process died again and again inside the same step, while nothing else was under way: the step is not tried any more. */
export class PoisonStepError extends MillraceError {
  override readonly name = 'PoisonStepError';
  readonly code = 'POISON_STEP';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;
  /** How often the process died inside the step with none beside it. */
  readonly crashes: number;

  constructor(path: string, crashes: number) {
    super(
      `Cannot run step "${path}" again: the process died ${String(crashes)} times inside it, with no other step under way`,
      'resume the run, or fork it, to try it anew; maxCrashes allows more',
    );
    this.path = path;
    this.crashes = crashes;
  }
}

/** A nested step was asked for again with another input than the one it was first called with. */
export class NestedInputError extends MillraceError {
  override readonly name = 'NestedInputError';
  readonly code = 'NESTED_INPUT';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;

  constructor(path: string) {
    super(
      `Cannot reuse step "${path}": its input differs from the one it was first called with`,
      "put what varies into the id, or say onMismatch: 'actual' to carry it out anew",
    );
    this.path = path;
  }
}

/** A step of which something is on record was then carried out by another agent, or by another definition of it. */
export class NestedAgentError extends MillraceError {
  override readonly name = 'NestedAgentError';
  readonly code = 'NESTED_AGENT';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;
  /** Name of the agent on record. */
  readonly before: string;
  /** Name of the agent that it is now. */
  readonly now: string;

  constructor(path: string, before: string, now: string) {
    super(
      before === now
        ? `Cannot reuse step "${path}": "${now}" is no longer the definition it was first carried out by`
        : `Cannot reuse step "${path}": it was first carried out by "${before}", and now by "${now}"`,
      "give it another id, or say onMismatch: 'actual' to carry it out anew",
    );
    this.path = path;
    this.before = before;
    this.now = now;
  }
}

/** A stream that was given again ended before an item that an earlier life of the run has handled. */
export class ItemMissingError extends MillraceError {
  override readonly name = 'ItemMissingError';
  readonly code = 'ITEM_MISSING';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;
  /** Position of the item, from 0. */
  readonly index: number;

  constructor(path: string, index: number) {
    super(
      `Cannot go on with ${placeOf(path)}: item ${String(index)} was handled before, but the stream given now ends without it`,
      'give a stream that begins with the same items',
      { tellsNext: false },
    );
    this.path = path;
    this.index = index;
  }
}

/** The selector of a `branch` named a case that has no agent. */
export class NoCaseError extends MillraceError {
  override readonly name = 'NoCaseError';
  readonly code = 'NO_CASE';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;
  /** What the selector gave, as text. */
  readonly selected: string;

  constructor(path: string, selected: unknown, cases: readonly string[]) {
    const why =
      typeof selected === 'string'
        ? `there is no case "${selected}", only ${cases.join(', ')}`
        : `its selector gave ${named(selected)} where the name of a case is needed: ${cases.join(', ')}`;
    super(`Cannot choose at ${placeOf(path)}: ${why}`, 'add the case, or a default', { tellsNext: false });
    this.path = path;
    this.selected = String(selected);
  }
}

function named(selected: unknown): string {
  if (selected instanceof Promise) return 'a Promise; it must answer at once,';
  return typeof selected === 'object' && selected !== null ? 'an object' : String(selected);
}

/** A loop has gone through all the rounds it may take, and the output is still not good enough. */
export class LoopLimitError extends MillraceError {
  override readonly name = 'LoopLimitError';
  readonly code = 'LOOP_LIMIT';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;
  /** How many rounds were allowed. */
  readonly max: number;

  constructor(path: string, max: number) {
    super(
      `Cannot end ${placeOf(path)}: until() said no to all ${String(max)} rounds`,
      'allow more rounds, or let until() accept less',
      { tellsNext: false },
    );
    this.path = path;
    this.max = max;
  }
}

/** None of the agents of a `firstOf` has completed. `failures` are theirs, in the order in which they failed. */
export class AllFailedError extends MillraceError {
  override readonly name = 'AllFailedError';
  readonly code = 'ALL_FAILED';
  readonly retryable: boolean;
  /** Path of the step. */
  readonly path: string;
  /** Their failures, in the order in which they failed. */
  readonly failures: readonly Failure[];

  constructor(path: string, failures: readonly Failure[], causes: readonly unknown[]) {
    const reasons = failures.map(({ message }) => message).join('; ');
    super(
      `Cannot take the first of ${placeOf(path)}: all ${String(failures.length)} agents failed (${reasons})`,
      'resume the run to ask them again',
      { cause: causes.at(-1), tellsNext: false },
    );
    this.path = path;
    this.failures = failures;
    this.retryable = failures.some((failure) => failure.retryable);
  }
}

/** A `quorum` cannot be made: too many of its sources were skipped, which is no vote, or have failed. */
export class QuorumError extends MillraceError {
  override readonly name = 'QuorumError';
  readonly code = 'QUORUM_MISSED';
  readonly retryable = false;
  /** Path of the step that reads the quorum; that of the workflow where its result does. */
  readonly path: string;
  /** How many sources had to complete. */
  readonly count: number;

  constructor(path: string, count: number, members: number, lost: number) {
    super(
      `Cannot make the quorum that ${path === '' ? 'the result' : `"${path}"`} reads: ${String(count)} of ${String(members)} sources ` +
        `have to complete, and ${String(lost)} were skipped or have failed`,
      'ask for fewer, or read them with settled()',
      { tellsNext: false },
    );
    this.path = path;
    this.count = count;
  }
}

/** Nobody has answered in time. */
export class ApprovalTimeoutError extends MillraceError {
  override readonly name = 'ApprovalTimeoutError';
  readonly code = 'APPROVAL_TIMEOUT';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;
  /** How long the answer was waited for, in milliseconds. */
  readonly timeoutMs: number;

  constructor(path: string, timeoutMs: number) {
    super(
      `Cannot go on with step "${path}": nobody answered within ${String(timeoutMs)} ms`,
      'give an onTimeout',
    );
    this.path = path;
    this.timeoutMs = timeoutMs;
  }
}

/** A function asked twice for a nested step of the same id within one call. */
export class DuplicateStepError extends MillraceError {
  override readonly name = 'DuplicateStepError';
  readonly code = 'DUPLICATE_STEP';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;

  constructor(path: string) {
    super(
      `Cannot run step "${path}" twice in one call: its saved output belongs to the id`,
      'give each call an id of its own',
    );
    this.path = path;
  }
}

/** A step was not called, because the circuit of its policy is open: the service that it calls has failed too often. */
export class CircuitOpenError extends MillraceError {
  override readonly name = 'CircuitOpenError';
  readonly code = 'CIRCUIT_OPEN';
  readonly retryable = true;
  /** Path of the step. */
  readonly path: string;
  /** Milliseconds until a call may be let through again; `retry` waits so long. */
  readonly retryAfterMs: number;

  constructor(path: string, retryAfterMs: number) {
    const leftMs = Math.ceil(retryAfterMs);
    super(
      `Cannot call step "${path}": its circuit is open for another ${String(leftMs)} ms`,
      'give the agent a retry, which waits so long, or a fallback',
    );
    this.path = path;
    this.retryAfterMs = leftMs;
  }
}

/** A run has no step of this path. */
export class UnknownStepError extends MillraceError {
  override readonly name = 'UnknownStepError';
  readonly code = 'UNKNOWN_STEP';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;
  /** Path of the step. */
  readonly path: string;

  constructor(runId: string, path: string) {
    super(
      `Cannot find step "${path}" in run "${runId}"`,
      'its state, from loadRun(), has the paths in `steps`',
    );
    this.runId = runId;
    this.path = path;
  }
}

/** A step was to read a stream where streams cannot be read: a run is replayed there, and no item can be had twice. */
export class StreamSourceError extends MillraceError {
  override readonly name = 'StreamSourceError';
  readonly code = 'STREAM_SOURCE';
  readonly retryable = false;
  /** Path of the step. */
  readonly path: string;

  constructor(path: string) {
    super(`Cannot read a stream in ${placeOf(path)}: this engine replays runs`, 'give an array');
    this.path = path;
  }
}

/** The root of a run has the empty path. */
function placeOf(path: string): string {
  return path === '' ? 'the root of the run' : `step "${path}"`;
}
