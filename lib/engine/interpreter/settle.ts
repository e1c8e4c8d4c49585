import type { Definition } from '../../definition/definition';
import { isStructure } from '../../definition/definition';
import type { Answer } from '../../definition/scope';
import type { RetryPolicy, StepPolicy } from '../../model/agentType';
import type { RunEvent } from '../../model/event';
import type { Failure } from '../../model/failure';
import { toFailure } from '../../model/failure';
import type { StepTask } from '../task';
import { isRunning } from '../task';
import type { CompletedAnswer } from './priorSteps';
import { completedAnswer } from './priorSteps';
import type { RunUnderWay } from './runContext';
import { decideFor } from './workQueue';

/** The ways in which a step ends. */
export interface Endings {
  /** The attempt under way has given this. */
  complete(task: StepTask, output: unknown): void;
  /** The attempt under way has failed; the policy says whether another one follows. */
  fail(task: StepTask, error: unknown, known?: Failure): void;
  /** The step fails, whether or not it was ever called. */
  giveUp(task: StepTask, error: unknown): void;
  /** The step is not wanted: it gives what its policy puts in its place. */
  skip(task: StepTask): void;
  /** Tells whoever asked for the step how it has ended. */
  answer(task: StepTask, answer: Answer): void;
  /** The same for a step that an earlier life has finished. */
  answerAgain(task: StepTask, answer: Answer): void;
  /** Stops a step and all below it, and puts on record how it was left. */
  cancel(task: StepTask, as: 'lost' | undefined): void;
}

/** What ends with the root, the step that has no parent. */
export interface WholeRun {
  /** What was run: a single agent is not its own root. */
  readonly definition: Definition;
  /** `stored` replaces the event in what is written. */
  end(event: RunEvent, cause: unknown, stored?: RunEvent): void;
}

/**
 * How steps end: every end is recorded first, and only once the record is as durable as the engine promises does it go on to
 * whoever waits for the step.
 *
 * @param again - Makes another attempt.
 */
