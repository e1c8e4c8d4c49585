import { types } from 'node:util';

import type { LogData } from '../../../lib/log/entry';
import type { LogLevel, RunEvent, StepCompleted, StepFailed } from '../../../lib/model/event';
import type { Failure } from '../../../lib/model/failure';

/** What the log says about an event. */
export interface EventEntry {
  readonly message: string;
  readonly data: LogData;
}

const levels: Readonly<Record<Exclude<RunEvent['type'], 'step.logged' | 'run.resumed'>, LogLevel>> = {
  'run.started': 'INFO',
  'run.completed': 'INFO',
  'run.failed': 'ERROR',
  'run.suspended': 'INFO',
  'run.cancelled': 'WARNING',
  'step.started': 'DEBUG',
  'step.emitted': 'DEBUG',
  'step.retrying': 'WARNING',
  'step.completed': 'INFO',
  'step.failed': 'ERROR',
  'step.skipped': 'INFO',
  'step.cancelled': 'INFO',
  'step.suspended': 'INFO',
  'step.answered': 'INFO',
};

/** How serious an event is. */
export function levelOf(event: RunEvent): LogLevel {
  if (event.type === 'step.logged') return event.level;
  // A changed definition deserves a second look.
  if (event.type === 'run.resumed') return event.plan === undefined ? 'INFO' : 'WARNING';
  return levels[event.type];
}

/** The log entry for an event. Details that cost something are functions, called only when the entry is kept. */
export function entryOf(event: RunEvent): EventEntry {
  const { runId } = event;
  switch (event.type) {
    case 'run.started':
      return entry('run started', () => ({ runId, steps: event.plan.length }));
    case 'run.resumed': {
      const message = `run resumed: ${event.reused} finished steps are reused`;
      return entry(message, () => ({
        runId,
        life: event.life,
        reused: event.reused,
        dropped: event.dropped,
      }));
    }
    case 'step.started':
      return entry('step started', () => ofAttempt(event));
    case 'step.emitted':
      return entry('step emitted', () => ({
        ...ofAttempt(event),
        index: event.index,
        value: event.value,
      }));
    case 'step.logged':
      return entry(event.message, () => {
        const data = typeof event.data === 'function' ? (event.data as () => unknown)() : event.data;
        return { runId, path: event.path, ...fieldsOf(data) };
      });
    case 'step.retrying':
      return entry(
        `attempt ${event.attempt} failed, next in ${event.delayMs} ms: ${event.error.message}`,
        () => ({
          ...ofAttempt(event),
          delayMs: event.delayMs,
          error: withStacks(event.error),
        }),
      );
    case 'step.completed':
      return entry('step completed', () => ({ ...ofAttempt(event), duration: event.duration }));
    case 'step.failed':
      return failedEntry(event);
    case 'step.skipped':
      return entry(
        event.reason === 'when' ? 'step skipped: its condition was false' : 'step skipped: another won',
        () => ({
          runId,
          path: event.path,
          agent: event.agent,
          reason: event.reason,
        }),
      );
    case 'step.cancelled':
      return entry('step cancelled', () => ({ runId, path: event.path }));
    case 'step.suspended':
      return entry('step waits for an answer', () => ({
        ...ofAttempt(event),
        request: event.request,
        deadline: event.deadline,
      }));
    case 'step.answered':
      return entry(event.by === 'answer' ? 'step was answered' : 'step was not answered in time', () => ({
        runId,
        path: event.path,
        by: event.by,
      }));
    case 'run.completed':
      return event.replayed === true
        ? entry('run had completed before, nothing ran', () => ({ runId }))
        : entry('run completed', () => ({ runId, duration: event.duration }));
    case 'run.failed':
      return entry(failedBecause('run', event.error, undefined), () => ({
        runId,
        duration: event.duration,
        ...cause(event.error, undefined),
      }));
    case 'run.suspended':
      return entry(`run waits for ${event.waiting.join(', ')}`, () => ({
        runId,
        duration: event.duration,
      }));
    case 'run.cancelled':
      return entry('run cancelled', () => ({
        runId,
        duration: event.duration,
        reason: event.reason,
      }));
  }
}

/** What an agent logs as fields of the entry; as one field when it has none, or when they would hide the run and the step. */
function fieldsOf(data: unknown): object {
  if (data === undefined) return {};
  if (types.isNativeError(data) || data instanceof Error) return { error: data };
  const hasFields = typeof data === 'object' && data !== null && !isWhole(data);
  return hasFields && !('runId' in data || 'path' in data) ? data : { data };
}

/** Whether spreading it would lose what it says. */
function isWhole(data: object): boolean {
  return Array.isArray(data) || types.isMap(data) || types.isSet(data) || 'toJSON' in data;
}

/** What a step gave, for the details that only `DEBUG` shows. */
export function outputEntryOf(event: StepCompleted): EventEntry {
  return entry('step output', () => ({
    runId: event.runId,
    path: event.path,
    output: event.output,
  }));
}

function entry(message: string, data: LogData): EventEntry {
  return { message, data };
}

function failedEntry(event: StepFailed): EventEntry {
  return entry(failedBecause('step', event.error, event.path), () => ({
    ...ofAttempt(event),
    duration: event.duration,
    ...cause(event.error, event.path),
  }));
}

/** The error itself is told where it began; above that, only where that was. */
function failedBecause(what: string, error: Failure, path: string | undefined): string {
  const began = error.path;
  return began === undefined || began === path
    ? `${what} failed: ${error.message}`
    : `${what} failed at step ${began}`;
}

function cause(
  error: Failure,
  path: string | undefined,
): { readonly error?: Failure; readonly failedStep?: string } {
  return error.path === undefined || error.path === path
    ? { error: withStacks(error) }
    : { failedStep: error.path };
}

/** The failure with the stacks that it holds back from JSON. */
function withStacks(failure: Failure): Failure {
  const { stack, cause, errors } = failure;
  return {
    ...failure,
    ...(stack === undefined ? {} : { stack }),
    ...(cause === undefined ? {} : { cause: withStacks(cause) }),
    ...(errors === undefined ? {} : { errors: errors.map(withStacks) }),
  };
}

function ofAttempt(event: Extract<RunEvent, { attempt: number }>): Record<string, unknown> {
  return { runId: event.runId, path: event.path, agent: event.agent, attempt: event.attempt };
}
