import type { LogData } from '../../lib/log/entry';
import type { RunEvent, StepCompleted, StepFailed } from '../../lib/model/event';
import type { Failure } from '../../lib/model/failure';
import type { LogLevel } from '../../lib/model/logLevel';

/** What the log says about an event. */
export interface EventEntry {
  readonly level: LogLevel;
  readonly message: string;
  readonly data: LogData | undefined;
}

/** The log entry for an event. Details that cost something are functions, called only when the entry is kept. */
export function entryOf(event: RunEvent): EventEntry {
  const { runId } = event;
  switch (event.type) {
    case 'run.started':
      return entry('INFO', 'run started', () => ({ runId, steps: event.plan.length }));
    case 'run.resumed': {
      const message = `run resumed: ${event.reused} finished steps are reused`;
      return entry(event.plan === undefined ? 'INFO' : 'WARNING', message, () => ({
        runId,
        life: event.life,
        reused: event.reused,
        dropped: event.dropped,
      }));
    }
    case 'step.started':
      return entry('DEBUG', 'step started', () => ofAttempt(event));
    case 'step.emitted':
      return entry('DEBUG', 'step emitted', () => ({
        ...ofAttempt(event),
        index: event.index,
        value: event.value,
      }));
    case 'step.logged':
      return entry(event.level, event.message, () => {
        const data = typeof event.data === 'function' ? (event.data as () => object)() : event.data;
        return {
          runId,
          path: event.path,
          ...(data === undefined ? {} : Array.isArray(data) ? { data } : data),
        };
      });
    case 'step.retrying':
      return entry(
        'WARNING',
        `attempt ${event.attempt} failed, next in ${event.delayMs} ms: ${event.error.message}`,
        () => ({
          ...ofAttempt(event),
          delayMs: event.delayMs,
          error: event.error,
        }),
      );
    case 'step.completed':
      return entry('INFO', 'step completed', () => ({ ...ofAttempt(event), duration: event.duration }));
    case 'step.failed':
      return failedEntry(event);
    case 'step.skipped':
      return entry(
        'INFO',
        event.reason === 'when' ? 'step skipped: its condition was false' : 'step skipped: another won',
        () => ({
          runId,
          path: event.path,
          agent: event.agent,
          reason: event.reason,
        }),
      );
    case 'step.cancelled':
      return entry('INFO', 'step cancelled', () => ({ runId, path: event.path }));
    case 'step.suspended':
      return entry('INFO', 'step waits for an answer', () => ({
        ...ofAttempt(event),
        request: event.request,
        deadline: event.deadline,
      }));
    case 'step.answered':
      return entry(
        'INFO',
        event.by === 'answer' ? 'step was answered' : 'step was not answered in time',
        () => ({
          runId,
          path: event.path,
          by: event.by,
        }),
      );
    case 'run.completed':
      return event.replayed === true
        ? entry('INFO', 'run had completed before, nothing ran', () => ({ runId }))
        : entry('INFO', 'run completed', () => ({ runId, duration: event.duration }));
    case 'run.failed':
      return entry('ERROR', failedBecause('run', event.error, undefined), () => ({
        runId,
        duration: event.duration,
        ...cause(event.error, undefined),
      }));
    case 'run.suspended':
      return entry('INFO', `run waits for ${event.waiting.join(', ')}`, () => ({
        runId,
        duration: event.duration,
      }));
    case 'run.cancelled':
      return entry('WARNING', 'run cancelled', () => ({
        runId,
        duration: event.duration,
        reason: event.reason,
      }));
  }
}

/** What a step gave, for the details that only `DEBUG` shows. */
export function outputEntryOf(event: StepCompleted): EventEntry {
  return entry('DEBUG', 'step output', () => ({
    runId: event.runId,
    path: event.path,
    output: event.output,
  }));
}

function entry(level: LogLevel, message: string, data: LogData): EventEntry {
  return { level, message, data };
}

function failedEntry(event: StepFailed): EventEntry {
  return entry('ERROR', failedBecause('step', event.error, event.path), () => ({
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
  return error.path === undefined || error.path === path ? { error } : { failedStep: error.path };
}

function ofAttempt(event: Extract<RunEvent, { attempt: number }>): Record<string, unknown> {
  return { runId: event.runId, path: event.path, agent: event.agent, attempt: event.attempt };
}
