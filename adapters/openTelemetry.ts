import type * as Api from '@opentelemetry/api';
import type { MonoTypeOperatorFunction } from 'rxjs';

import type {
  RunEvent,
  RunFailed,
  StepCompleted,
  StepFailed,
  StepRetrying,
  StepStarted,
  Transition,
} from '../lib/model/event';
import { isEnd, isMidway } from '../lib/model/event';
import type { ModelAnswer } from '../lib/definition/languageModel';
import type { ModelWork } from '../lib/definition/definition';
import type { ScopedStep } from '../lib/engine/local/callScopes';
import { scopeCalls } from '../lib/engine/local/callScopes';
import type { Stop } from '../lib/streams/pull';
import type { Failure } from '../lib/model/failure';
import type { StepsByPath } from '../lib/model/stepPath';
import { pathsAbove } from '../lib/model/stepPath';
import { hideSecrets } from '../lib/model/secrets/secretTexts';
import type { TapOptions } from '../operators/taps/tap';
import { sideEffect } from '../operators/taps/tap';

/** The part of `@opentelemetry/api` that is used. */
export type OpenTelemetryApi = Pick<typeof Api, 'trace' | 'context' | 'SpanStatusCode'>;

/**
 * Turns runs into spans of OpenTelemetry: one for each life of a run, and below it one for each step, nested as the steps
 * are. Without an SDK nothing happens. A tap: it changes nothing in the run, also where the SDK throws.
 *
 * The span of a step is the active one while its function is called in this process: what a function does, such as a request, becomes
 * a span below it where the SDK has a context manager. On an engine functions are called elsewhere, in a trace of their own.
 *
 * Names and attributes are the GenAI conventions as of 2026, which are still in development: `invoke_workflow`, `invoke_agent`, for
 * models and tools of `millrace/ai` `chat` and `execute_tool`, with `gen_ai.request.model`, `gen_ai.provider.name`,
 * `gen_ai.usage.input_tokens`, `gen_ai.usage.output_tokens`, `gen_ai.response.finish_reasons`, `gen_ai.tool.name`,
 * `gen_ai.tool.call.id`; `gen_ai.operation.name`, `gen_ai.workflow.name`, `gen_ai.agent.name`, `error.type`; ours begin with
 * `millrace.`. Inputs and outputs are not recorded, and what looks like a credential is cut out of names and messages.
 *
 * @example
 * ```ts
 * import * as api from '@opentelemetry/api';
 * run(report, 'book.txt').pipe(traceTo(api), outputs());
 * ```
 */
export function traceTo<O>(
  api: OpenTelemetryApi,
  options: TapOptions = {},
): MonoTypeOperatorFunction<Transition<O>> {
  return sideEffect<Transition<O>>(
    'traceTo',
    (attempt) => {
      const tracer = api.trace.getTracer('millrace');
      const outside = api.context.active();
      const traces = new Map<string, RunTrace>();
      return {
        next(transition) {
          const { event } = transition;
          // Who comes in the middle of a run sees the rest of it.
          if (
            event.type === 'run.started' ||
            event.type === 'run.resumed' ||
            (!traces.has(event.runId) && isMidway(event))
          ) {
            // A life that the store broke off has no end.
            traces.get(event.runId)?.leave();
            const name = hideSecrets(event.type === 'run.started' ? event.name : transition.state.name);
            traces.set(
              event.runId,
              new RunTrace(api, tracer, outside, {
                event,
                life: transition.state.life,
                name,
                incarnation: transition.state.incarnation,
              }),
            );
          }
          const trace = traces.get(event.runId);
          if (isEnd(event)) traces.delete(event.runId);
          // Not every event asks for the state, which is made when it is read.
          trace?.take(event, { get: (path) => transition.state.steps.get(path) });
        },
        end() {
          for (const trace of traces.values())
            attempt(() => {
              trace.leave();
            });
        },
      };
    },
    options,
  );
}

/** How a life that is traced has begun. */
interface BegunRun {
  readonly event: RunEvent;
  readonly life: number;
  readonly name: string;
  readonly incarnation: string | undefined;
}

/** A step under way. */
interface OpenStep {
  readonly span: Api.Span;
  attempt: number;
  does: ModelWork | undefined;
}

/** How a step begins: as its event says, or its call, which may come first. */
type Begun = Pick<StepStarted, 'path' | 'agent' | 'attempt'> & { readonly at: number | undefined };

/** The spans of one life of a run. */
class RunTrace {
  readonly #api: OpenTelemetryApi;
  readonly #tracer: Api.Tracer;
  readonly #outside: Api.Context;
  readonly #root: Api.Span;
  readonly #steps = new Map<string, OpenStep>();
  readonly #stopScoping: Stop;

  constructor(
    api: OpenTelemetryApi,
    tracer: Api.Tracer,
    outside: Api.Context,
    { event: begun, life, name, incarnation }: BegunRun,
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
    const run = { runId: begun.runId, ...(incarnation !== undefined && { incarnation }) };
    this.#stopScoping = scopeCalls(run, (step, call) => this.#within(step, call));
  }

