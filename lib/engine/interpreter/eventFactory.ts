import type { LogLevel, RunEvent, StepSkipped } from '../../model/event';
import type { Failure } from '../../model/failure';
import type { Engine } from '../engine';
import type { StepTask } from '../task';

/** Makes the events of one life: numbers them and asks the engine for the time. */
export interface StepEvents {
  /** Number of the latest journaled event. */
  seq(): number;
  /** Seconds since this reading of the engine's steady clock. */
  seconds(since: number): number;
  started(task: StepTask, dropped: readonly string[]): RunEvent;
  emitted(task: StepTask, index: number, value: unknown): RunEvent;
  logged(path: string, level: LogLevel, message: string, data?: object | (() => object)): RunEvent;
  retrying(task: StepTask, error: Failure, delayMs: number): RunEvent;
  completed(task: StepTask, output: unknown, kept: readonly unknown[] | undefined): RunEvent;
  recalled(task: StepTask, output: unknown, kept: readonly unknown[] | undefined): RunEvent;
  failed(task: StepTask, error: Failure): RunEvent;
  skipped(path: string, agent: string, reason: StepSkipped['reason'], output?: unknown): RunEvent;
  cancelled(path: string): RunEvent;
  suspended(task: StepTask, request: unknown, deadline: number | undefined): RunEvent;
  answered(path: string, answer: { readonly by: 'answer' | 'deadline'; readonly value?: unknown }): RunEvent;
  runCompleted(output: unknown): RunEvent;
  runFailed(error: Failure): RunEvent;
  runSuspended(waiting: readonly string[]): RunEvent;
  runCancelled(reason: string | undefined): RunEvent;
}

/**
 * @param latestSeq - Number of the latest journaled event of the run.
 */
export function stepEvents(runId: string, engine: Engine, latestSeq: number): StepEvents {
  const lifeBegan = engine.elapsed();
  let seq = latestSeq;
  const next = (): number => (seq += 1);
  // To the microsecond: no clock is better, and the digits beyond would be journaled for every step.
  const seconds = (since: number): number => Math.round((engine.elapsed() - since) * 1e3) / 1e6;

  // Whole literals, not spreads of a common part: these run for every step.
  return {
    seq: () => seq,
    seconds,
    started({ path, definition: { name }, attempt, policy, input }, dropped) {
      const event: RunEvent = {
        type: 'step.started',
        runId,
        seq: next(),
        at: engine.now(),
        path,
        agent: name,
        attempt,
      };
      if (policy.critical !== true && policy.checkInput !== true && dropped.length === 0) return event;
      const inputHash = policy.checkInput === true ? engine.hash(input) : undefined;
      return {
        ...event,
        ...(policy.critical === true && { critical: true }),
        ...(inputHash !== undefined && { inputHash }),
        ...(dropped.length > 0 && { dropped }),
      };
    },
    emitted: ({ path, definition: { name }, attempt }, index, value) => ({
      type: 'step.emitted',
      runId,
      seq,
      at: engine.now(),
      path,
      agent: name,
      attempt,
      index,
      value,
    }),
    logged(path, level, message, data) {
      const event: RunEvent = { type: 'step.logged', runId, seq, at: engine.now(), path, level, message };
      return data === undefined ? event : { ...event, data };
    },
    retrying: ({ path, definition: { name }, attempt, failedBelow }, error, delayMs) => ({
      type: 'step.retrying',
      runId,
      seq: next(),
      at: engine.now(),
      path,
      agent: name,
      attempt,
      error,
      delayMs,
      ...(failedBelow !== undefined && { reset: failedBelow }),
    }),
    completed(task, output, kept) {
      const event: RunEvent = {
        type: 'step.completed',
        runId,
        seq: next(),
        at: engine.now(),
        path: task.path,
        agent: task.definition.name,
        attempt: task.attempt,
        output,
        duration: seconds(task.startedAt),
      };
      return task.partials === 0
        ? event
        : { ...event, partials: task.partials, ...(kept !== undefined && { kept }) };
    },
    recalled: (task, output, kept) => ({
      type: 'step.completed',
      runId,
      seq: next(),
      at: engine.now(),
      path: task.path,
      agent: task.definition.name,
      attempt: task.attempt,
      output,
      duration: seconds(task.startedAt),
      ...(kept !== undefined && { partials: kept.length, kept }),
      cached: true,
    }),
    failed: ({ path, definition: { name }, attempt, tries, startedAt }, error) => ({
      type: 'step.failed',
      runId,
      seq: next(),
      at: engine.now(),
      path,
      agent: name,
      attempt,
      error,
      duration: tries === 0 ? 0 : seconds(startedAt),
    }),
    skipped(path, agent, reason, output) {
      const event: RunEvent = {
        type: 'step.skipped',
        runId,
        seq: next(),
        at: engine.now(),
        path,
        agent,
        reason,
      };
      return output === undefined ? event : { ...event, output };
    },
    cancelled: (path) => ({ type: 'step.cancelled', runId, seq: next(), at: engine.now(), path }),
    suspended: ({ path, definition: { name }, attempt }, request, deadline) => ({
      type: 'step.suspended',
      runId,
      seq: next(),
      at: engine.now(),
      path,
      agent: name,
      attempt,
      request,
      ...(deadline !== undefined && { deadline }),
    }),
    answered: (path, answer) => ({
      type: 'step.answered',
      runId,
      seq: next(),
      at: engine.now(),
      path,
      ...answer,
    }),
    runCompleted: (output) => ({
      type: 'run.completed',
      runId,
      seq: next(),
      at: engine.now(),
      output,
      duration: seconds(lifeBegan),
    }),
    runFailed: (error) => ({
      type: 'run.failed',
      runId,
      seq: next(),
      at: engine.now(),
      error,
      duration: seconds(lifeBegan),
    }),
    runSuspended: (waiting) => ({
      type: 'run.suspended',
      runId,
      seq: next(),
      at: engine.now(),
      waiting,
      duration: seconds(lifeBegan),
    }),
    runCancelled: (reason) => ({
      type: 'run.cancelled',
      runId,
      seq: next(),
      at: engine.now(),
      duration: seconds(lifeBegan),
      ...(reason !== undefined && { reason }),
    }),
  };
}
