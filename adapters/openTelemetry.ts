import type * as Api from '@opentelemetry/api';
import type { MonoTypeOperatorFunction } from 'rxjs';
import { defer, finalize } from 'rxjs';

import type { RunEvent, RunFailed, StepFailed, StepStarted, Transition } from '../lib/model/event';
import { isEnd, isMidway } from '../lib/model/event';
import type { Failure } from '../lib/model/failure';
import { hideSecrets } from '../lib/model/secretTexts';
import { watch } from '../operators/taps/watch';

/** The part of `@opentelemetry/api` that is used. */
export type OpenTelemetryApi = Pick<typeof Api, 'trace' | 'context' | 'SpanStatusCode'>;

/**
 * Turns runs into spans of OpenTelemetry: one for each life of a run, and below it one for each step, nested as the steps
 * are. Without an SDK nothing happens. A tap: it changes nothing in the run.
 *
 * Names and attributes are the GenAI conventions as of 2026, which are still in development: `invoke_workflow`,
 * `invoke_agent`, `gen_ai.operation.name`, `gen_ai.workflow.name`, `gen_ai.agent.name`, `error.type`; ours begin with
 * `millrace.`. Inputs and outputs are not recorded, and what looks like a credential is cut out of names and messages.
 *
 * @example
 * ```ts
 * import * as api from '@opentelemetry/api';
 * run(report, 'book.txt').pipe(traceTo(api), outputs());
 * ```
 */
export function traceTo<O>(api: OpenTelemetryApi): MonoTypeOperatorFunction<Transition<O>> {
  return (source) =>
    defer(() => {
      const tracer = api.trace.getTracer('millrace');
      const outside = api.context.active();
      const traces = new Map<string, RunTrace>();
      return source.pipe(
        watch((transition) => {
          const { event } = transition;
          // Who comes in the middle of a run sees the rest of it.
          if (
            event.type === 'run.started' ||
            event.type === 'run.resumed' ||
            (!traces.has(event.runId) && isMidway(event))
          ) {
            const name = hideSecrets(event.type === 'run.started' ? event.name : transition.state.name);
            traces.set(
              event.runId,
              beginTrace(api, tracer, outside, { event, life: transition.state.life, name }),
            );
          }
          traces.get(event.runId)?.take(event);
          if (isEnd(event)) traces.delete(event.runId);
        }),
        finalize(() => {
          for (const trace of traces.values()) trace.leave();
        }),
      );
    });
}

interface RunTrace {
  take(event: RunEvent): void;
  /** Nobody listens any more. */
  leave(): void;
}

function beginTrace(
  api: OpenTelemetryApi,
  tracer: Api.Tracer,
  outside: Api.Context,
  { event: begun, life, name }: { readonly event: RunEvent; readonly life: number; readonly name: string },
): RunTrace {
  const root = tracer.startSpan(
    `invoke_workflow ${name}`,
    {
      startTime: dateOf(begun.at),
      attributes: {
        'gen_ai.operation.name': 'invoke_workflow',
        'gen_ai.workflow.name': name,
        'millrace.run.id': hideSecrets(begun.runId),
        'millrace.run.life': begun.type === 'run.resumed' ? begun.life : life,
      },
    },
    outside,
  );
  const steps = new Map<string, Api.Span>();

  const begin = (event: StepStarted): void => {
    const running = steps.get(event.path);
    if (running !== undefined) {
      running.addEvent('millrace.attempt', { 'millrace.step.attempt': event.attempt }, dateOf(event.at));
      return;
    }
    const agent = hideSecrets(event.agent);
    const attributes = {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': agent,
      'millrace.step.path': hideSecrets(event.path),
    };
    const parent = api.trace.setSpan(outside, nearestAbove(event.path, steps) ?? root);
    steps.set(
      event.path,
      tracer.startSpan(`invoke_agent ${agent}`, { startTime: dateOf(event.at), attributes }, parent),
    );
  };
  const end = (path: string, at: number, outcome: string): void => {
    const span = steps.get(path);
    steps.delete(path);
    span?.setAttribute('millrace.step.outcome', outcome).end(dateOf(at));
  };
  const fail = (span: Api.Span | undefined, { error, at }: StepFailed | RunFailed): void => {
    const message = hideSecrets(error.message);
    span?.setAttribute('error.type', error.name);
    span?.recordException({ name: error.name, message, ...stackOf(error) }, dateOf(at));
    span?.setStatus({ code: api.SpanStatusCode.ERROR, message });
  };
  const endAll = (outcome: string, at?: number): void => {
    for (const span of steps.values())
      span.setAttribute('millrace.step.outcome', 'cancelled').end(dateOf(at));
    steps.clear();
    root.setAttribute('millrace.run.outcome', outcome).end(dateOf(at));
  };

  return {
    take(event) {
      switch (event.type) {
        case 'step.started':
          begin(event);
          break;
        case 'step.retrying':
          steps.get(event.path)?.addEvent(
            'millrace.retrying',
            {
              'error.type': event.error.name,
              'exception.message': hideSecrets(event.error.message),
              'millrace.delay_ms': event.delayMs,
            },
            dateOf(event.at),
          );
          break;
        case 'step.completed':
        case 'step.failed':
          if (event.type === 'step.failed') fail(steps.get(event.path), event);
          steps.get(event.path)?.setAttribute('millrace.step.attempt', event.attempt);
          end(event.path, event.at, event.type.slice('step.'.length));
          break;
        case 'step.skipped':
        case 'step.cancelled':
        case 'step.suspended':
          end(event.path, event.at, event.type.slice('step.'.length));
          break;
        case 'run.failed':
          fail(root, event);
          endAll('failed', event.at);
          break;
        case 'run.completed':
        case 'run.suspended':
        case 'run.cancelled':
          endAll(event.type.slice('run.'.length), event.at);
          break;
        default:
          break;
      }
    },
    leave() {
      endAll('cancelled');
    },
  };
}

/** Where the error came from, when it was thrown in this process. */
function stackOf({ stack }: Failure): { readonly stack?: string } {
  return stack === undefined ? {} : { stack: hideSecrets(stack) };
}

/** As a number, a time before the process began would pass for one since then; so would virtual time. */
function dateOf(at: number): Date;
function dateOf(at: number | undefined): Date | undefined;
function dateOf(at: number | undefined): Date | undefined {
  return at === undefined ? undefined : new Date(at);
}

/** The span of the innermost step that runs above this path: `pages[3]` or `pages` for `pages[3]/ocr`. */
function nearestAbove(path: string, spans: ReadonlyMap<string, Api.Span>): Api.Span | undefined {
  for (let end = path.length - 1; end > 0; end -= 1) {
    const span = path[end] === '/' || path[end] === '[' ? spans.get(path.slice(0, end)) : undefined;
    if (span !== undefined) return span;
  }
  return undefined;
}
