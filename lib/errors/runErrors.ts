import type { Failure } from '../model/failure';
import { MillraceError } from '../model/failure';
import type { PlanDiff } from '../model/plan';
import type { RunState } from '../model/state';

/**
 * A run ended as failed. Carries the failure as plain data, the state of the run, and the original error as `cause`.
 *
 * Subscribing to the same run again goes on from where it stood.
 */
export class RunError extends MillraceError {
  override readonly name = 'RunError';
  readonly code = 'RUN_FAILED';
  /** The id of the run. */
  readonly runId: string;
  /** What went wrong, as plain data. */
  readonly failure: Failure;
  /** How the run stood when it failed. */
  readonly state: RunState;

  constructor(state: RunState, failure: Failure, cause: unknown) {
    const where = failure.path === undefined ? '' : ` at step "${failure.path}"`;
    super(
      `Run "${state.runId}" of "${state.name}" failed${where}: ${failure.message}`,
      'resume the run once the cause is gone, or fork() it',
      { cause, tellsNext: false },
    );
    this.runId = state.runId;
    this.failure = failure;
    this.state = state;
  }
}

/** A run was to be carried on by a process that does not serve its agent. */
export class AgentNotServedError extends MillraceError {
  override readonly name = 'AgentNotServedError';
  readonly code = 'AGENT_NOT_SERVED';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;
  /** Name of its agent. */
  readonly agent: string;

  constructor(runId: string, agent: string, served: readonly string[]) {
    const names = served.map((name) => `"${name}"`).join(', ');
    super(
      `Cannot carry on run "${runId}": nobody serves "${agent}" here, only ${names || 'nothing'}`,
      'pass its agent to serve()',
    );
    this.runId = runId;
    this.agent = agent;
  }
}

