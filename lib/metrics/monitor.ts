import type { Observable, SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { toFailure } from '../model/failure';
import type { Execution } from './agentMetrics';
import type { ActiveAlert, Alert, AlertRule, AlertStream, StatsSample } from './alert';
import { alertDesk } from './alertDesk';
import type { ReportOptions } from './metricsReport';
import { metricsReport } from './metricsReport';
import type { SavedWorkflowMetrics, WorkflowMetrics, WorkflowStats } from './workflowMetrics';
import {
  addAgentExecution,
  addRun,
  createWorkflowMetrics,
  saveWorkflowMetrics,
  workflowStats,
} from './workflowMetrics';

/** How a monitor is made. */
export interface MonitorOptions {
  /** Whose clock dates alerts and moves windows; the system's when left out. */
  readonly scheduler?: SchedulerLike;
  /** What an earlier monitor saved. */
  readonly saved?: MonitorState;
  /** Told once when a rule fails; a process warning when left out. Any logger of `createLogger` fits. */
  readonly logger?: RuleLog;
  /** Takes the report of `printMetricsReport`; standard output when left out. */
  readonly print?: (report: string) => void;
}

/** The part of a logger that a monitor needs. */
export interface RuleLog {
  /** Writes an entry of the level `ERROR`. */
  error(component: string, message: string, data?: object): void;
}

/** Everything a monitor knows, as plain JSON. */
export interface MonitorState {
  /** Version of this format. */
  readonly version: 1;
  /** The numbers of each workflow. */
  readonly workflows: readonly SavedWorkflowMetrics[];
  /** What had fired and not cleared. */
  readonly alerts: readonly ActiveAlert[];
}

/** Numbers about workflows and their agents, and the rules that watch them. Fed by `measure()` or by hand. */
export interface Monitor {
  /** Makes the workflow known; it counts when it ends. */
  startWorkflow(workflowId: string, workflowName: string): void;
  /** Counts a run that ended. `duration` is seconds. */
  endWorkflow(workflowName: string, duration: number, success: boolean): void;
  /**
   * Counts one use of an agent. `duration` is seconds.
   *
   * @param ownDuration - Seconds without those of steps the agent ran below itself; all of them when left out.
   */
  logAgentExecution(
    workflowName: string,
    agentName: string,
    duration: number,
    success: boolean,
    ownDuration?: number,
  ): void;
  /** Adds a rule that `checkAlerts` asks; one of the same name is replaced. Without a name it gets a number. */
  addAlertRule(rule: AlertRule): void;
  /** Adds a rule under a name. */
  addAlertRule(ruleName: string, rule: AlertRule): void;
  /** Adds a rule that follows the numbers as a stream, for windows of time and hysteresis; one of the same name is replaced. */
  alert(ruleName: string, stream: AlertStream): void;
  /**
   * Asks the rules about one workflow, or about all. A rule fires once and not again until it has cleared; none fires for a
   * workflow that has not run. Gives what is wrong now.
   */
  checkAlerts(workflowName?: string): readonly ActiveAlert[];
  /** What begins and ceases to be wrong, from now on. */
  readonly alerts$: Observable<Alert>;
  /** The numbers of one workflow; zeros for a name never heard. */
  getMetrics(workflowName: string): WorkflowStats;
  /** The names of the workflows there are numbers about, first seen first. */
  workflowNames(): readonly string[];
  /** The numbers of all workflows as text. */
  metricsReport(options?: ReportOptions): string;
  /** Prints that text. */
  printMetricsReport(options?: ReportOptions): void;
  /** Everything known, for `createMonitor({ saved })`. */
  save(): MonitorState;
  /** Ends the rules and completes `alerts$`. */
  close(): Promise<void>;
}

/**
 * Makes a monitor. Its size depends on how many workflows and agents there are, not on how often they run.
 *
 * @example
 * ```ts
 * const monitor = createMonitor();
 * monitor.addAlertRule('failing', (stats) => stats.failureRate > 30);
 * monitor.alerts$.subscribe(({ ruleName, status }) => console.log(ruleName, status));
 * ```
 */
export function createMonitor(options: MonitorOptions = {}): Monitor {
  const { scheduler = asyncScheduler, saved, logger, print = toStdout } = options;
  const workflows = new Map<string, WorkflowMetrics>();
  for (const one of saved?.workflows ?? [])
    workflows.set(one.workflowName, createWorkflowMetrics(one.workflowName, one));
  const desk = alertDesk(scheduler, reporter(logger), saved?.alerts);
  const shownAt = new Map<string, number>();
  let unnamed = 0;

  const metricsOf = (name: string): WorkflowMetrics => {
    let metrics = workflows.get(name);
    if (metrics === undefined) {
      metrics = createWorkflowMetrics(name);
      workflows.set(name, metrics);
    }
    return metrics;
  };
  const sampleOf = (metrics: WorkflowMetrics, latest?: Execution): StatsSample => ({
    ...workflowStats(metrics),
    at: scheduler.now(),
    ...(latest === undefined ? {} : { latest }),
  });
  const show = (sample: StatsSample): void => {
    shownAt.set(sample.workflowName, sample.at);
    desk.show(sample);
  };
  const check = (name: string): void => {
    const metrics = workflows.get(name);
    if (metrics === undefined || metrics.successes + metrics.failures === 0) return;
    const sample = sampleOf(metrics);
    // The end of a run has shown itself already.
    if (shownAt.get(name) !== sample.at) show(sample);
    desk.ask(sample);
  };
  const allStats = (): WorkflowStats[] => [...workflows.values()].map(workflowStats);

  return {
    startWorkflow(_workflowId, workflowName) {
      metricsOf(workflowName);
    },
    endWorkflow(workflowName, duration, success) {
      const metrics = addRun(metricsOf(workflowName), { duration, success });
      if (desk.hasRules()) show(sampleOf(metrics, { duration, success }));
    },
    logAgentExecution(workflowName, agentName, duration, success, ownDuration = duration) {
      addAgentExecution(metricsOf(workflowName), agentName, { duration, success, ownDuration });
    },
    addAlertRule(...args: readonly [AlertRule] | readonly [string, AlertRule]) {
      if (args.length === 1) desk.addRule(`rule ${(unnamed += 1)}`, args[0]);
      else desk.addRule(...args);
    },
    alert: (ruleName, stream) => {
      desk.addStream(ruleName, stream);
    },
    checkAlerts(workflowName) {
      if (desk.hasRules())
        for (const name of workflowName === undefined ? workflows.keys() : [workflowName]) check(name);
      return desk.active();
    },
    alerts$: desk.alerts$,
    getMetrics: (workflowName) =>
      workflowStats(workflows.get(workflowName) ?? createWorkflowMetrics(workflowName)),
    workflowNames: () => [...workflows.keys()],
    metricsReport: (reportOptions) => metricsReport(allStats(), reportOptions),
    printMetricsReport: (reportOptions) => {
      print(metricsReport(allStats(), reportOptions));
    },
    save: () => ({
      version: 1,
      workflows: [...workflows.values()].map(saveWorkflowMetrics),
      alerts: desk.active(),
    }),
    close() {
      desk.close();
      return Promise.resolve();
    },
  };
}

function reporter(
  logger: RuleLog | undefined,
): (ruleName: string, workflowName: string, error: unknown) => void {
  const told = new Set<string>();
  return (ruleName, workflowName, error) => {
    if (told.has(ruleName)) return;
    told.add(ruleName);
    const message = `Alert rule "${ruleName}" failed for workflow "${workflowName}": ${toFailure(error).message}`;
    if (logger !== undefined)
      logger.error('monitor', message, { ruleName, workflowName, error: toFailure(error) });
    else process.emitWarning(message, 'MillraceWarning');
  };
}

function toStdout(report: string): void {
  process.stdout.write(`${report}\n`);
}
