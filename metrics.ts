/**
 * The inside of metrics: figures of executions and runs, how they are saved and reported, and rules on past runs.
 *
 * @packageDocumentation
 */
export type { AgentMetrics, AgentStats, Execution, SavedAgentMetrics } from './lib/metrics/agentMetrics';
export { addExecution, agentStats, createAgentMetrics, saveAgentMetrics } from './lib/metrics/agentMetrics';
export type {
  ActiveAlert,
  Alert,
  AlertRecord,
  AlertRule,
  AlertStream,
  StatsSample,
} from './lib/metrics/alert';
export type { PastRun } from './lib/metrics/backTest';
export { backTest, pastExecution, pastRun } from './lib/metrics/backTest';
export type { DurationStats, Durations, SavedDurations } from './lib/metrics/durations';
export type { Locale, ReportOptions, StreamFigures } from './lib/metrics/metricsReport';
export { metricsReport } from './lib/metrics/metricsReport';
export type { MetricsStore } from './lib/metrics/metricsStore';
export type { Monitor, MonitorOptions, MonitorState, RuleLog } from './lib/metrics/monitor';
export type { SavedSketch } from './lib/metrics/sketch';
export type { SavedWorkflowMetrics, WorkflowMetrics, WorkflowStats } from './lib/metrics/workflowMetrics';
export {
  addAgentExecution,
  addRun,
  createWorkflowMetrics,
  saveWorkflowMetrics,
  workflowStats,
} from './lib/metrics/workflowMetrics';
export type { Bottleneck } from './lib/report/bottlenecks';
