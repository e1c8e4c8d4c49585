import { map } from 'rxjs';

import { createMonitor } from '../../../lib/metrics/monitor';
import { above } from '../../../lib/metrics/ruleConditions';
import { NonRetryableError } from '../../../lib/model/failure';
import { agent } from '../../../operators/agents/agent';
import { run } from '../../../operators/runs/run';
import { measure } from '../../../operators/taps/measure';

describe('a rule that reads a property that is not there', () => {
  let warn: jest.SpyInstance;
  const told = () => warn.mock.calls.map(([message]) => String(message));

  beforeEach(() => {
    warn = jest.spyOn(process, 'emitWarning').mockImplementation();
  });
  afterEach(() => {
    warn.mockRestore();
  });

  const failing = agent('failing', (_: number): number => {
    throw new NonRetryableError('no');
  });
  const fails = (monitor: ReturnType<typeof createMonitor>, times: number): void => {
    for (let time = 0; time < times; time += 1)
      run(failing, 1)
        .pipe(measure(monitor))
        .subscribe({ error: () => undefined });
  };

  it('is told once, with what it is called, whatever the kind of the rule', () => {
    const monitor = createMonitor();
    monitor.addAlertRule('plain', (stats) => (stats as never as { failure_rate: number }).failure_rate > 30);
    monitor.alert('stream', (stats$) =>
      stats$.pipe(
        map((stats) => (stats as never as { FailureRate: number }).FailureRate),
        above(30),
      ),
    );
    monitor.addAlertRule(
      'agent',
      ({ agents }) => (agents['failing'] as never as { avg_time: number } | undefined)?.avg_time === 1,
    );
    fails(monitor, 3);
    expect(told().sort()).toEqual([
      'Alert rule "agent" failed for workflow "failing": it reads "avg_time", which is none of the numbers',
      'Alert rule "plain" failed for workflow "failing": it reads "failure_rate", which is none of the numbers; it is called "failureRate"',
      'Alert rule "stream" failed for workflow "failing": it reads "FailureRate", which is none of the numbers; it is called "failureRate"',
    ]);
  });

  it('says nothing of what is there, or may be: the rule fires', () => {
    const monitor = createMonitor();
    const fired: string[] = [];
    monitor.alerts$.subscribe(({ ruleName, status, stats }) => {
      if (status === 'FIRED') fired.push(`${ruleName} ${String(stats.failureRate)}`);
    });
    monitor.addAlertRule('plain', ({ failureRate, agents, ...others }) => {
      expect(Object.keys(others)).toContain('executions');
      return failureRate > 30 && agents['failing']?.failures === 1 && agents['nobody'] === undefined;
    });
    monitor.alert('stream', (stats$) =>
      stats$.pipe(map(({ latest, at }) => latest?.success === false && at > 0)),
    );
    fails(monitor, 1);
    monitor.checkAlerts();
    expect(fired.sort()).toEqual(['plain 100', 'stream 100']);
    expect(told()).toEqual([]);
  });
});
