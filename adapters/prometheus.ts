import type * as PromClient from 'prom-client';

import type { DurationStats } from '../lib/metrics/durations';
import type { Monitor } from '../lib/metrics/monitor';

/** How the numbers of a monitor appear in a registry. */
export interface PrometheusOptions {
  /** What names begin with; `millrace_` when left out. */
  readonly prefix?: string;
  /** Where they are registered; the default registry of the client when left out. */
  readonly registry?: PromClient.Registry;
}

/** The part of `prom-client` that is used. */
export type PrometheusClient = Pick<typeof PromClient, 'Counter' | 'Gauge' | 'register'>;

/**
 * Shows the numbers of a monitor in a registry of `prom-client`: `await client.register.metrics()` gives the text that
 * Prometheus reads. Nothing is counted twice: each scrape reads the monitor, and lets it check its alert rules.
 *
 * `runs_total` and `agent_executions_total` by outcome, `run_seconds_total` and `agent_seconds_total`, the quantiles
 * `run_duration_seconds` and `agent_duration_seconds`, and `alert_active`. What is counted of runs is their lives that completed or
 * failed, as `measure()` does: a run that failed and was resumed has several. Of streams that remember `stream_lag`, `stream_rows`,
 * `stream_late_total` and `stream_committed_timestamp_seconds`.
 *
 * @example
 * ```ts
 * import * as client from 'prom-client';
 * prometheus(monitor, client);
 * server.get('/metrics', async (_, response) => response.end(await client.register.metrics()));
 * ```
 */
export function prometheus(
  monitor: Monitor,
  client: PrometheusClient,
  options: PrometheusOptions = {},
): void {
  const { prefix = 'millrace_', registry = client.register } = options;
  const common = (name: string, help: string, labelNames: readonly string[]) => ({
    name: `${prefix}${name}`,
    help,
    labelNames: [...labelNames],
    registers: [registry],
  });
  const counter = (
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => Iterable<Sample>,
  ): void => {
    new client.Counter({
      ...common(name, help, labelNames),
      collect() {
        this.reset();
        for (const { labels, value } of read()) this.inc(labels, value);
      },
    });
  };
  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => Iterable<Sample>,
  ): void => {
    new client.Gauge({
      ...common(name, help, labelNames),
      collect() {
        this.reset();
        for (const { labels, value } of read()) this.set(labels, value);
      },
    });
  };

  counter(
    'runs_total',
    'Lives of runs that completed or failed: a run that failed and was resumed has several',
    ['workflow', 'outcome'],
    () => runs(monitor),
  );
  counter('run_seconds_total', 'Seconds in lives of runs that completed or failed', ['workflow'], () =>
    runSeconds(monitor),
  );
  gauge('run_duration_seconds', 'How long lives of runs took', ['workflow', 'quantile'], () =>
    runQuantiles(monitor),
  );
  counter('agent_executions_total', 'Uses of agents that ended', ['workflow', 'agent', 'outcome'], () =>
    agents(monitor),
  );
  counter('agent_seconds_total', 'Seconds in agents', ['workflow', 'agent'], () => agentSeconds(monitor));
  gauge('agent_duration_seconds', 'How long agents took', ['workflow', 'agent', 'quantile'], () =>
    agentQuantiles(monitor),
  );
  gauge('alert_active', '1 while the rule says that something is wrong', ['workflow', 'rule'], () =>
    alerts(monitor),
  );
  gauge('stream_lag', 'How much a source holds behind its offset', ['stream', 'source'], () => lags(monitor));
  gauge('stream_rows', 'Rows that a stream remembers', ['stream', 'table'], () => rows(monitor));
  counter('stream_late_total', 'Items that came too late', ['stream', 'table'], () => late(monitor));
  gauge('stream_committed_timestamp_seconds', 'When a stream wrote its latest record', ['stream'], () =>
    committed(monitor),
  );
}

interface Sample {
  readonly labels: Record<string, string>;
  readonly value: number;
}

function* runs(monitor: Monitor): Iterable<Sample> {
  for (const workflow of monitor.workflowNames()) {
    const { successes, failures } = monitor.getMetrics(workflow);
    yield { labels: { workflow, outcome: 'success' }, value: successes };
    yield { labels: { workflow, outcome: 'failure' }, value: failures };
  }
}

function* runSeconds(monitor: Monitor): Iterable<Sample> {
  for (const workflow of monitor.workflowNames()) {
    yield { labels: { workflow }, value: monitor.getMetrics(workflow).totalDuration };
  }
}

function* runQuantiles(monitor: Monitor): Iterable<Sample> {
  for (const workflow of monitor.workflowNames())
    yield* quantiles({ workflow }, monitor.getMetrics(workflow));
}

function* agents(monitor: Monitor): Iterable<Sample> {
  for (const { workflow, agent, stats } of agentsOf(monitor)) {
    yield { labels: { workflow, agent, outcome: 'success' }, value: stats.successes };
    yield { labels: { workflow, agent, outcome: 'failure' }, value: stats.failures };
  }
}

function* agentSeconds(monitor: Monitor): Iterable<Sample> {
  for (const { workflow, agent, stats } of agentsOf(monitor))
    yield { labels: { workflow, agent }, value: stats.totalDuration };
}

function* agentQuantiles(monitor: Monitor): Iterable<Sample> {
  for (const { workflow, agent, stats } of agentsOf(monitor)) yield* quantiles({ workflow, agent }, stats);
}

function* alerts(monitor: Monitor): Iterable<Sample> {
  for (const { workflowName, ruleName } of monitor.checkAlerts()) {
    yield { labels: { workflow: workflowName, rule: ruleName }, value: 1 };
  }
}

function* lags(monitor: Monitor): Iterable<Sample> {
  for (const { name, lags: behind } of monitor.streams())
    for (const [source, value] of Object.entries(behind)) yield { labels: { stream: name, source }, value };
}

function* rows(monitor: Monitor): Iterable<Sample> {
  for (const { name, tables } of monitor.streams())
    for (const [table, value] of Object.entries(tables)) yield { labels: { stream: name, table }, value };
}

function* late(monitor: Monitor): Iterable<Sample> {
  for (const { name, late: items } of monitor.streams())
    for (const [table, value] of Object.entries(items)) yield { labels: { stream: name, table }, value };
}

function* committed(monitor: Monitor): Iterable<Sample> {
  for (const { name, committedAt } of monitor.streams())
    if (committedAt > 0) yield { labels: { stream: name }, value: committedAt / 1_000 };
}

function* agentsOf(monitor: Monitor) {
  for (const workflow of monitor.workflowNames()) {
    for (const [agent, stats] of Object.entries(monitor.getMetrics(workflow).agents))
      yield { workflow, agent, stats };
  }
}

function* quantiles(labels: Record<string, string>, { p50, p95, p99 }: DurationStats): Iterable<Sample> {
  yield { labels: { ...labels, quantile: '0.5' }, value: p50 };
  yield { labels: { ...labels, quantile: '0.95' }, value: p95 };
  yield { labels: { ...labels, quantile: '0.99' }, value: p99 };
}
