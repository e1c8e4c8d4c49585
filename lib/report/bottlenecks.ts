import { percentOf } from '../metrics/figures';
import type { WorkflowStats } from '../metrics/workflowMetrics';

/** Where time went: one agent of a workflow. */
export interface Bottleneck {
  /** Name of the agent. */
  readonly agentName: string;
  /** Seconds in all executions, without those of steps the agent ran below itself. */
  readonly ownDuration: number;
  /** Percent of the own time of all agents. */
  readonly share: number;
  /** How often it ran. */
  readonly executions: number;
  /** Seconds. */
  readonly avgDuration: number;
  /** Seconds. */
  readonly p95: number;
}

/** The agents of a workflow in the order of the time they took themselves, longest first. */
export function bottlenecks(stats: WorkflowStats): readonly Bottleneck[] {
  const agents = Object.values(stats.agents);
  const all = agents.reduce((sum, agent) => sum + agent.ownDuration, 0);
  return agents
    .map(({ agentName, ownDuration, executions, avgDuration, p95 }) => ({
      agentName,
      ownDuration,
      share: percentOf(ownDuration, all),
      executions,
      avgDuration,
      p95,
    }))
    .sort((a, b) => b.ownDuration - a.ownDuration);
}
