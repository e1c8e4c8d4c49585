import { lastValueFrom } from 'rxjs';

import { replay } from '../../lib/history/replayRun';
import type { DurationStats } from '../../lib/metrics/durations';
import type { Monitor } from '../../lib/metrics/monitor';
import { createMonitor } from '../../lib/metrics/monitor';
import type { WorkflowStats } from '../../lib/metrics/workflowMetrics';
import { durationText, printable } from '../../lib/report/columns';
import { archivedRun } from '../../lib/store/runArchive';
import type { Store } from '../../lib/store/store';
import { measure } from '../../operators/taps/measure';
import type { CommandContext } from '../context';
import { countOf, withStore } from '../context';
import { exitCodes } from '../exitCodes';
import { begunQuery } from '../queuedRuns';
import type { Output } from '../view/output';
import { paint } from '../view/output';
import { tableText } from '../view/table';
import { queryOf } from './listCommand';

/** Says how often and how fast workflows and their agents ran, from the events that are kept. */
export async function statsCommand(context: CommandContext): Promise<number> {
  const { args, options, output } = context;
  const limit = countOf(options['limit'], '--limit') ?? 500;
  return withStore(
    context,
    async (store) => {
      const monitor = await measured(store, { ...begunQuery(queryOf(options)), limit });
      const stats = monitor.workflowNames().map((name) => monitor.getMetrics(name));
      if (options['prometheus'] === true) {
        const prometheus = exposition(stats);
        if (output.isJson) output.json({ prometheus });
        else output.print(prometheus);
      } else if (output.isJson) output.json(stats);
      else showStats(stats, output);
      return exitCodes.done;
    },
    { store: args[0] },
  );
}

/** Measures runs that have ended, the oldest first, by the events that are kept of them. */
export async function measured(store: Store, query: Parameters<Store['listRuns']>[0]): Promise<Monitor> {
  const monitor = createMonitor();
  for (const { runId, status } of [...(await store.listRuns(query))].reverse()) {
    if (status === 'RUNNING') continue;
    const { events } = await archivedRun(runId, store);
    if (events !== undefined)
      await lastValueFrom(replay(events).pipe(measure(monitor)), { defaultValue: undefined });
  }
  return monitor;
}

function showStats(stats: readonly WorkflowStats[], output: Output): void {
  const { words } = output;
  if (stats.length === 0) {
    output.print(words.noRuns);
    return;
  }
  const head = [words.agent, words.ended, words.success, words.average, 'P50', 'P95', 'P99'];
  for (const [index, workflow] of stats.entries()) {
    const agents = Object.values(workflow.agents).map((agent) => [
      `  ${printable(agent.agentName)}`,
      ...cells(agent.executions, agent.successRate, agent),
    ]);
    const own = [
      printable(workflow.workflowName),
      ...cells(workflow.executions, workflow.successRate, workflow),
    ];
    const table = tableText(head, [own, ...agents], output);
    output.print(index === 0 ? table : `\n${paint(table, undefined, output)}`);
  }
}

function cells(
  executions: number,
  successRate: number,
  { avgDuration, p50, p95, p99 }: DurationStats,
): string[] {
  if (executions === 0) return ['0'];
  const times = [avgDuration, p50, p95, p99].map((seconds) => durationText(seconds));
  return [String(executions), `${Number(successRate.toFixed(1))} %`, ...times];
}

/** The text format that Prometheus reads, with the names of `millrace/prometheus`. */
function exposition(stats: readonly WorkflowStats[]): string {
  const lines: string[] = [];
  const family = (name: string, type: string, help: string, samples: readonly Sample[]): void => {
    lines.push(`# HELP millrace_${name} ${help}`, `# TYPE millrace_${name} ${type}`);
    for (const { labels, value } of samples) {
      const text = Object.entries(labels).map(([label, of]) => `${label}="${escaped(of)}"`);
      lines.push(`millrace_${name}{${text.join(',')}} ${value}`);
    }
  };
  const agents = stats.flatMap((workflow) =>
    Object.values(workflow.agents).map((agent) => ({
      labels: { workflow: workflow.workflowName, agent: agent.agentName },
      agent,
    })),
  );
  const outcomes = (
    labels: Labels,
    { successes, failures }: { readonly successes: number; readonly failures: number },
  ): Sample[] => [
    { labels: { ...labels, outcome: 'success' }, value: successes },
    { labels: { ...labels, outcome: 'failure' }, value: failures },
  ];
  const quantiles = (labels: Labels, { p50, p95, p99 }: DurationStats): Sample[] =>
    Object.entries({ '0.5': p50, '0.95': p95, '0.99': p99 }).map(([quantile, value]) => ({
      labels: { ...labels, quantile },
      value,
    }));
  family(
    'runs_total',
    'counter',
    'Lives of runs that completed or failed',
    stats.flatMap((it) => outcomes({ workflow: it.workflowName }, it)),
  );
  family(
    'run_duration_seconds',
    'gauge',
    'How long runs took',
    stats.flatMap((it) => quantiles({ workflow: it.workflowName }, it)),
  );
  family(
    'agent_executions_total',
    'counter',
    'Uses of agents that ended',
    agents.flatMap(({ labels, agent }) => outcomes(labels, agent)),
  );
  family(
    'agent_duration_seconds',
    'gauge',
    'How long agents took',
    agents.flatMap(({ labels, agent }) => quantiles(labels, agent)),
  );
  return lines.join('\n');
}

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
