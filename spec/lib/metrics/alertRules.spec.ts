import { map, pairwise } from 'rxjs';

import type { Alert, AlertStream } from '../../../lib/metrics/alert';
import type { Monitor } from '../../../lib/metrics/monitor';
import { createMonitor } from '../../../lib/metrics/monitor';
import { InvalidArgumentError } from '../../../lib/model/failure';
import { above, failureRateOver } from '../../../lib/metrics/ruleConditions';

interface Watched {
  readonly monitor: Monitor;
  readonly alerts: Alert['status'][];
  readonly errors: string[];
}

function watched(saved?: unknown): Watched {
  const errors: string[] = [];
  const logger = { error: (_component: string, message: string) => errors.push(message) };
  const monitor = createMonitor({
    logger,
    ...(saved === undefined ? {} : { saved: JSON.parse(JSON.stringify(saved)) as never }),
  });
  const alerts: Alert['status'][] = [];
  monitor.alerts$.subscribe(({ status }) => alerts.push(status));
  return { monitor, alerts, errors };
}

const latestDuration: AlertStream = (stats$) =>
  stats$.pipe(
    map(({ latest }) => latest?.duration ?? 0),
    above(10, { clear: 5 }),
  );

describe('alert rules that answer neither true nor false', () => {
  it.each([
    ['undefined', undefined],
    ['a number', 1],
    ['null', null],
    ['a string', 'yes'],
    ['a Promise', Promise.resolve(true)],
  ])('are refused by name when they give %s, and change nothing', (what, answer) => {
    const { monitor, alerts, errors } = watched();
    monitor.alert('stream', (stats$) => stats$.pipe(map(() => answer as never)));
    monitor.addAlertRule('plain', () => answer as never);
    for (const success of [true, false, true]) monitor.endWorkflow('w', 1, success);
    monitor.checkAlerts();
    expect(alerts).toEqual([]);
    const said = what.startsWith('a ') || what === 'null' || what === 'undefined' ? what : `a ${what}`;
    expect(errors).toEqual([
      `Alert rule "stream" failed for workflow "w": it gave ${said}, where true or false is expected`,
      `Alert rule "plain" failed for workflow "w": it gave ${said}, where true or false is expected`,
    ]);
  });

  it('are heard as soon as they know', () => {
    const { monitor, alerts } = watched();
    monitor.alert('fetch fails', (stats$) =>
      stats$.pipe(map(({ agents }) => (agents['fetch'] && agents['fetch'].failureRate > 30) as boolean)),
    );
    for (let i = 0; i < 3; i += 1) monitor.endWorkflow('w', 1, true);
    monitor.logAgentExecution('w', 'fetch', 1, false);
    for (let i = 0; i < 3; i += 1) monitor.endWorkflow('w', 1, false);
    expect(alerts).toEqual(['FIRED']);
  });
});

describe('alert rules that fail', () => {
  it('are asked again with the next sample, whether their function, their stream or its beginning failed', () => {
    const { monitor, alerts, errors } = watched();
    let calls = 0;
    monitor.alert('operator', (stats$) =>
      stats$.pipe(
        map((stats) => {
          calls += 1;
          if (calls % 2 === 1) throw new Error('odd');
          return stats.failureRate > 10;
        }),
      ),
    );
    let begun = 0;
    monitor.alert('beginning', (stats$) => {
      begun += 1;
      if (begun === 1) throw new Error('first');
      return stats$.pipe(map(({ failureRate }) => failureRate > 10));
    });
    for (let i = 0; i < 4; i += 1) monitor.endWorkflow('w', 1, false);
    expect(alerts).toEqual(['FIRED', 'FIRED']);
    expect(errors).toHaveLength(2);
  });

  it('clear what they fired before they failed', () => {
    const { monitor, alerts } = watched();
    let calls = 0;
    monitor.alert('s', (stats$) =>
      stats$.pipe(
        map(({ latest }) => {
          calls += 1;
          if (calls === 2) throw new Error('once');
          return latest?.success === false;
        }),
      ),
    );
    monitor.endWorkflow('w', 1, false);
    for (let i = 0; i < 3; i += 1) monitor.endWorkflow('w', 1, true);
    expect(alerts).toEqual(['FIRED', 'CLEARED']);
    expect(monitor.checkAlerts()).toEqual([]);
  });
});

describe('above() and failureRateOver()', () => {
  it.each([
    ['above(NaN)', () => above(Number.NaN)],
    ['above(undefined)', () => above(undefined as never)],
    ['above(10, { clear: NaN })', () => above(10, { clear: Number.NaN })],
    ['above(10, { clear: 20 })', () => above(10, { clear: 20 })],
    ['failureRateOver(NaN)', () => failureRateOver(Number.NaN)],
    ['failureRateOver(0)', () => failureRateOver(0)],
    ['failureRateOver(1, NaN)', () => failureRateOver(1, Number.NaN)],
    ['failureRateOver(1, 0)', () => failureRateOver(1, 0)],
  ])('refuse %s', (_what, make) => {
    expect(make).toThrow(InvalidArgumentError);
  });

  it('go on after a restart as if there had been none: hysteresis, several in one rule, windows', () => {
    const window: AlertStream = (stats$) => stats$.pipe(failureRateOver(3_600_000, 3), above(50));
    const durations = [20, 7, 12, 4, 7, 11, 6];
    const whole = watched();
    let parts = watched();
    const all: Alert['status'][] = [];
    whole.monitor.alert('slow', latestDuration);
    whole.monitor.alert('failing', window);
    for (const duration of durations) {
      parts.monitor.alert('slow', latestDuration);
      parts.monitor.alert('failing', window);
      for (const { monitor } of [whole, parts]) monitor.endWorkflow('w', duration, duration > 10);
      all.push(...parts.alerts);
      parts = watched(parts.monitor.save());
    }
    expect(all).toEqual(whole.alerts);
    expect(all.length).toBeGreaterThan(3);
  });

  it('begin anew when what was saved belongs to another rule', () => {
    const { monitor } = watched();
    monitor.alert('slow', latestDuration);
    monitor.endWorkflow('w', 20, true);
    const other = watched(monitor.save());
    other.monitor.alert('slow', (stats$) => stats$.pipe(failureRateOver(1_000), above(50)));
    other.monitor.endWorkflow('w', 1, true);
    expect(other.alerts).toEqual(['CLEARED']);
    expect(other.errors).toEqual([]);
  });
});

