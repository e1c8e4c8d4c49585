import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import * as api from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import * as t from 'io-ts';
import { defer, from, lastValueFrom, of } from 'rxjs';
import { delay, map } from 'rxjs';

import type { Model, ModelRequest } from '../../adapters/ai';
import { tool, toolLoop } from '../../adapters/ai';
import { modelFrom } from '../../adapters/ai/model';
import { traceTo } from '../../adapters/openTelemetry';
import { agent, chain, each, fallback, lowdbStore, memoryStore, run, runEach } from '../../index';
import { fakeModel } from '../../testing';

/** What `@opentelemetry/context-async-hooks` does. */
class Contexts implements api.ContextManager {
  readonly #storage = new AsyncLocalStorage<api.Context>();
  active = (): api.Context => this.#storage.getStore() ?? api.ROOT_CONTEXT;
  with: api.ContextManager['with'] = (context, call, self, ...args) =>
    this.#storage.run(context, () => call.call(self as never, ...args));
  bind: api.ContextManager['bind'] = (_context, target) => target;
  enable = (): this => this;
  disable = (): this => this;
}

const exporter = new InMemorySpanExporter();
beforeAll(() => {
  api.context.setGlobalContextManager(new Contexts());
  api.trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
});
afterEach(() => {
  exporter.reset();
});
afterAll(() => {
  api.trace.disable();
  api.context.disable();
});

/** What a client that is instrumented does. */
async function request(name: string): Promise<string> {
  const span = api.trace.getTracer('http').startSpan(`GET ${name}`);
  await wait(1);
  span.end();
  return name;
}

const named = (name: string): ReadableSpan => {
  const span = exporter.getFinishedSpans().find((one) => one.name === name);
  if (span === undefined)
    throw new Error(
      `no span ${name} among ${exporter
        .getFinishedSpans()
        .map((one) => one.name)
        .join(', ')}`,
    );
  return span;
};

/** The names of a span and those above it. */
function lineage(name: string): readonly string[] {
  const above = [named(name)];
  for (let span = above[0]; span?.parentSpanContext !== undefined;) {
    const { spanId } = span.parentSpanContext;
    span = exporter.getFinishedSpans().find((one) => one.spanContext().spanId === spanId);
    if (span !== undefined) above.push(span);
  }
  return above.map((span) => span.name);
}

