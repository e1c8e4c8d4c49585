import { VirtualAction, VirtualTimeScheduler } from 'rxjs';

import type { Alert } from './alert';
import type { Monitor } from './monitor';
import { createMonitor } from './monitor';

/** A run that is over, as far as a monitor is concerned. */
export interface PastRun {
  readonly workflowName: string;
  /** When it ended, epoch milliseconds. */
  readonly endedAt: number;
  /** Seconds. */
  readonly duration: number;
  readonly success: boolean;
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
 * const alerts = backTest(await pastRuns(history), (monitor) => monitor.addAlertRule('slow', (stats) => stats.p95 > 5));
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

function replay({ workflowName, duration, success, agents }: PastRun, monitor: Monitor): void {
  for (const agent of agents)
    monitor.logAgentExecution(workflowName, agent.agentName, agent.duration, agent.success);
  monitor.endWorkflow(workflowName, duration, success);
  monitor.checkAlerts(workflowName);
}
