import { VirtualAction, VirtualTimeScheduler } from 'rxjs';

import type { ExecutionLog } from '../model/executionLog';
import type { RunState } from '../model/state';
import { lifeSeconds } from '../model/state';
import type { Alert } from './alert';
import type { Monitor } from './monitor';
import { createMonitor } from './monitor';

/** A run that is over, as far as a monitor is concerned. */
export interface PastRun {
  /** Name of the workflow. */
  readonly workflowName: string;
  /** When it ended, epoch milliseconds. */
  readonly endedAt: number;
  /** Seconds. */
  readonly duration: number;
  /** Whether it went well. */
  readonly success: boolean;
  /** What its agents did. */
  readonly agents: readonly {
    readonly agentName: string;
    readonly duration: number;
    readonly success: boolean;
  }[];
}

/**
 * The alerts that would have fired: feeds past runs through a monitor whose clock stands where theirs stood.
 *
 * @param addRules - Gives the rules in question to the monitor.
 * @example
 * ```ts
 * const logs = await Promise.all((await history.listLogs()).map(({ logId }) => history.getLog(logId)));
 * const runs = logs.map(pastExecution).filter((run) => run !== undefined);
 * const alerts = backTest(runs, (monitor) => monitor.addAlertRule('slow', (stats) => stats.p95 > 5));
 * ```
 */
export function backTest(runs: Iterable<PastRun>, addRules: (monitor: Monitor) => void): readonly Alert[] {
  const inOrder = [...runs].sort((a, b) => a.endedAt - b.endedAt);
  const clock = new VirtualTimeScheduler(VirtualAction, inOrder.at(-1)?.endedAt ?? 0);
  clock.frame = inOrder[0]?.endedAt ?? 0;
  const monitor = createMonitor({ scheduler: clock });
  const alerts: Alert[] = [];
  const subscription = monitor.alerts$.subscribe({
    next: (alert) => alerts.push(alert),
    error: () => undefined,
  });
  addRules(monitor);

  const feed = (index: number): void => {
    const run = inOrder[index];
    if (run === undefined) return;
    // One after the other: the virtual scheduler sorts everything it holds at each call.
    clock.schedule(() => {
      replay(run, monitor);
      feed(index + 1);
    }, run.endedAt - clock.now());
  };
  feed(0);
  clock.flush();
  subscription.unsubscribe();
  return alerts;
}

/**
 * What a monitor would have heard of a run that rests in a store: of its latest life, if that completed or failed; without the
 * steps of earlier lives, without answers from the cache, and without the rest between the lives.
 */
export function pastRun(state: RunState): PastRun | undefined {
  const { name, status, endedAt } = state;
  const duration = lifeSeconds(state);
  if (endedAt === undefined || duration === undefined || (status !== 'COMPLETED' && status !== 'FAILED'))
    return undefined;
  const beganAt = Math.floor(endedAt - duration * 1_000);
  const agents = [...state.steps]
    .filter((step) => step.status === 'COMPLETED' || step.status === 'FAILED')
    .filter((step) => step.cached !== true && Date.parse(step.timestamp ?? '') >= beganAt)
    .map((step) => ({
      agentName: step.agent,
      duration: step.duration,
      success: step.status === 'COMPLETED',
    }));
  return { workflowName: name, endedAt, duration, success: status === 'COMPLETED', agents };
}

/** The same of an execution log. It knows steps and not agents, so each step counts as an agent of that name. */
export function pastExecution(log: ExecutionLog): PastRun | undefined {
  const { workflowName, startTime, endTime, status } = log;
  if (endTime === null || (status !== 'completed' && status !== 'failed')) return undefined;
  const endedAt = Date.parse(endTime);
  const agents = log.steps
    .filter((step) => step.status === 'completed' || step.status === 'failed')
    .map((step) => ({
      agentName: step.stepName,
      duration: step.duration,
      success: step.status === 'completed',
    }));
  const duration = (endedAt - Date.parse(startTime)) / 1_000;
  return { workflowName, endedAt, duration, success: status === 'completed', agents };
}

function replay({ workflowName, duration, success, agents }: PastRun, monitor: Monitor): void {
  for (const agent of agents)
    monitor.logAgentExecution(workflowName, agent.agentName, agent.duration, agent.success);
  monitor.endWorkflow(workflowName, duration, success);
  monitor.checkAlerts(workflowName);
}
