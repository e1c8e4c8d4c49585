import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as api from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import * as client from 'prom-client';
import { lastValueFrom, toArray } from 'rxjs';

import { traceTo } from '../../adapters/openTelemetry';
import { prometheus } from '../../adapters/prometheus';
import { memoryHistory } from '../../lib/history/memoryHistory';
import { createLogger } from '../../lib/log/logger';
import { createMonitor } from '../../lib/metrics/monitor';
import { runSummary } from '../../lib/report/runSummary';
import { agent } from '../../operators/agents/agent';
import { outcomes } from '../../operators/runs/outcomes';
import { run } from '../../operators/runs/run';
import { logTo } from '../../operators/taps/logTo';
import { measure } from '../../operators/taps/measure';
import { progress } from '../../operators/taps/progress';
import { record } from '../../operators/taps/record';
import { readable, SECRET, SECRET_LINES, SECRET_NAMES, SECRET_TEXTS } from '../support/secrets';

/** An agent that gives, logs and fails with everything that is secret, and has a secret name. */
function telltale(name: string) {
  const named = Object.fromEntries(SECRET_NAMES.map((key) => [key, SECRET]));
  return agent(name, (_input: null, context) => {
    context.emit(named);
    context.emit(SECRET_TEXTS);
    context.emit(SECRET_LINES);
    context.log('INFO', [...SECRET_TEXTS, ...SECRET_LINES].join('\n'), { named, texts: SECRET_TEXTS });
    const cause = new Error(SECRET_TEXTS.slice(0, 40).join(', '));
    throw Object.assign(new Error(SECRET_TEXTS.slice(40).join(', '), { cause }), { headers: named });
  });
}

const pairs = SECRET_NAMES.filter((_, index) => index % 8 === 0).map((name) => `${name}=${SECRET}`);

describe('secrets in sinks', () => {
  it('reach neither the log, nor its file, nor a target of the user', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'secrets-'));
    const file = join(folder, 'log');
    const logger = createLogger({ level: 'DEBUG', file, keep: 100_000 });
    const told: unknown[] = [];
    const target = {
      isEnabled: () => true,
      log: (...[level, component, message, data]: readonly unknown[]) =>
        told.push([level, component, message, typeof data === 'function' ? (data as () => unknown)() : data]),
    };
    for (const text of SECRET_TEXTS) {
      logger.info(text.slice(0, 200), text, { text });
      target.log('INFO', '', '');
    }
    for (const name of SECRET_NAMES)
      logger.info('c', 'm', { [name]: SECRET, below: [{ [name]: { deep: SECRET } }] });
    await lastValueFrom(
      run(telltale('x'), null).pipe(logTo(logger), logTo(target as never), outcomes(), toArray()),
    );
    await logger.close();

    expect(readable(JSON.stringify(logger.getLogs()))).toEqual([]);
    expect(readable(readFileSync(file, 'utf8'))).toEqual([]);
    expect(readable(JSON.stringify(told))).toEqual([]);
    expect(JSON.stringify(told)).toContain('step failed');
    rmSync(folder, { recursive: true });
  });

  it.each([...SECRET_TEXTS, ...pairs])(
    'reach neither metrics, nor spans, nor the history, nor progress, nor the summary: %s',
    async (text) => {
      const monitor = createMonitor();
      const registry = new client.Registry();
      prometheus(monitor, client, { registry });
      const exporter = new InMemorySpanExporter();
      const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
      const tracing = {
        ...api,
        trace: { getTracer: () => provider.getTracer('t'), setSpan: api.trace.setSpan.bind(api.trace) },
      };
      const history = memoryHistory();
      let shown = '';
      // Those three are refused in names.
      const name = /[/[\]]/.test(text) ? 'agent' : text;
      const fails = agent(name, () => {
        throw new Error(text);
      });

      const [outcome] = await lastValueFrom(
        run(fails, null, { runId: 'r' }).pipe(
          measure(monitor),
          traceTo(tracing as never),
          record(history),
          progress({ write: (line) => (shown += line) }, { as: 'lines' }),
          outcomes(),
          toArray(),
        ),
      );

      const left = outcome as { readonly left: { readonly state: Parameters<typeof runSummary>[0] } };
      const spans = exporter
        .getFinishedSpans()
        .map(({ name: of, attributes, events, status }) => [of, attributes, events, status]);
      expect(spans.length).toBeGreaterThan(0);
      expect(readable(JSON.stringify(spans))).toEqual([]);
      expect(readable(await registry.metrics())).toEqual([]);
      expect(readable(monitor.metricsReport() + JSON.stringify(monitor.save()))).toEqual([]);
      expect(readable(JSON.stringify(await history.getLog('r')))).toEqual([]);
      expect(readable(shown)).toEqual([]);
      expect(readable(runSummary(left.left.state))).toEqual([]);
    },
  );
});
