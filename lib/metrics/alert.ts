import type { Observable, ObservableInput, SchedulerLike } from 'rxjs';

import type { Execution } from './agentMetrics';
import type { WorkflowStats } from './workflowMetrics';

/** A rule that looks at the numbers of one workflow: true while something is wrong. */
export type AlertRule = (stats: WorkflowStats) => boolean;

/**
 * A rule that follows the numbers of one workflow over time and says when something begins and ceases to be wrong.
 *
 * Called once for each workflow, and again after it has failed. What it says is compared with what it said before:
 * repetitions do nothing; anything but true and false is reported and changes nothing. Timers belong on the given scheduler, so
 * that back-testing can turn the clock.
 */
export type AlertStream = (
  stats$: Observable<StatsSample>,
  scheduler: SchedulerLike,
) => ObservableInput<boolean>;

/**
 * The numbers of a workflow at one moment. Those of its agents are worked out when they are looked at, and are those of that
 * moment whenever that is; copy `agents` before sending it to another thread.
 */
export interface StatsSample extends WorkflowStats {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The end of a run that led to this sample; absent when somebody merely asked for a check. */
  readonly latest?: Execution;
}

/** Something begins or ceases to be wrong. */
export interface Alert {
  /** Name of the rule. */
  readonly ruleName: string;
  /** Name of the workflow. */
  readonly workflowName: string;
  /** Whether it begins or ceases to be wrong. */
  readonly status: 'FIRED' | 'CLEARED';
  /** Epoch milliseconds. */
  readonly at: number;
  /** The numbers that led to it. */
  readonly stats: WorkflowStats;
}

/** What has become of an alert, as it is kept. */
export interface AlertRecord {
  /** Name of the rule. */
  readonly ruleName: string;
  /** Name of the workflow. */
  readonly workflowName: string;
  /** Whether it began or ceased to be wrong. */
  readonly status: 'FIRED' | 'CLEARED';
  /** Epoch milliseconds. */
  readonly at: number;
  /** The numbers that the rule looked at, such as `failureRate`; `value` is what `above()` compared. */
  readonly figures: Readonly<Record<string, number>>;
  /** What `above()` compared it with. */
  readonly limit?: number | undefined;
}

/** So many of the latest are kept. */
export const MOST_RECORDS = 100;

/** What the conditions of a stream rule, such as `above`, remember of one workflow: plain JSON, in their order. */
export interface RememberedRule {
  /** Name of the rule. */
  readonly ruleName: string;
  /** Name of the workflow. */
  readonly workflowName: string;
  /** One place for each condition. */
  readonly cells: readonly unknown[];
}

/** An alert that has fired and not cleared. */
export interface ActiveAlert {
  /** Name of the rule. */
  readonly ruleName: string;
  /** Name of the workflow. */
  readonly workflowName: string;
  /** When it fired, epoch milliseconds. */
  readonly since: number;
}
