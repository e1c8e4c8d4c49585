import type { Alert } from '../../lib/metrics/alert';
import type { Monitor } from '../../lib/metrics/monitor';
import { createMonitor } from '../../lib/metrics/monitor';

/** Counts so many runs that went well, and so many that did not. */
function feed(monitor: Monitor, successes: number, failures: number, duration = 1): void {
  for (let i = 0; i < successes + failures; i += 1) monitor.endWorkflow('w', duration, i < successes);
}

function heard(monitor: Monitor): readonly Alert[] {
  const alerts: Alert[] = [];
  monitor.alerts$.subscribe((alert) => alerts.push(alert));
  return alerts;
}

describe('S30 alert rules', () => {
  it('fires when more than 30 % failed, not at 30 %', () => {
    const monitor = createMonitor();
    const alerts = heard(monitor);
    monitor.addAlertRule('failing', (stats) => stats.failureRate > 30);
    feed(monitor, 7, 3);
    expect(monitor.checkAlerts()).toEqual([]);
    feed(monitor, 0, 1);
    expect(monitor.checkAlerts()).toMatchObject([{ ruleName: 'failing', workflowName: 'w' }]);
    expect(alerts).toMatchObject([
      { ruleName: 'failing', workflowName: 'w', status: 'FIRED', stats: { failures: 4 } },
    ]);
  });

  it('fires when runs take more than 5 s on average, not at 5 s', () => {
    const monitor = createMonitor();
    monitor.addAlertRule('slow', (stats) => stats.avgDuration > 5.0);
    feed(monitor, 2, 0, 5);
    expect(monitor.checkAlerts()).toEqual([]);
    feed(monitor, 1, 0, 5.1);
    expect(monitor.checkAlerts()).toHaveLength(1);
  });

  it('fires when an agent fails more often than not, not when every second time', () => {
    const monitor = createMonitor();
    monitor.addAlertRule('flaky', (stats) =>
      Object.values(stats.agents).some((agent) => agent.successRate < 50),
    );
    for (const success of [true, false]) monitor.logAgentExecution('w', 'a', 1, success);
    feed(monitor, 1, 0);
    expect(monitor.checkAlerts()).toEqual([]);
    monitor.logAgentExecution('w', 'a', 1, false);
    expect(monitor.checkAlerts()).toHaveLength(1);
  });

  it('fires when less than 80 % succeeded, not at 80 %', () => {
    const monitor = createMonitor();
    monitor.addAlertRule((stats) => stats.successRate < 80);
    feed(monitor, 4, 1);
    expect(monitor.checkAlerts()).toEqual([]);
    feed(monitor, 0, 1);
    expect(monitor.checkAlerts()).toMatchObject([{ ruleName: 'rule 1' }]);
  });

  it('fires never before a run has ended', () => {
    const monitor = createMonitor();
    const rule = jest.fn(() => true);
    monitor.addAlertRule('always', rule);
    monitor.alert('always too', (stats$) => {
      stats$.subscribe(rule);
      return [true];
    });
    monitor.startWorkflow('1', 'w');
    monitor.logAgentExecution('w', 'a', 1, false);
    expect(monitor.checkAlerts()).toEqual([]);
    expect(monitor.checkAlerts('nobody')).toEqual([]);
    expect(rule).not.toHaveBeenCalled();
  });

  it('does not repeat itself until it has cleared', () => {
    const monitor = createMonitor();
    const alerts = heard(monitor);
    monitor.addAlertRule('failing', (stats) => stats.failureRate > 30);
    feed(monitor, 0, 1);
    for (let i = 0; i < 3; i += 1) monitor.checkAlerts();
    feed(monitor, 9, 0);
    for (let i = 0; i < 3; i += 1) monitor.checkAlerts();
    feed(monitor, 0, 9);
    monitor.checkAlerts();
    expect(alerts.map((alert) => alert.status)).toEqual(['FIRED', 'CLEARED', 'FIRED']);
  });

  it('logs a rule that throws, once, and asks the others', async () => {
    const logger = { error: jest.fn() };
    const monitor = createMonitor({ logger });
    monitor.addAlertRule('broken', () => {
      throw new Error('no such field');
    });
    monitor.addAlertRule('async', (() => Promise.reject(new Error('later'))) as unknown as () => boolean);
    monitor.alert('throws', () => {
      throw new Error('cannot begin');
    });
    monitor.addAlertRule('sound', () => true);
    feed(monitor, 1, 0);
    for (let i = 0; i < 3; i += 1)
      expect(monitor.checkAlerts().map((alert) => alert.ruleName)).toEqual(['sound']);
    await new Promise((resolve) => setImmediate(resolve));
    expect(logger.error.mock.calls.map(([component, message]: unknown[]) => [component, message])).toEqual([
      ['monitor', 'Alert rule "throws" failed for workflow "w": cannot begin'],
      ['monitor', 'Alert rule "broken" failed for workflow "w": no such field'],
      [
        'monitor',
        'Alert rule "async" failed for workflow "w": it gave a Promise, where true or false is expected',
      ],
    ]);
  });

  it('watches each workflow by itself', () => {
    const monitor = createMonitor();
    const alerts = heard(monitor);
    monitor.addAlertRule('failing', (stats) => stats.failureRate > 30);
    monitor.endWorkflow('good', 1, true);
    monitor.endWorkflow('bad', 1, false);
    monitor.checkAlerts();
    expect(alerts.map((alert) => alert.workflowName)).toEqual(['bad']);
  });
});
