import type { AgentMetrics, AgentStats, Execution, SavedAgentMetrics } from './agentMetrics';
import { addExecution, agentStats, createAgentMetrics, saveAgentMetrics } from './agentMetrics';
import type { Durations, DurationStats, SavedDurations } from './durations';
import { createDurations } from './durations';
import { percentOf } from './figures';

/** What is known of one workflow. Changes in place: see `createDurations`. */
export interface WorkflowMetrics {
  /** Name of the workflow. */
  readonly workflowName: string;
  /** How often it went well. */
  successes: number;
  /** How often it failed. */
  failures: number;
  /** How long it took. */
  readonly durations: Durations;
  /** By name of the agent. */
  readonly agentMetrics: Map<string, AgentMetrics>;
}

/** What one workflow did, in numbers. Durations are seconds, rates percent; zeros when it never ran. */
export interface WorkflowStats extends DurationStats {
  /** Name of the workflow. */
  readonly workflowName: string;
  /** Lives of runs that completed or failed; one that was suspended or cancelled does not count. */
  readonly executions: number;
  /** How often it went well. */
  readonly successes: number;
  /** How often it failed. */
  readonly failures: number;
  /** Percent of the executions. */
  readonly successRate: number;
  /** Percent of the executions. */
  readonly failureRate: number;
  /** How many agents have run. */
  readonly agentCount: number;
  /** By name, first seen first. */
  readonly agents: Readonly<Record<string, AgentStats>>;
}

/** A workflow's metrics as plain JSON. */
export interface SavedWorkflowMetrics {
  /** Name of the workflow. */
  readonly workflowName: string;
  /** How often it went well. */
  readonly successes: number;
  /** How often it failed. */
  readonly failures: number;
  /** How long it took. */
  readonly durations: SavedDurations;
  /** The numbers of each agent. */
  readonly agents: readonly SavedAgentMetrics[];
}

/** The metrics of a workflow that never ran, or those that were saved. */
export function createWorkflowMetrics(workflowName: string, saved?: SavedWorkflowMetrics): WorkflowMetrics {
  return {
    workflowName,
    successes: saved?.successes ?? 0,
    failures: saved?.failures ?? 0,
    durations: createDurations(saved?.durations),
    agentMetrics: new Map(
      saved?.agents.map((agent) => [agent.agentName, createAgentMetrics(agent.agentName, agent)]),
    ),
  };
}

/** Takes one more end of a run into the metrics and gives the same metrics back, so that it fits `reduce`. */
export function addRun(metrics: WorkflowMetrics, { duration, success }: Execution): WorkflowMetrics {
  if (success) metrics.successes += 1;
  else metrics.failures += 1;
  metrics.durations.record(duration);
  return metrics;
}

/** Takes one more execution of an agent into the metrics and gives the same metrics back. */
export function addAgentExecution(
  metrics: WorkflowMetrics,
  agentName: string,
  execution: Execution & { readonly ownDuration?: number },
): WorkflowMetrics {
  let agent = metrics.agentMetrics.get(agentName);
  if (agent === undefined) {
    agent = createAgentMetrics(agentName);
    metrics.agentMetrics.set(agentName, agent);
  }
  addExecution(agent, execution);
  return metrics;
}

/** The numbers of one workflow and its agents. */
export function workflowStats(metrics: WorkflowMetrics): WorkflowStats {
  const { agentMetrics } = metrics;
  return {
    ...workflowFigures(metrics),
    agents: Object.fromEntries([...agentMetrics].map(([name, agent]) => [name, agentStats(agent)])),
  };
}

/** The numbers of one workflow without those of its agents. */
export function workflowFigures(metrics: WorkflowMetrics): Omit<WorkflowStats, 'agents'> {
  const { workflowName, successes, failures, agentMetrics } = metrics;
  const executions = successes + failures;
  return {
    workflowName,
    executions,
    successes,
    failures,
    successRate: percentOf(successes, executions),
    failureRate: percentOf(failures, executions),
    ...metrics.durations.stats(),
    agentCount: agentMetrics.size,
  };
}

/** A workflow's metrics as plain JSON. */
export function saveWorkflowMetrics(metrics: WorkflowMetrics): SavedWorkflowMetrics {
  const { workflowName, successes, failures, durations, agentMetrics } = metrics;
  const agents = [...agentMetrics.values()].map(saveAgentMetrics);
  return { workflowName, successes, failures, durations: durations.save(), agents };
}
