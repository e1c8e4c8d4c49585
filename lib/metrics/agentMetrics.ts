import type { Durations, DurationStats, SavedDurations } from './durations';
import { boundedSeconds, createDurations } from './durations';
import { percentOf } from './figures';

/** What is known of one agent within one workflow. Changes in place: see `createDurations`. */
export interface AgentMetrics {
  /** Name of the agent. */
  readonly agentName: string;
  /** How often it went well. */
  successes: number;
  /** How often it failed. */
  failures: number;
  /** Seconds in which the agent itself was at work, without the steps it ran below itself. */
  ownDuration: number;
  /** How long it took. */
  readonly durations: Durations;
}

/** One use of an agent. */
export interface Execution {
  /** Seconds. */
  readonly duration: number;
  /** Whether it went well. */
  readonly success: boolean;
}

/** What one agent did, in numbers. Durations are seconds, rates percent; zeros when it never ran. */
export interface AgentStats extends DurationStats {
  /** Name of the agent. */
  readonly agentName: string;
  /** Steps that ended, however many attempts each took: successes plus failures. */
  readonly executions: number;
  /** How often it went well. */
  readonly successes: number;
  /** How often it failed. */
  readonly failures: number;
  /** Percent of the executions. */
  readonly successRate: number;
  /** Percent of the executions. */
  readonly failureRate: number;
  /** Seconds of the total in which none of the steps below the agent was running: its own time. */
  readonly ownDuration: number;
}

/** An agent's metrics as plain JSON. */
export interface SavedAgentMetrics {
  /** Name of the agent. */
  readonly agentName: string;
  /** How often it went well. */
  readonly successes: number;
  /** How often it failed. */
  readonly failures: number;
  /** Seconds without the steps that ran below. */
  readonly ownDuration: number;
  /** How long it took. */
  readonly durations: SavedDurations;
}

/** The metrics of an agent that never ran, or those that were saved. */
export function createAgentMetrics(agentName: string, saved?: SavedAgentMetrics): AgentMetrics {
  return {
    agentName,
    successes: saved?.successes ?? 0,
    failures: saved?.failures ?? 0,
    ownDuration: saved?.ownDuration ?? 0,
    durations: createDurations(saved?.durations),
  };
}

/** Takes one more execution into the metrics and gives the same metrics back, so that it fits `reduce`. */
export function addExecution(
  metrics: AgentMetrics,
  execution: Execution & { readonly ownDuration?: number },
): AgentMetrics {
  const { duration, success, ownDuration = duration } = execution;
  if (success) metrics.successes += 1;
  else metrics.failures += 1;
  metrics.durations.record(duration);
  metrics.ownDuration += boundedSeconds(ownDuration);
  return metrics;
}

/** The numbers of one agent. */
export function agentStats(metrics: AgentMetrics): AgentStats {
  const { agentName, successes, failures, ownDuration } = metrics;
  const executions = successes + failures;
  return {
    agentName,
    executions,
    successes,
    failures,
    successRate: percentOf(successes, executions),
    failureRate: percentOf(failures, executions),
    ownDuration,
    ...metrics.durations.stats(),
  };
}

/** An agent's metrics as plain JSON. */
export function saveAgentMetrics(metrics: AgentMetrics): SavedAgentMetrics {
  const { agentName, successes, failures, ownDuration } = metrics;
  return { agentName, successes, failures, ownDuration, durations: metrics.durations.save() };
}