  /** Calls a function with the span of its step as the active one. */
  #within<T>(step: ScopedStep, call: () => T): T {
    let active: Api.Context;
    try {
      active = this.#api.trace.setSpan(this.#outside, this.#opened(step).span);
    } catch {
      // The step must not notice; what cannot be begun is reported with its event.
      return call();
    }
    return this.#api.context.with(active, call);
  }

  /** The span of a step, also where its event waits for the disk, or for events that do. */
  #opened(step: ScopedStep): OpenStep {
    const { path, definition, attempt, parent } = step;
    // The root of a run is no step.
    const above = parent === undefined || parent.path === '' ? undefined : this.#opened(parent);
    const begun = { path, agent: definition.name, attempt, at: undefined };
    const open = this.#steps.get(path) ?? this.#begin(begun, above);
    if (open.does === undefined && definition.does !== undefined) {
      open.does = definition.does;
      const { name, attributes } = workOf(definition.does, step.input);
      open.span.updateName(name).setAttributes(attributes);
    }
    return open;
  }

  take(event: RunEvent, steps: StepsByPath): void {
    switch (event.type) {
      case 'step.started':
        this.#begin(event, innermostAbove(event.path, this.#steps, steps));
        break;
      case 'step.retrying':
        this.#noteRetry(event);
        break;
      case 'step.completed':
      case 'step.failed':
        if (event.type === 'step.failed') this.#fail(this.#steps.get(event.path)?.span, event);
        else this.#noteUsage(event);
        this.#steps.get(event.path)?.span.setAttribute('millrace.step.attempt', event.attempt);
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

  #begin(event: Begun, above: OpenStep | undefined): OpenStep {
    const running = this.#steps.get(event.path);
    if (running !== undefined) {
      if (running.attempt < event.attempt) {
        const attributes = { 'millrace.step.attempt': event.attempt };
        running.span.addEvent('millrace.attempt', attributes, dateOf(event.at));
        running.attempt = event.attempt;
      }
      return running;
    }
    const agent = hideSecrets(event.agent);
    const attributes = {
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': agent,
      'millrace.step.path': hideSecrets(event.path),
    };
    const span = this.#tracer.startSpan(
      `invoke_agent ${agent}`,
      { ...(event.at !== undefined && { startTime: dateOf(event.at) }), attributes },
      this.#api.trace.setSpan(this.#outside, above?.span ?? this.#root),
    );
    const open: OpenStep = { span, attempt: event.attempt, does: undefined };
    this.#steps.set(event.path, open);
    return open;
  }

  /** What a model has used. */
  #noteUsage({ path, output }: StepCompleted): void {
    const open = this.#steps.get(path);
    if (open?.does?.operation !== 'chat' || typeof output !== 'object' || output === null) return;
    const { usage, finish } = output as Partial<ModelAnswer>;
    open.span.setAttributes({
      ...(usage !== undefined && {
        'gen_ai.usage.input_tokens': usage.inputTokens,
        'gen_ai.usage.output_tokens': usage.outputTokens,
      }),
      ...(finish !== undefined && { 'gen_ai.response.finish_reasons': [finish] }),
    });
  }

  #noteRetry({ path, error, delayMs, at }: StepRetrying): void {
    const attributes = {
      'error.type': error.name,
      'exception.message': hideSecrets(error.message),
      'millrace.delay_ms': delayMs,
    };
    (path === '' ? this.#root : this.#steps.get(path)?.span)?.addEvent(
      'millrace.retrying',
      attributes,
      dateOf(at),
    );
  }

  #fail(span: Api.Span | undefined, { error, at }: StepFailed | RunFailed): void {
    const message = hideSecrets(error.message);
    span?.setAttribute('error.type', error.name);
    span?.recordException({ name: error.name, message, ...stackOf(error) }, dateOf(at));
    span?.setStatus({ code: this.#api.SpanStatusCode.ERROR, message });
  }

  #end({ type, path, at }: Extract<RunEvent, { path: string }>): void {
    const { span } = this.#steps.get(path) ?? {};
    this.#steps.delete(path);
    span?.setAttribute('millrace.step.outcome', type.slice('step.'.length)).end(dateOf(at));
  }

  #endAll(outcome: string, at?: number): void {
    this.#stopScoping();
    for (const { span } of this.#steps.values())
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

/** The innermost step under way above this path: `pages[3]` or `pages` for `pages[3]/ocr`. */
function innermostAbove(
  path: string,
  open: ReadonlyMap<string, OpenStep>,
  steps: StepsByPath,
): OpenStep | undefined {
  const above = pathsAbove(path, steps).find((one) => open.has(one));
  return above === undefined ? undefined : open.get(above);
}

/** What a step does beside being one, in the words of the conventions. */
function workOf(
  does: ModelWork,
  input: unknown,
): { readonly name: string; readonly attributes: Api.Attributes } {
  const operation = { 'gen_ai.operation.name': does.operation };
  if (does.operation === 'chat') {
    const model = hideSecrets(does.model);
    return {
      name: `chat ${model}`,
      attributes: {
        ...operation,
        'gen_ai.request.model': model,
        ...(does.provider !== undefined && { 'gen_ai.provider.name': does.provider }),
      },
    };
  }
  const { id } = (input ?? {}) as { readonly id?: unknown };
  return {
    name: `execute_tool ${hideSecrets(does.tool)}`,
    attributes: {
      ...operation,
      'gen_ai.tool.name': hideSecrets(does.tool),
      'gen_ai.tool.type': 'function',
      ...(typeof id === 'string' && { 'gen_ai.tool.call.id': hideSecrets(id) }),
    },
  };
}
