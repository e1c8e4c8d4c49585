import { types } from 'node:util';

import type { LogData } from '../../../lib/log/entry';
import type { LogLevel, RunEvent, StepCompleted, StepSkipped } from '../../../lib/model/event';
import type { Failure } from '../../../lib/model/failure';

/** What the log says about an event. */
export interface EventEntry {
  readonly message: string;
  readonly data: LogData;
}

const levels: Readonly<Record<Exclude<RunEvent['type'], 'step.logged' | 'run.resumed'>, LogLevel>> = {
  'run.started': 'INFO',
  'run.imported': 'INFO',
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
  return entries[event.type](event as never);
}

const entries: { readonly [K in RunEvent['type']]: (event: Extract<RunEvent, { type: K }>) => EventEntry } = {
  'run.started': ({ runId, plan }) => entry('run started', () => ({ runId, steps: plan.length })),
  'run.imported': ({ runId, state }) =>
    entry('run put in as it stands', () => ({ runId, status: state.status, steps: state.steps.size })),
  'run.resumed': ({ runId, life, reused, dropped }) =>
    entry(`run resumed: ${reused} finished steps are reused`, () => ({ runId, life, reused, dropped })),
  'step.started': (event) => entry('step started', () => ofAttempt(event)),
  'step.emitted': (event) =>
    entry('step emitted', () => ({ ...ofAttempt(event), index: event.index, value: event.value })),
  'step.logged': ({ runId, path, message, data }) =>
    entry(message, () => {
      const told = typeof data === 'function' ? (data as () => unknown)() : data;
      return { runId, path, ...fieldsOf(told) };
    }),
  'step.retrying': (event) =>
    entry(`attempt ${event.attempt} failed, next in ${event.delayMs} ms: ${event.error.message}`, () => ({
      ...ofAttempt(event),
      delayMs: event.delayMs,
      error: withStacks(event.error),
    })),
  'step.completed': (event) =>
    entry('step completed', () => ({ ...ofAttempt(event), duration: event.duration })),
  'step.failed': (event) =>
    entry(failedBecause('step', event.error, event.path), () => ({
      ...ofAttempt(event),
      duration: event.duration,
      ...cause(event.error, event.path),
    })),
  'step.skipped': ({ runId, path, agent, reason }) =>
    entry(`step skipped: ${skipped[reason]}`, () => ({ runId, path, agent, reason })),
  'step.cancelled': ({ runId, path }) => entry('step cancelled', () => ({ runId, path })),
  'step.suspended': (event) =>
    entry('step waits for an answer', () => ({
      ...ofAttempt(event),
      request: event.request,
      deadline: event.deadline,
    })),
  'step.answered': ({ runId, path, by }) =>
    entry(by === 'answer' ? 'step was answered' : 'step was not answered in time', () => ({
      runId,
      path,
      by,
    })),
  'run.completed': ({ runId, duration, replayed }) =>
    replayed === true
      ? entry('run had completed before, nothing ran', () => ({ runId }))
      : entry('run completed', () => ({ runId, duration })),
  'run.failed': ({ runId, duration, error }) =>
    entry(failedBecause('run', error, undefined), () => ({ runId, duration, ...cause(error, undefined) })),
  'run.suspended': ({ runId, duration, waiting, reason }) =>
    entry(
      waiting.length > 0
        ? `run waits for ${waiting.join(', ')}`
        : 'run stopped: it goes on when it is served again',
      () => ({ runId, duration, reason }),
    ),
  'run.cancelled': ({ runId, duration, reason, error }) =>
    error === undefined
      ? entry('run cancelled', () => ({ runId, duration, reason }))
      : entry(`run cancelled: ${error.message}`, () => ({
          runId,
          duration,
          reason,
          ...cause(error, undefined),
        })),
};

const skipped: Readonly<Record<StepSkipped['reason'], string>> = {
  when: 'its condition was false',
  lost: 'another won',
  upstream: 'what it needs has failed',
  abandoned: 'nobody needs it any more',
};

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
