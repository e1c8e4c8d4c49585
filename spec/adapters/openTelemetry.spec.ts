import * as api from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { concat, from, NEVER } from 'rxjs';

import { traceTo } from '../../adapters/openTelemetry';
import type { RunFact } from '../../lib/model/event';
import { attempt, started, transitionsOf } from '../support/events';

const exporter = new InMemorySpanExporter();
beforeAll(() => {
  api.trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
});
afterEach(() => {
  exporter.reset();
});
afterAll(() => {
  api.trace.disable();
});

const error = { name: 'TypeError', message: 'no', path: 'a', retryable: true };

function spansOf(facts: readonly RunFact[]): Map<string, ReadableSpan> {
  from(transitionsOf('r', facts)).pipe(traceTo(api)).subscribe();
  return new Map(exporter.getFinishedSpans().map((span) => [span.name, span]));
}

describe('traceTo()', () => {
  it('gives a span for the run, and one for each step, nested as the steps are, at the times of the events', () => {
    const spans = spansOf([
      started,
      { type: 'step.started', ...attempt('pages', 'each page') },
      { type: 'step.started', ...attempt('pages[0]/ocr', 'ocr') },
      { type: 'step.completed', ...attempt('pages[0]/ocr', 'ocr'), output: 'secret', duration: 1 },
      { type: 'step.completed', ...attempt('pages', 'each page'), output: 1, duration: 3 },
      { type: 'run.completed', output: 1, duration: 5 },
    ]);
    const [run, each, ocr] = ['invoke_workflow w', 'invoke_agent each page', 'invoke_agent ocr'].map((name) =>
      spans.get(name)!,
    );
    expect(spans.size).toBe(3);
    expect(run!.attributes).toEqual({
      'gen_ai.operation.name': 'invoke_workflow',
      'gen_ai.workflow.name': 'w',
      'millrace.run.id': 'r',
      'millrace.run.life': 1,
      'millrace.run.outcome': 'completed',
    });
    expect(ocr!.attributes).toEqual({
      'gen_ai.operation.name': 'invoke_agent',
      'gen_ai.agent.name': 'ocr',
      'millrace.step.path': 'pages[0]/ocr',
      'millrace.step.attempt': 1,
      'millrace.step.outcome': 'completed',
    });
    expect(each!.parentSpanContext?.spanId).toBe(run!.spanContext().spanId);
    expect(ocr!.parentSpanContext?.spanId).toBe(each!.spanContext().spanId);
    expect([run!.startTime, run!.endTime, ocr!.startTime, ocr!.endTime]).toEqual([
      [1, 0],
      [6, 0],
      [3, 0],
      [4, 0],
    ]);
    expect(
      JSON.stringify(exporter.getFinishedSpans().map(({ attributes, events }) => [attributes, events])),
    ).not.toContain('secret');
  });

  it('puts the second step of a name beside the first, not below it', () => {
    const spans = spansOf([
      started,
      { type: 'step.started', ...attempt('race', 'race') },
      { type: 'step.started', ...attempt('race/pay', 'first') },
      { type: 'step.started', ...attempt('race/pay[1]', 'second') },
      { type: 'step.started', ...attempt('race/pay[1]/card', 'card') },
      { type: 'run.cancelled', duration: 5 },
    ]);
    const parentOf = (agent: string) => spans.get(`invoke_agent ${agent}`)?.parentSpanContext?.spanId;
    const idOf = (agent: string) => spans.get(`invoke_agent ${agent}`)?.spanContext().spanId;
    expect([parentOf('first'), parentOf('second')]).toEqual([idOf('race'), idOf('race')]);
    expect(parentOf('card')).toBe(idOf('second'));
  });

  it('tells retries as events and failures as errors', () => {
    const spans = spansOf([
      started,
      { type: 'step.started', ...attempt('a') },
      { type: 'step.retrying', ...attempt('a'), error, delayMs: 5 },
      { type: 'step.started', ...attempt('a'), attempt: 2 },
      { type: 'step.failed', ...attempt('a'), attempt: 2, error, duration: 1 },
      { type: 'run.failed', error, duration: 5 },
    ]);
    const step = spans.get('invoke_agent a');
    expect(step?.events.map(({ name }) => name)).toEqual([
      'millrace.retrying',
      'millrace.attempt',
      'exception',
    ]);
    expect(step?.attributes).toMatchObject({
      'error.type': 'TypeError',
      'millrace.step.attempt': 2,
      'millrace.step.outcome': 'failed',
    });
    for (const span of spans.values())
      expect(span.status).toEqual({ code: api.SpanStatusCode.ERROR, message: 'no' });
  });

  it('ends what is open of a life that broke off without an end when the next one begins', () => {
    spansOf([
      started,
      { type: 'step.started', ...attempt('a') },
      { type: 'run.resumed', life: 2, reused: 0 },
      { type: 'run.completed', output: 1, duration: 1 },
    ]);
    const ended = exporter.getFinishedSpans();
    expect(ended.map(({ name, attributes }) => [name, attributes['millrace.run.life'] ?? 'step'])).toEqual([
      ['invoke_agent a', 'step'],
      ['invoke_workflow w', 1],
      ['invoke_workflow w', 2],
    ]);
  });

  it('ends what is open when the run stops or everybody leaves', () => {
    const open: readonly RunFact[] = [
      { type: 'run.resumed', life: 2, reused: 0 },
      { type: 'step.started', ...attempt('a') },
    ];
    expect(
      spansOf([...open, { type: 'run.suspended', waiting: ['b'], duration: 1 }]).get('invoke_workflow w')
        ?.attributes,
    ).toMatchObject({
      'millrace.run.life': 2,
      'millrace.run.outcome': 'suspended',
    });
    exporter.reset();
    concat(from(transitionsOf('r', open)), NEVER)
      .pipe(traceTo(api))
      .subscribe()
      .unsubscribe();
    expect(
      exporter
        .getFinishedSpans()
        .map(({ attributes }) => attributes['millrace.run.outcome'] ?? attributes['millrace.step.outcome']),
    ).toEqual(['cancelled', 'cancelled']);
  });

  it.each<[string, Partial<api.Tracer> | undefined]>([
    ['gives no tracer', undefined],
    [
      'begins no span',
      {
        startSpan() {
          throw new Error('the SDK is down');
        },
      },
    ],
    [
      'ends no span',
      {
        startSpan: () =>
          ({
            setAttribute() {
              throw new Error('the SDK is down');
            },
          }) as unknown as api.Span,
      },
    ],
  ])('changes nothing where the SDK %s, and reports it like every tap', (_, tracer) => {
    const trace = {
      getTracer() {
        if (tracer === undefined) throw new Error('the SDK is down');
        return tracer as api.Tracer;
      },
      setSpan: (context: api.Context) => context,
    } as unknown as typeof api.trace;
    const told: string[] = [];
    const onTapError = (failure: unknown): number => told.push(String(failure));
    const facts: readonly RunFact[] = [started, { type: 'step.started', ...attempt('a') }];
    const seen: unknown[] = [];

    const left = concat(from(transitionsOf('r', facts)), NEVER)
      .pipe(traceTo({ ...api, trace }, { onTapError }))
      .subscribe(({ event }) => seen.push(event.type));
    left.unsubscribe();

    expect(seen).toEqual(['run.started', 'step.started']);
    expect(told[0]).toBe('Error: the SDK is down');
  });

  it('ignores an end that is only told again', () => {
    expect(spansOf([{ type: 'run.completed', output: 1, duration: 1, replayed: true }]).size).toBe(0);
  });
});