describe('alerts whose rule is gone', () => {
  const before = createMonitor();
  before.addAlertRule('old', () => true);
  before.alert('slow', (stats$) => stats$.pipe(map(() => true)));
  before.endWorkflow('w', 1, false);
  before.checkAlerts();
  const saved = before.save();

  it('end when the rule was renamed or removed', () => {
    const renamed = watched(saved);
    renamed.monitor.addAlertRule('new', () => false);
    renamed.monitor.endWorkflow('w', 1, true);
    expect(renamed.monitor.checkAlerts('w')).toEqual([]);
    expect(renamed.alerts).toEqual(['CLEARED', 'CLEARED']);
    const removed = watched(saved);
    expect(removed.monitor.checkAlerts()).toEqual([]);
  });

  it('end when nothing is known of the workflow', () => {
    const { monitor } = watched({ ...saved, workflows: [] });
    monitor.addAlertRule('old', () => false);
    monitor.endWorkflow('other', 1, true);
    expect(monitor.checkAlerts()).toEqual([]);
  });

  it('stay while the rule and the workflow are there', () => {
    const { monitor, alerts } = watched(saved);
    monitor.addAlertRule('old', () => true);
    monitor.alert('slow', (stats$) => stats$.pipe(map(() => true)));
    expect(
      monitor
        .checkAlerts()
        .map(({ ruleName }) => ruleName)
        .sort(),
    ).toEqual(['old', 'slow']);
    expect(alerts).toEqual([]);
  });
});

describe('samples of many agents', () => {
  it('show each agent as it was at their moment, also when they are looked at later', () => {
    const { monitor } = watched();
    const seen: unknown[] = [];
    monitor.alert('grows', (stats$) =>
      stats$.pipe(
        pairwise(),
        map(([one, other]) => {
          seen.push(
            [one, other].map(({ agents }) =>
              Object.entries(agents).map(([name, it]) => [name, it.executions]),
            ),
          );
          return false;
        }),
      ),
    );
    monitor.logAgentExecution('w', 'a', 1, true);
    monitor.endWorkflow('w', 1, true);
    monitor.logAgentExecution('w', 'a', 1, true);
    monitor.logAgentExecution('w', 'b', 1, true);
    monitor.endWorkflow('w', 1, true);
    monitor.endWorkflow('w', 1, true);
    expect(seen).toEqual([
      [
        [['a', 1]],
        [
          ['a', 2],
          ['b', 1],
        ],
      ],
      [
        [
          ['a', 2],
          ['b', 1],
        ],
        [
          ['a', 2],
          ['b', 1],
        ],
      ],
    ]);
  });

  it('look like a record', () => {
    const { monitor } = watched();
    monitor.logAgentExecution('w', 'a', 1, true);
    monitor.logAgentExecution('w', '__proto__', 1, true);
    let same: unknown;
    monitor.addAlertRule('r', (stats) => {
      same = JSON.stringify(stats.agents) === JSON.stringify(monitor.getMetrics('w').agents);
      expect(stats.agents.toString).not.toHaveProperty('executions');
      expect(Object.keys(stats.agents)).toEqual(['a', '__proto__']);
      expect('b' in stats.agents).toBe(false);
      return true;
    });
    let told: Alert | undefined;
    monitor.alerts$.subscribe((alert) => (told = alert));
    monitor.endWorkflow('w', 1, true);
    monitor.checkAlerts();
    expect(same).toBe(true);
    expect(structuredClone(told)?.stats.agents['a']).toMatchObject({ executions: 1 });
  });

  it('cost what has changed, not what there is', () => {
    const costOf = (agents: number): number => {
      const { monitor } = watched();
      monitor.addAlertRule('one', (stats) => (stats.agents['agent 1']?.failureRate ?? 0) > 50);
      monitor.alert('all', (stats$) => stats$.pipe(map(({ failureRate }) => failureRate > 50)));
      for (let i = 0; i < agents; i += 1) monitor.logAgentExecution('w', `agent ${i}`, 1, true);
      const begin = process.cpuUsage();
      for (let i = 0; i < 200; i += 1) {
        monitor.logAgentExecution('w', `agent ${i}`, 1, true);
        monitor.endWorkflow('w', 1, true);
        monitor.checkAlerts('w');
      }
      const { user, system } = process.cpuUsage(begin);
      return (user + system) / 200;
    };
    costOf(100);
    // With a record for each sample it would be 65 ms each.
    expect(costOf(50_000)).toBeLessThan(1_000);
  });
});
