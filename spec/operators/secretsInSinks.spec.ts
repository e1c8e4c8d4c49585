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
import { lastValueFrom, tap, toArray } from 'rxjs';

import { traceTo } from '../../adapters/openTelemetry';
import { prometheus } from '../../adapters/prometheus';
import type { RunError } from '../../lib/errors/runErrors';
import { memoryHistory } from '../../lib/history/memoryHistory';
import { createLogger } from '../../lib/log/logger';
import { createMonitor } from '../../lib/metrics/monitor';
import { runSummary } from '../../lib/report/runSummary';
import { summaryOf } from '../../lib/store/summary';
import { agent } from '../../operators/agents/agent';
import { outcomes } from '../../operators/runs/outcomes';
import { run } from '../../operators/runs/run';
import { logTo } from '../../operators/taps/logTo';
import { measure } from '../../operators/taps/measure';
import { progress } from '../../operators/taps/progress';
import { record } from '../../operators/taps/record';
import {
  HARMLESS_NAMES,
  HARMLESS_TEXTS,
  readable,
  SECRET,
  SECRET_LINES,
  SECRET_NAMES,
  SECRET_TEXTS,
} from '../support/secrets';
import { until } from '../support/until';

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

/** Eight at once, each on a line of its own. */
const inEights = (lines: readonly string[]): readonly string[] =>
  lines.flatMap((_, index) => (index % 8 === 0 ? [lines.slice(index, index + 8).join('\n')] : []));

const pairs = inEights(SECRET_NAMES.map((name) => `${name}=${SECRET}`));

/** What each place tells of a run whose agent fails with this message. */
async function toldEverywhere(name: string, message: string): Promise<Readonly<Record<string, string>>> {
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
  let progress$ = '';
  const fails = agent(name, () => {
    throw new Error(message);
  });

  let error: RunError | undefined;
  await lastValueFrom(
    run(fails, null, { runId: 'r' }).pipe(
      tap({ error: (thrown: unknown) => (error = thrown as RunError) }),
      measure(monitor),
      traceTo(tracing as never),
      record(history),
      progress({ write: (line) => (progress$ += line) }, { as: 'lines' }),
      outcomes(),
      toArray(),
    ),
  );

  const spans = exporter
    .getFinishedSpans()
    .map(({ name: of, attributes, events, status }) => [of, attributes, events, status]);
  expect(spans.length).toBeGreaterThan(0);
  // A log may be behind its run.
  await until(async () => (await history.listLogs())[0]?.status === 'failed');
  const log = await history.getLog('r');
  expect(log).toMatchObject({ status: 'failed', steps: [{ status: 'failed' }] });
  return {
    spans: JSON.stringify(spans),
    registry: await registry.metrics(),
    metrics: monitor.metricsReport() + JSON.stringify(monitor.save()),
    history: JSON.stringify(log),
    progress: progress$,
    summary: runSummary(error!.state),
    listed: summaryOf(error!.state).error!,
    // Its message has what went wrong in the user's own words, and is no sink.
  };
}

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

  it.each([...SECRET_TEXTS, ...SECRET_LINES, ...pairs])(
    'reach neither metrics, nor spans, nor the history, nor progress, nor the summary: %s',
    async (text) => {
      // Those three are refused in names.
      const told = await toldEverywhere(/[/[\]]/.test(text) ? 'agent' : text, text);
      for (const [place, shown] of Object.entries(told))
        expect([place, readable(shown)]).toEqual([place, []]);
    },
  );
});

describe('what only looks like a secret', () => {
  it('is readable in the log, its file and a target of the user', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'secrets-'));
    const file = join(folder, 'log');
    const logger = createLogger({ level: 'DEBUG', file });
    HARMLESS_NAMES.forEach((name, index) => {
      logger.info('c', 'm', { [name]: `here${String(index)}.` });
    });
    await logger.close();

    const logs = JSON.stringify(logger.getLogs());
    const lines = readFileSync(file, 'utf8');
    const missing = HARMLESS_NAMES.filter(
      (_, index) => !logs.includes(`here${String(index)}.`) || !lines.includes(`here${String(index)}.`),
    );
    expect(missing).toEqual([]);
    rmSync(folder, { recursive: true });
  });

  it('is readable in the spans and the summary', async () => {
    for (const text of HARMLESS_TEXTS) {
      const told = await toldEverywhere('agent', text);
      expect(told['spans']).toContain(JSON.stringify(text).slice(1, -1));
      expect(told['summary']).toContain(text.split('\n')[0]);
    }
  });
});