export function endings(run: RunUnderWay, whole: WholeRun, again: (task: StepTask) => void): Endings {
  const { engine, events, turns, suspended, onRecord, limited, nested } = run;

  function complete(task: StepTask, output: unknown): void {
    const isRoot = task.parent === undefined;
    const { kept } = task;
    let stored: unknown;
    let answered: CompletedAnswer;
    try {
      const of = isRoot ? whole.definition : task.definition;
      stored = engine.keep(of.output === undefined ? output : of.output.encode(output), task.path);
      answered = completedAnswer(of, stored, kept);
    } catch (error) {
      fail(task, error);
      return;
    }
    leaveRunning(task);
    if (isRoot) {
      const event = events.runCompleted(answered.output);
      whole.end(
        event,
        undefined,
        stored === answered.output ? undefined : ({ ...event, output: stored } as RunEvent),
      );
      return;
    }
    task.phase = 'ended';
    engine.record(events.completed(task, stored, kept), () => {
      if (task.policy.cache !== undefined)
        engine.memorize?.(task, kept === undefined ? { output: stored } : { output: stored, kept });
      answer(task, answered);
    });
  }

  function fail(task: StepTask, error: unknown, known?: Failure): void {
    const isRoot = task.parent === undefined;
    const failure = known ?? toFailure(error, isRoot ? undefined : task.path);
    suspended.delete(task);
    leaveRunning(task);
    if (isRoot) {
      whole.end(events.runFailed(failure), error);
      return;
    }
    const decision = (): RetryDecision => retryDecision(task.policy, failure, task.tries);
    if (!failure.retryable || !asksUser(task.policy)) retryOrGiveUp(task, error, failure, decision());
    else {
      decideFor(run, task, 'retry', decision, (decided) => {
        if (decided.ok) retryOrGiveUp(task, error, failure, decided.value);
        else giveUp(task, decided.error);
      });
    }
  }

  function retryOrGiveUp(task: StepTask, error: unknown, failure: Failure, decision: RetryDecision): void {
    if (decision === 'give up') {
      giveUp(task, error, failure);
      return;
    }
    const retry = (): void => {
      turns.later(() => {
        if (task.phase === 'done') return;
        if (isStructure(task.definition) || task.nestedIds !== undefined) onRecord.renew();
        again(task);
      });
    };
    engine.record(events.retrying(task, failure, decision.delayMs), () => {
      if (task.phase === 'done') return;
      if (decision.delayMs === 0) retry();
      else task.stop = engine.sleep(task.path, decision.delayMs, retry);
    });
  }

  function giveUp(task: StepTask, error: unknown, failure: Failure = toFailure(error, task.path)): void {
    task.phase = 'ended';
    noteFailure(task);
    engine.record(events.failed(task, failure), () => {
      answer(task, { kind: 'failed', failure, cause: error });
    });
  }

  function skip(task: StepTask): void {
    let output: unknown;
    try {
      output = engine.keep(task.policy.otherwise, task.path);
    } catch (error) {
      giveUp(task, error);
      return;
    }
    task.phase = 'ended';
    engine.record(events.skipped(task.path, task.definition.name, 'when', output), () => {
      answer(task, { kind: 'skipped', output });
    });
  }

  /** From here on nothing that the attempt still does counts, and what it had asked for stops. */
  function leaveRunning(task: StepTask): void {
    limited.leave(task);
    task.phase = 'ending';
    turns.dropAsks(task);
    nested.cancelBelow(task);
    turns.setMoving(task, true);
    const { stop } = task;
    task.stop = undefined;
    if (isStructure(task.definition)) stop?.();
  }

  function answer(task: StepTask, answered: Answer): void {
    turns.later(() => {
      if (task.phase === 'done') return;
      task.phase = 'done';
      turns.setMoving(task, false);
      try {
        task.answer(answered);
      } catch (error) {
        // The reaction of the structure above threw.
        if (task.parent !== undefined && isRunning(task.parent)) fail(task.parent, error);
      }
    });
  }

  function cancel(task: StepTask, as: 'lost' | undefined): void {
    const { phase } = task;
    if (phase === 'done') return;
    suspended.delete(task);
    task.phase = 'done';
    turns.dropAsks(task);
    turns.setMoving(task, false);
    const { stop } = task;
    task.stop = undefined;
    stop?.();
    // Not before it has stopped: leaving lets the next one in.
    limited.leave(task);
    nested.cancelBelow(task);
    if (run.isOver() || phase === 'ended') return;
    if (as === 'lost') engine.note(events.skipped(task.path, task.definition.name, 'lost'));
    else if (phase !== 'suspended' && task.tries > 0) engine.note(events.cancelled(task.path));
  }

  return {
    complete,
    fail,
    giveUp,
    skip,
    answer,
    answerAgain(task, answered) {
      if (answered.kind === 'failed') noteFailure(task);
      answer(task, answered);
    },
    cancel,
  };
}

/** When a step above this one is tried again, so is this one. */
function noteFailure(task: StepTask): void {
  for (let above = task.parent; above !== undefined; above = above.parent) {
    (above.failedBelow ??= []).push(task.path);
  }
}

/** What follows a failed attempt: another one after so many milliseconds, or nothing. */
export type RetryDecision = { readonly delayMs: number } | 'give up';

/**
 * Whether and when a failed attempt is repeated. May call functions of the user's.
 *
 * @param tries - Attempts that have begun in this life, the failed one included.
 */
export function retryDecision(policy: StepPolicy, failure: Failure, tries: number): RetryDecision {
  const { count, delayMs = 0, retryIf } = retryPolicyOf(policy);
  if (!failure.retryable || tries > count) return 'give up';
  if (retryIf !== undefined && !retryIf(failure)) return 'give up';
  const delay = typeof delayMs === 'number' ? delayMs : delayMs(failure, tries);
  if (typeof delay !== 'number' || Number.isNaN(delay)) {
    throw new TypeError(
      `retry.delayMs gave ${String(delay)} after attempt ${String(tries)}, not a number of milliseconds`,
    );
  }
  return { delayMs: Math.max(0, delay) };
}

/** Whether the decision asks functions of the user's, whose answers must be remembered. */
export function asksUser(policy: StepPolicy): boolean {
  const { delayMs, retryIf } = retryPolicyOf(policy);
  return retryIf !== undefined || typeof delayMs === 'function';
}

function retryPolicyOf({ retry }: StepPolicy): RetryPolicy {
  return typeof retry === 'object' ? retry : { count: retry ?? 0 };
}