describe('traceTo() makes the span of a step the active one inside its function', () => {
  it('lets a step go on whose span cannot be begun, and says so', async () => {
    const warned: string[] = [];
    const warn = jest
      .spyOn(process, 'emitWarning')
      .mockImplementation((text) => void warned.push(String(text)));
    const tracer = api.trace.getTracer('broken');
    const startSpan: api.Tracer['startSpan'] = (name, ...rest) => {
      if (name.startsWith('invoke_agent')) throw new Error('no room');
      return tracer.startSpan(name, ...rest);
    };
    const trace = Object.assign(Object.create(api.trace) as typeof api.trace, {
      getTracer: () => ({ startSpan }) as unknown as api.Tracer,
    });
    const { event, state } = await lastValueFrom(
      run(
        agent('load', (name: string) => request(name)),
        'a.com',
      ).pipe(traceTo({ ...api, trace })),
    );
    warn.mockRestore();

    expect([event.type, state.output]).toEqual(['run.completed', 'a.com']);
    expect(warned).toEqual([expect.stringContaining('Tap "traceTo" failed: no room')]);
  });

  it('whatever the function returns, and after it has waited', async () => {
    const promise = agent('promise', async (n: number) => {
      await request('a');
      await wait(1);
      await request('b');
      return n;
    });
    const stream = agent('stream', (n: number) =>
      defer(() => from(request('c'))).pipe(
        delay(1),
        map(() => n),
      ),
    );
    const iterable = agent('iterable', async function* (n: number) {
      await request('d');
      yield n;
      await wait(1);
      await request('e');
      yield n + 1;
    });
    const inner = agent('inner', (n: number) => request('f').then(() => n));
    const outer = agent('outer', (n: number, context) => context.call('inner', inner, n));
    const line = chain('line', promise, stream, iterable, outer);
    await lastValueFrom(run(line, 1, { store: memoryStore() }).pipe(traceTo(api)));
    const above = (name: string, ...path: readonly string[]) => {
      expect(lineage(`GET ${name}`)).toEqual([`GET ${name}`, ...path, 'invoke_workflow line']);
    };
    above('a', 'invoke_agent promise');
    above('b', 'invoke_agent promise');
    above('c', 'invoke_agent stream');
    above('d', 'invoke_agent iterable');
    above('e', 'invoke_agent iterable');
    above('f', 'invoke_agent inner', 'invoke_agent outer');
    expect(api.trace.getActiveSpan()).toBeUndefined();
  });

  it('for steps side by side, attempt by attempt, also where their events wait for the disk', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-spans-'));
    const store = lowdbStore(folder);
    const flaky = agent(
      'flaky',
      async (n: number, context) => {
        await request(`${String(n)} attempt ${String(context.attempt)}`);
        if (context.attempt === 1) throw new Error('again');
        return n;
      },
      { retry: 1 },
    );
    const pages = each('pages', flaky, { concurrency: 3 });
    await lastValueFrom(run(chain('book', pages), [1, 2, 3], { store }).pipe(traceTo(api)));
    for (const n of [1, 2, 3])
      for (const attempt of [1, 2])
        expect(lineage(`GET ${String(n)} attempt ${String(attempt)}`)).toEqual([
          `GET ${String(n)} attempt ${String(attempt)}`,
          'invoke_agent flaky',
          'invoke_agent pages',
          'invoke_workflow book',
        ]);
    const steps = exporter.getFinishedSpans().filter(({ name }) => name === 'invoke_agent flaky');
    expect(steps).toHaveLength(3);
    for (const { events } of steps)
      expect(events.map(({ name }) => name)).toEqual(['millrace.retrying', 'millrace.attempt']);
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('for each of many runs, each in a trace of its own below what was active outside', async () => {
    const ask = agent('ask', (n: number) => request(String(n)));
    const outside = api.trace.getTracer('app').startSpan('job');
    await api.context.with(api.trace.setSpan(api.context.active(), outside), () =>
      lastValueFrom(of(1, 2, 3).pipe(runEach(ask, { concurrency: 3 }), traceTo(api))),
    );
    outside.end();
    for (const n of [1, 2, 3])
      expect(lineage(`GET ${String(n)}`)).toEqual([
        `GET ${String(n)}`,
        'invoke_agent ask',
        'invoke_workflow ask',
        'job',
      ]);
  });

  it('as long as somebody traces the run', async () => {
    const late = agent('late', async (n: number) => {
      await request('traced');
      return n;
    });
    run(late, 1).pipe(traceTo(api)).subscribe().unsubscribe();
    exporter.reset();
    await lastValueFrom(run(late, 1, { runId: 'r' }));
    expect(lineage('GET traced')).toEqual(['GET traced']);
  });
});

describe('traceTo() tells models and tools by the names of the GenAI conventions', () => {
  const search = agent('search', ({ q }: { readonly q: string }) => request(q), {
    input: t.type({ q: t.string }),
  });

  it('with what was asked and what was used', async () => {
    const model = fakeModel(
      [
        {
          toolCalls: [{ tool: 'search', arguments: { q: 'rain' }, id: 'call_7' }],
          usage: { inputTokens: 9, outputTokens: 2 },
        },
        { text: 'It rains.', usage: { inputTokens: 20, outputTokens: 3 } },
      ],
      { name: 'fake' },
    );
    const assistant = toolLoop('assistant', { model, tools: [tool(search, { description: 'Finds.' })] });
    await lastValueFrom(run(assistant, 'Does it rain?').pipe(traceTo(api)));
    expect(lineage('GET rain').slice(0, 3)).toEqual([
      'GET rain',
      'invoke_agent search',
      'execute_tool search',
    ]);
    expect(named('execute_tool search').attributes).toMatchObject({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'search',
      'gen_ai.tool.type': 'function',
      'gen_ai.tool.call.id': 'call_7',
      'millrace.step.outcome': 'completed',
    });
    const chats = exporter.getFinishedSpans().filter(({ name }) => name === 'chat fake');
    expect(chats.map(({ attributes }) => attributes)).toMatchObject([
      {
        'gen_ai.operation.name': 'chat',
        'gen_ai.request.model': 'fake',
        'gen_ai.usage.input_tokens': 9,
        'gen_ai.usage.output_tokens': 2,
        'gen_ai.response.finish_reasons': ['tools'],
      },
      { 'gen_ai.usage.input_tokens': 20, 'gen_ai.response.finish_reasons': ['stop'] },
    ]);
  });

  it('with what was used once, where a fallback passes the answer of a model on', async () => {
    const busy = fakeModel([{ error: new Error('busy') }], { name: 'busy' });
    const other = modelFrom('other', {}, async (_request, parts) => {
      await wait(1);
      parts.addText('Hi.');
      parts.use(9, 2);
      parts.finish = 'stop';
    });
    const take = agent('take', ({ input }: { readonly input: ModelRequest }) => input);
    const either = fallback('either', busy, chain('instead', take, other)) as Model;
    await lastValueFrom(run(toolLoop('assistant', { model: either }), 'Hello').pipe(traceTo(api)));
    const spans = exporter.getFinishedSpans();
    const counted = spans.filter(({ attributes }) => attributes['gen_ai.usage.input_tokens'] !== undefined);
    expect(counted.map(({ name }) => name)).toEqual(['chat other']);
    expect(named('invoke_agent either').attributes['gen_ai.operation.name']).toBe('invoke_agent');
  });

  it('with the names of the provider, and without what was said', async () => {
    const model = modelFrom(
      'gpt',
      {},
      async (_request, parts) => {
        await wait(1);
        parts.addText('a secret');
        parts.finish = 'stop';
      },
      { model: 'gpt-5-mini', provider: 'openai' },
    );
    const asked = run(model, { messages: [{ role: 'user', content: 'another secret' }] });
    await lastValueFrom(asked.pipe(traceTo(api)));
    expect(named('chat gpt-5-mini').attributes).toMatchObject({
      'gen_ai.agent.name': 'gpt',
      'gen_ai.request.model': 'gpt-5-mini',
      'gen_ai.provider.name': 'openai',
    });
    expect(
      JSON.stringify(exporter.getFinishedSpans().map(({ attributes, events }) => [attributes, events])),
    ).not.toContain('secret');
  });
});
