import { concat, from, NEVER } from 'rxjs';

import { createMonitor } from '../../lib/metrics/monitor';
import type { Transition } from '../../lib/model/event';
import { alertOn } from '../../operators/taps/alertOn';
import { measure } from '../../operators/taps/measure';
import { started, transitionsOf } from '../support/events';

const failed = (runId: string): Transition[] =>
  transitionsOf(runId, [
    started,
    { type: 'run.failed', error: { name: 'E', message: 'm', retryable: true }, duration: 1 },
  ]);
const completed = (runId: string): Transition[] =>
  transitionsOf(runId, [started, { type: 'run.completed', output: 1, duration: 1 }]);
const failing = (stats: { readonly failureRate: number }): boolean => stats.failureRate > 30;

describe('alertOn()', () => {
  it('tells when something begins and ceases to be wrong, before the end is passed on', () => {
    const told: string[] = [];
    const all = [
      failed('1'),
      failed('2'),
      completed('3'),
      completed('4'),
      completed('5'),
      completed('6'),
      completed('7'),
    ].flat();
    from(all)
      .pipe(
        alertOn({ failing }, ({ ruleName, workflowName, status }) =>
          told.push(`${ruleName} ${workflowName} ${status}`),
        ),
      )
      .subscribe(({ event }) => event.type === 'run.failed' && told.push('passed'));
    expect(told).toEqual(['failing w FIRED', 'passed', 'passed', 'failing w CLEARED']);
  });

  it('counts the runs of several pipes together', () => {
    const told: string[] = [];
    const few = alertOn({ few: (stats) => stats.executions === 2 }, ({ status }) => told.push(status));
    from(completed('1')).pipe(few).subscribe();
    expect(told).toEqual([]);
    from(completed('2')).pipe(few).subscribe();
    expect(told).toEqual(['FIRED']);
  });

  it('tells an alert once, however many pipes are subscribed', () => {
    const told: string[] = [];
    const tap = alertOn({ failing }, ({ status }) => told.push(status));
    concat(failed('1'), NEVER).pipe(tap).subscribe();
    from(failed('2')).pipe(tap).subscribe();
    from(Array.from('3456789').flatMap(completed)).pipe(tap).subscribe();
    expect(told).toEqual(['FIRED', 'CLEARED']);
  });

  it('passes on the alerts of a monitor, as long as it is subscribed', () => {
    const monitor = createMonitor();
    const told: string[] = [];
    monitor.addAlertRule('failing', failing);
    from(failed('1'))
      .pipe(
        measure(monitor),
        alertOn(monitor, ({ status }) => told.push(status)),
      )
      .subscribe();
    for (let i = 0; i < 9; i += 1) monitor.endWorkflow('w', 1, true);
    monitor.checkAlerts();
    expect(told).toEqual(['FIRED']);
  });
});