/** A saved run was to be resumed with an input that differs from the saved one. */
export class InputMismatchError extends MillraceError {
  override readonly name = 'InputMismatchError';
  readonly code = 'INPUT_MISMATCH';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot resume run "${runId}": its saved input differs from the one given`,
      'leave the input undefined to take the saved one, use another runId for a new run, or say ' +
        "onMismatch: 'actual' to start over with the new input",
    );
    this.runId = runId;
  }
}

/** A saved run was to be resumed with a definition whose steps differ from those it was begun with. */
export class DefinitionMismatchError extends MillraceError {
  override readonly name = 'DefinitionMismatchError';
  readonly code = 'DEFINITION_MISMATCH';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;
  /** How the definitions differ. */
  readonly diff: PlanDiff;

  constructor(runId: string, agent: string, diff: PlanDiff) {
    super(
      `Cannot resume run "${runId}": "${agent}" is no longer the definition it was begun with (${inWords(diff)})`,
      "use another runId for a new run, or say onMismatch: 'actual' to keep what does not depend on the change",
    );
    this.runId = runId;
    this.diff = diff;
  }
}

function inWords({ added, removed, changed, results, renamed }: PlanDiff): string {
  const part = (what: string, paths: readonly string[]): string[] =>
    paths.length === 0 ? [] : [`${what}: ${paths.slice(0, 5).join(', ')}${paths.length > 5 ? ', …' : ''}`];
  return [
    ...(renamed === undefined ? [] : [`it was begun as "${renamed.from}"`]),
    ...part('added', added),
    ...part('removed', removed),
    ...part('changed', changed),
    ...part(
      'another result',
      results.map((path) => (path === '' ? 'of the run' : path)),
    ),
  ].join('; ');
}

/** A run whose input holds a stream was to be resumed without it: streams are not saved and must be given again. */
export class StreamInputError extends MillraceError {
  override readonly name = 'StreamInputError';
  readonly code = 'STREAM_INPUT';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;

  constructor(runId: string) {
    super(
      `Cannot resume run "${runId}": its input holds a stream, which is not saved`,
      'give the input again',
    );
    this.runId = runId;
  }
}

/** What a budget counts: tokens, US dollars, steps begun, milliseconds. */
export interface Spending {
  /** Tokens that agents have reported. */
  readonly tokens: number;
  /** US dollars that agents have reported. */
  readonly usd: number;
  /** Steps that have begun. */
  readonly steps: number;
  /** Milliseconds since the run began. */
  readonly ms: number;
}

/** A run was stopped because it used more than its budget allows. It can be resumed, with another budget. */
export class BudgetExceededError extends MillraceError {
  override readonly name = 'BudgetExceededError';
  readonly code = 'BUDGET_EXCEEDED';
  readonly retryable = false;
  /** What was exceeded. */
  readonly kind: keyof Spending;
  /** What is allowed. */
  readonly limit: number;
  /** What was used. */
  readonly used: Spending;
  /** How the run stood that was told last; undefined when nothing was told. */
  readonly state: RunState | undefined;

  constructor(kind: keyof Spending, limit: number, used: Spending, state: RunState | undefined) {
    const who = state === undefined ? 'the run' : `run "${state.runId}" of "${state.name}"`;
    super(
      `Budget of ${who} exceeded: ${String(used[kind])} ${kind}, ${String(limit)} allowed`,
      'resume the run with a larger budget',
      { tellsNext: false },
    );
    this.kind = kind;
    this.limit = limit;
    this.used = used;
    this.state = state;
  }
}

/** What a step had done could not be undone. Resuming the run tries it again. */
export class CompensationError extends MillraceError {
  override readonly name = 'CompensationError';
  readonly code = 'COMPENSATION_FAILED';
  /** Path of the step that is not undone. */
  readonly step: string;
  /** What went wrong, as plain data. */
  readonly failure: Failure;
  /** Why there was something to undo. */
  readonly reason: Failure;

  constructor(step: string, failure: Failure, reason: Failure) {
    super(
      `Cannot undo step "${step}": ${failure.message}; it was to be undone because of: ${reason.message}`,
      'resume the run to undo it again',
      { tellsNext: false },
    );
    this.step = step;
    this.failure = { ...failure, name: this.name, message: this.message, code: this.code, retryable: false };
    this.reason = reason;
  }
}

/** A step needs a run, such as one that waits for an answer, and was used in a plain `pipe` where there is none. */
export class NoRunError extends MillraceError {
  override readonly name = 'NoRunError';
  readonly code = 'NO_RUN';
  readonly retryable = false;
  /** Path of the step; empty for the run itself. */
  readonly path: string;

  constructor(path: string) {
    super(
      `Cannot wait for an answer at step "${path}" in a plain pipe: nobody could address it`,
      'use run() or runEach() with a store',
    );
    this.path = path;
  }
}

/**
 * A value cannot be saved, because JSON would change or lose it: a Map, a Date, NaN, a function, a cycle, a class instance.
 *
 * `path` is the step whose value it is (empty for the run itself), `at` the place inside the value, such as `.items[3].when`.
 */
export class StateValueError extends MillraceError {
  override readonly name = 'StateValueError';
  readonly code = 'UNSAVABLE_VALUE';
  readonly retryable = false;
  /** Path of the step; empty for the run itself. */
  readonly path: string;
  /** The place inside the value, such as `.items[3].when`; empty for the value itself. */
  readonly at: string;
  /** What is wrong with it. */
  readonly why: string;

  /** @param what - What the value belongs to, where that is neither a step nor the run; no codec can help there. */
  constructor(path: string, at: string, why: string, what?: string) {
    const owner = what ?? (path === '' ? 'the run' : `step "${path}"`);
    const where = at === '' ? 'it' : at;
    super(
      `Cannot save a value of ${owner}: ${where} is ${why}`,
      what === undefined
        ? 'give plain JSON data, or an output codec that encodes it'
        : 'give plain JSON data',
    );
    this.path = path;
    this.at = at;
    this.why = why;
  }
}

/** A value did not fit its codec. Carries one sentence a mismatch, without the values themselves. */
export class ValidationError extends MillraceError {
  override readonly name = 'ValidationError';
  readonly code = 'VALIDATION_FAILED';
  readonly retryable = false;
  /** What was checked. */
  readonly subject: string;
  /** Such as `.data expected Array<number>, got object`. */
  readonly mismatches: readonly string[];

  constructor(subject: string, mismatches: readonly string[]) {
    const shown = mismatches.slice(0, 3).join('; ');
    const more = mismatches.length > 3 ? ` (and ${String(mismatches.length - 3)} more)` : '';
    super(`Cannot accept ${subject}: ${shown}${more}`, 'give a value that fits its codec', {
      tellsNext: false,
    });
    this.subject = subject;
    this.mismatches = mismatches;
  }
}

/** The first of these paths, as a message names them: a run may have thousands. */
export function someOf(paths: readonly string[]): string {
  const named = paths.slice(0, MOST_NAMED).map((path) => `"${path}"`);
  const more = paths.length - named.length;
  return more === 0 ? named.join(', ') : `${named.join(', ')} and ${String(more)} more`;
}

const MOST_NAMED = 10;

/**
 * A run has ended without an output and without a failure, and somebody waits for its output: it waits for an answer, was drained, or
 * was cancelled.
 */
export class NoOutputError extends MillraceError {
  override readonly name = 'NoOutputError';
  readonly code = 'NO_OUTPUT';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;
  /** How its latest life has ended. */
  readonly status: 'SUSPENDED' | 'CANCELLED';
  /** Paths of the steps that wait for an answer. */
  readonly waiting: readonly string[];
  /** How the run stands. */
  readonly state: RunState;

  constructor(state: RunState, waiting: readonly string[]) {
    const { runId, name, status, reason } = state;
    const isSuspended = status === 'SUSPENDED';
    const paths = someOf(waiting);
    const how = isSuspended
      ? `is suspended${paths === '' ? '' : `, waits for an answer to ${paths}`}`
      : 'was cancelled';
    super(
      `Cannot give the output of run "${runId}" of "${name}": it ${how}${reason === undefined ? '' : ` (${reason})`}`,
      isSuspended
        ? 'answer() it and run it again with the same store and runId; outcomes() gives such an end as a value'
        : 'run it again with the same store and runId; outcomes() gives such an end as a value',
    );
    this.runId = runId;
    this.status = isSuspended ? 'SUSPENDED' : 'CANCELLED';
    this.waiting = waiting;
    this.state = state;
  }
}

/** Nothing waits for this answer: the step has not asked, has its answer already, or asks another question by now. */
export class NotWaitingError extends MillraceError {
  override readonly name = 'NotWaitingError';
  readonly code = 'NOT_WAITING';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;
  /** Path of the step; empty for the run itself. */
  readonly path: string;

  /** @param waiting - Paths of the steps that do wait. */
  constructor(runId: string, path: string, waiting: readonly string[]) {
    const what = `Cannot answer step "${path}" of run "${runId}"`;
    if (waiting.includes(path))
      super(
        `${what}: the question that is meant is not open any more`,
        'it asks another one; read and answer that',
      );
    else
      super(
        `${what}: it does not wait for an answer`,
        waiting.length === 0 ? 'no step of the run does' : `these wait: ${someOf(waiting)}`,
      );
    this.runId = runId;
    this.path = path;
  }
}

/** A run has ended, and hears nothing any more. */
export class RunEndedError extends MillraceError {
  override readonly name = 'RunEndedError';
  readonly code = 'RUN_ENDED';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;

  /** @param action - What was to be done, such as `cancel`. */
  constructor(action: string, runId: string, status?: RunState['status']) {
    const how = status === undefined ? '' : ` as ${status}`;
    super(`Cannot ${action} run "${runId}": it has ended${how}`, 'fork() it to run a part of it again');
    this.runId = runId;
  }
}

/** An answer does not fit what the step has asked for. The step goes on waiting. */
export class AnswerMisfitError extends MillraceError {
  override readonly name = 'AnswerMisfitError';
  readonly code = 'ANSWER_MISFIT';
  readonly retryable = false;
  /** The id of the run. */
  readonly runId: string;
  /** Path of the step; empty for the run itself. */
  readonly path: string;
  /** One sentence a mismatch, without the values themselves. */
  readonly mismatches: readonly string[];

  constructor(runId: string, path: string, mismatches: readonly string[]) {
    super(
      `Cannot answer step "${path}" of run "${runId}": ${mismatches.slice(0, 3).join('; ')}`,
      'give an answer that fits the codec of the approval',
    );
    this.runId = runId;
    this.path = path;
    this.mismatches = mismatches;
  }
}
