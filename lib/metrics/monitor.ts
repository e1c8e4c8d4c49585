import type { Observable, SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { toFailure } from '../model/failure';
import { hideSecrets } from '../model/secrets/secretTexts';
import type { Execution } from './agentMetrics';
import { AgentSamples } from './agentSamples';
import type {
  ActiveAlert,
  Alert,
  AlertRecord,
  AlertRule,
  AlertStream,
  RememberedRule,
  StatsSample,
} from './alert';
import type { OnRuleError } from './alertDesk';
import { AlertDesk } from './alertDesk';
import type { ReportOptions, StreamFigures } from './metricsReport';
import { metricsReport } from './metricsReport';
import type { SavedWorkflowMetrics, WorkflowMetrics, WorkflowStats } from './workflowMetrics';
import {
  addAgentExecution,
  addRun,
  createWorkflowMetrics,
  saveWorkflowMetrics,
  workflowFigures,
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
  /** What has fired and cleared, the latest 100, oldest first. */
  readonly history?: readonly AlertRecord[] | undefined;
  /** What the conditions of stream rules remember. */
  readonly rules?: readonly RememberedRule[] | undefined;
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
   * workflow that has not run. An alert whose rule is no longer there ends: add the rules before the first run. Gives what is
   * wrong now.
   */
  checkAlerts(workflowName?: string): readonly ActiveAlert[];
  /** What begins and ceases to be wrong, from now on. */
  readonly alerts$: Observable<Alert>;
  /** The numbers of one workflow; zeros for a name never heard. */
  getMetrics(workflowName: string): WorkflowStats;
  /** The names of the workflows there are numbers about, first seen first. */
  workflowNames(): readonly string[];
  /** A stream that remembers is under way: `fromOffset(read, { monitor })` says so. It is asked when somebody wants to know. */
  watchStream(name: string, stream: { summary(): StreamFigures }): void;
  /** How the streams stand that were watched: offsets, lags, numbers of rows, late items, the latest record. By name. */
  streams(): readonly StreamFigures[];
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
  const desk = new AlertDesk(scheduler, reporter(logger), saved);
  const workflows = new MeasuredWorkflows(desk, scheduler, saved?.workflows);
  let unnamed = 0;
  const watched = new Map<string, { summary(): StreamFigures }>();
  const streams = (): readonly StreamFigures[] =>
    [...watched.values()].map((stream) => stream.summary()).sort((a, b) => (a.name < b.name ? -1 : 1));
  // A plain object: `openMonitor` and whoever wraps a monitor spread it.
  return {
    startWorkflow(_workflowId, workflowName) {
      workflows.named(workflowName);
    },
    endWorkflow(workflowName, duration, success) {
      workflows.addRun(workflowName, { duration, success });
    },
    logAgentExecution(workflowName, agentName, duration, success, ownDuration = duration) {
      const { metrics, samples } = workflows.named(workflowName);
      const name = hideSecrets(agentName);
      samples.willChange(name);
      addAgentExecution(metrics, name, { duration, success, ownDuration });
    },
    addAlertRule(...args: readonly [AlertRule] | readonly [string, AlertRule]) {
      if (args.length === 1) desk.addRule(`rule ${(unnamed += 1)}`, args[0]);
      else desk.addRule(...args);
    },
    alert: (ruleName, stream) => {
      desk.addStream(ruleName, stream);
    },
    checkAlerts: (workflowName) => workflows.checkAlerts(workflowName),
    alerts$: desk.alerts$,
    getMetrics: (workflowName) =>
      workflows.stats(workflowName) ?? workflowStats(createWorkflowMetrics(workflowName)),
    workflowNames: () => workflows.names(),
    watchStream: (name, stream) => {
      watched.set(name, stream);
    },
    streams,
    metricsReport: (reportOptions) => metricsReport(workflows.allStats(), reportOptions, streams()),
    printMetricsReport: (reportOptions) => {
      print(metricsReport(workflows.allStats(), reportOptions, streams()));
    },
    save() {
      const rules = desk.memories();
      const history = desk.history();
      return {
        version: 1,
        workflows: workflows.save(),
        alerts: desk.active(),
        ...(history.length === 0 ? {} : { history }),
        ...(rules.length === 0 ? {} : { rules }),
      };
    },
    close() {
      desk.close();
      return Promise.resolve();
    },
  };
}

/** The numbers of one workflow, and what rules have been shown of them. */
interface Measured {
  readonly metrics: WorkflowMetrics;
  readonly samples: AgentSamples;
}

/** The numbers of all workflows, and when the rules saw them last. */
class MeasuredWorkflows {
  readonly #desk: AlertDesk;
  readonly #scheduler: SchedulerLike;
  readonly #workflows = new Map<string, Measured>();
  readonly #shownAt = new Map<string, number>();

  constructor(
    desk: AlertDesk,
    scheduler: SchedulerLike,
    saved: readonly SavedWorkflowMetrics[] | undefined = [],
  ) {
    this.#desk = desk;
    this.#scheduler = scheduler;
    for (const one of saved) this.#add(one.workflowName, one);
  }

  /** The workflow of this name, known from now on. */
  named(name: string): Measured {
    return this.#known(name) ?? this.#add(hideSecrets(name));
  }

  addRun(name: string, execution: Execution): void {
    const workflow = this.named(name);
    addRun(workflow.metrics, execution);
    if (this.#desk.hasRules()) this.#show(this.#sampleOf(workflow, execution));
  }

  checkAlerts(name: string | undefined): readonly ActiveAlert[] {
    if (this.#desk.isIdle()) return [];
    const asked = name === undefined ? [...this.#workflows.values()] : [this.#known(name)];
    for (const workflow of asked) if (workflow !== undefined) this.#check(workflow);
    this.#desk.endOrphans(name === undefined ? undefined : hideSecrets(name), (one) => this.stats(one));
    return this.#desk.active();
  }

  names(): readonly string[] {
    return [...this.#workflows.keys()];
  }

  stats(name: string): WorkflowStats | undefined {
    const workflow = this.#known(name);
    return workflow === undefined ? undefined : workflowStats(workflow.metrics);
  }

  allStats(): WorkflowStats[] {
    return [...this.#workflows.values()].map(({ metrics }) => workflowStats(metrics));
  }

  save(): readonly SavedWorkflowMetrics[] {
    return [...this.#workflows.values()].map(({ metrics }) => saveWorkflowMetrics(metrics));
  }

  #known(name: string): Measured | undefined {
    return this.#workflows.get(hideSecrets(name));
  }

  #add(name: string, saved?: SavedWorkflowMetrics): Measured {
    const metrics = createWorkflowMetrics(name, saved);
    const workflow = { metrics, samples: new AgentSamples(metrics.agentMetrics) };
    this.#workflows.set(name, workflow);
    return workflow;
  }

  #check(workflow: Measured): void {
    const { workflowName, successes, failures } = workflow.metrics;
    if (successes + failures === 0) return;
    const sample = this.#sampleOf(workflow);
    // The end of a run has shown itself already.
    if (this.#shownAt.get(workflowName) !== sample.at) this.#show(sample);
    this.#desk.ask(sample);
  }

  #show(sample: StatsSample): void {
    this.#shownAt.set(sample.workflowName, sample.at);
    this.#desk.show(sample);
  }

  #sampleOf({ metrics, samples }: Measured, latest?: Execution): StatsSample {
    return {
      ...workflowFigures(metrics),
      agents: samples.take(),
      at: this.#scheduler.now(),
      ...(latest === undefined ? {} : { latest }),
    };
  }
}

/** Tells the first failure of each rule. */
function reporter(logger: RuleLog | undefined): OnRuleError {
  const told = new Set<string>();
  return (ruleName, workflowName, error) => {
    if (told.has(ruleName)) return;
    told.add(ruleName);
    const failure = toFailure(error);
    const message = hideSecrets(
      `Alert rule "${ruleName}" failed for workflow "${workflowName}": ${failure.message}`,
    );
    if (logger !== undefined)
      logger.error('monitor', message, {
        ruleName: hideSecrets(ruleName),
        workflowName: hideSecrets(workflowName),
        error: { ...failure, message: hideSecrets(failure.message) },
      });
    else process.emitWarning(message, 'MillraceWarning');
  };
}

function toStdout(report: string): void {
  process.stdout.write(`${report}\n`);
}
