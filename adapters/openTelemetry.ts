import type * as Api from '@opentelemetry/api';
import type { MonoTypeOperatorFunction } from 'rxjs';
import { defer, finalize } from 'rxjs';

import type {
  RunEvent,
  RunFailed,
  StepFailed,
  StepRetrying,
  StepStarted,
  Transition,
} from '../lib/model/event';
import { isEnd, isMidway } from '../lib/model/event';
import type { Failure } from '../lib/model/failure';
import { hideSecrets } from '../lib/model/secrets/secretTexts';
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
              new RunTrace(api, tracer, outside, { event, life: transition.state.life, name }),
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

/** The spans of one life of a run. */
class RunTrace {
  readonly #api: OpenTelemetryApi;
  readonly #tracer: Api.Tracer;
  readonly #outside: Api.Context;
  readonly #root: Api.Span;
  readonly #steps = new Map<string, Api.Span>();

  constructor(
    api: OpenTelemetryApi,
    tracer: Api.Tracer,
    outside: Api.Context,
    { event: begun, life, name }: { readonly event: RunEvent; readonly life: number; readonly name: string },
  ) {
    this.#api = api;
    this.#tracer = tracer;
    this.#outside = outside;
    const attributes = {
      'gen_ai.operation.name': 'invoke_workflow',
      'gen_ai.workflow.name': name,
      'millrace.run.id': hideSecrets(begun.runId),
      'millrace.run.life': begun.type === 'run.resumed' ? begun.life : life,
    };
    this.#root = tracer.startSpan(
      `invoke_workflow ${name}`,
      { startTime: dateOf(begun.at), attributes },
      outside,
    );
  }

  take(event: RunEvent): void {
    switch (event.type) {
      case 'step.started':
        this.#begin(event);
        break;
      case 'step.retrying':
        this.#noteRetry(event);
        break;
      case 'step.completed':
      case 'step.failed':
        if (event.type === 'step.failed') this.#fail(this.#steps.get(event.path), event);
        this.#steps.get(event.path)?.setAttribute('millrace.step.attempt', event.attempt);
        this.#end(event);
        break;
      case 'step.skipped':
      case 'step.cancelled':
      case 'step.suspended':
        this.#end(event);
        break;
      case 'run.failed':
        this.#fail(this.#root, event);
        this.#endAll('failed', event.at);
        break;
      case 'run.completed':
      case 'run.suspended':
      case 'run.cancelled':
        this.#endAll(event.type.slice('run.'.length), event.at);
        break;
      default:
        break;
    }
  }

  /** Nobody listens any more. */
  leave(): void {
    this.#endAll('cancelled');
  }

  #begin(event: StepStarted): void {
    const running = this.#steps.get(event.path);
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
    const above = nearestAbove(event.path, this.#steps) ?? this.#root;
    const span = this.#tracer.startSpan(
      `invoke_agent ${agent}`,
      { startTime: dateOf(event.at), attributes },
      this.#api.trace.setSpan(this.#outside, above),
    );
    this.#steps.set(event.path, span);
  }

  #noteRetry({ path, error, delayMs, at }: StepRetrying): void {
    const attributes = {
      'error.type': error.name,
      'exception.message': hideSecrets(error.message),
      'millrace.delay_ms': delayMs,
    };
    (path === '' ? this.#root : this.#steps.get(path))?.addEvent('millrace.retrying', attributes, dateOf(at));
  }

  #fail(span: Api.Span | undefined, { error, at }: StepFailed | RunFailed): void {
    const message = hideSecrets(error.message);
    span?.setAttribute('error.type', error.name);
    span?.recordException({ name: error.name, message, ...stackOf(error) }, dateOf(at));
    span?.setStatus({ code: this.#api.SpanStatusCode.ERROR, message });
  }

  #end({ type, path, at }: Extract<RunEvent, { path: string }>): void {
    const span = this.#steps.get(path);
    this.#steps.delete(path);
    span?.setAttribute('millrace.step.outcome', type.slice('step.'.length)).end(dateOf(at));
  }

  #endAll(outcome: string, at?: number): void {
    for (const span of this.#steps.values())
      span.setAttribute('millrace.step.outcome', 'cancelled').end(dateOf(at));
    this.#steps.clear();
    this.#root.setAttribute('millrace.run.outcome', outcome).end(dateOf(at));
  }
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
