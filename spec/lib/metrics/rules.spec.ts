import type { Observable } from 'rxjs';
import {
  delay,
  from,
  interval,
  map,
  of,
  Subject,
  switchMap,
  tap,
  VirtualAction,
  VirtualTimeScheduler,
} from 'rxjs';

import { memoryHistory } from '../../../lib/history/memoryHistory';
import type { StatsSample } from '../../../lib/metrics/alert';
import type { PastRun } from '../../../lib/metrics/backTest';
import { backTest, pastExecution, pastRun } from '../../../lib/metrics/backTest';
import { createMonitor } from '../../../lib/metrics/monitor';
import { above, failureRateOver } from '../../../lib/metrics/ruleConditions';
import type { RunFact } from '../../../lib/model/event';
import { reduceRun } from '../../../lib/model/reduce';
import type { RunState } from '../../../lib/model/state';
import { idleState } from '../../../lib/model/state';
import { runSummary } from '../../../lib/report/runSummary';
import { agent } from '../../../operators/agents/agent';
import { run } from '../../../operators/runs/run';
import { everything } from '../../support/everything';
import { attempt } from '../../support/events';
import { marbles } from '../../support/marbles';

const MINUTE = 60_000;

/** A sample a minute: of a run that went well, of one that failed, or of no run. */
function sampled(runs: string, atLeast?: number): Promise<readonly number[]> {
  const samples = Array.from(runs).map((run, minute) => ({
    at: minute * MINUTE,
    ...(run === '.' ? {} : { latest: { success: run === 'o', duration: 1 } }),
  }));
  return everything(from(samples as StatsSample[]).pipe(failureRateOver(5 * MINUTE, atLeast)));
}

describe('failureRateOver()', () => {
  it('is the share of the runs within the window', async () => {
    expect(await sampled('oxxo')).toEqual([0, 50, (100 * 2) / 3, 50]);
  });

  it('forgets what has left the window, also when nothing runs', async () => {
    expect(await sampled('x.....')).toEqual([100, 100, 100, 100, 100, 0]);
    expect((await sampled('xxxxxooooo')).at(-1)).toBe(0);
  });

  it('forgets in time what ended before the clock was set back', async () => {
    const samples = [
      [100, false],
      [101, false],
      [41, true],
      [42, true],
      [45, true],
      [46, undefined],
    ].map(([minute, success]) => ({
      at: Number(minute) * MINUTE,
      ...(success !== undefined && { latest: { success, duration: 1 } }),
    }));
    const rates = await everything(from(samples as StatsSample[]).pipe(failureRateOver(5 * MINUTE)));
    expect(rates).toEqual([100, 100, (100 * 2) / 3, 50, 40, 0]);
  });

  it('is 0 as long as there are too few runs', async () => {
    expect(await sampled('xxxx', 3)).toEqual([0, 0, 100, 100]);
  });

  it('keeps few numbers for many runs', async () => {
    const samples = Array.from({ length: 100_000 }, (_, i) => ({
      at: i,
      latest: { success: i % 2 === 0, duration: 1 },
    }));
    expect(
      (await everything(from(samples as StatsSample[]).pipe(failureRateOver(MINUTE)))).at(-1),
    ).toBeCloseTo(50, 5);
  });
});

describe('above()', () => {
  it(
    'has hysteresis: on above the limit, off below the other',
    marbles(({ hot, expectObservable }) => {
      const values = { a: 30, b: 31, c: 25, d: 20, e: 19 };
      const numbers = hot('-abcdbe-a|', values);
      expectObservable(numbers.pipe(above(30, { clear: 20 }))).toBe(
        '-yx---z--|'.replace(/[yxz]/g, (c) => ({ y: 'f', x: 't', z: 'f' })[c]!),
        {
          t: true,
          f: false,
        },
      );
    }),
  );

  it('without another limit is off as soon as the value is not above', async () => {
    expect(await everything(from([30, 31, 32, 30, 31]).pipe(above(30)))).toEqual([false, true, false, true]);
  });
});

describe('above(), given NaN', () => {
  it('stays as it is', async () => {
    const values = [NaN, 20, NaN, 4, NaN];
    expect(await everything(from(values).pipe(above(10)))).toEqual([false, true, false]);
    expect(await everything(from(values).pipe(above(10, { clear: 5 })))).toEqual([false, true, false]);
  });
});

describe('monitor.alert()', () => {
  const clock = (): VirtualTimeScheduler => new VirtualTimeScheduler(VirtualAction);

  it('fires above 30 % failures within 5 minutes, and clears below 20 %', () => {
    const scheduler = clock();
    const monitor = createMonitor({ scheduler });
    const told: string[] = [];
    monitor.alert('failing', (stats$) => stats$.pipe(failureRateOver(5 * MINUTE), above(30, { clear: 20 })));
    monitor.alerts$.subscribe(({ status, at }) => told.push(`${status} at ${at / MINUTE}`));
    for (const [minute, letter] of Array.from('ooxxooooooo').entries()) {
      scheduler.schedule(() => monitor.endWorkflow('w', 1, letter === 'o'), minute * MINUTE);
    }
    scheduler.flush();
    expect(told).toEqual(['FIRED at 2', 'CLEARED at 8']);
  });

  it('sees time pass through checkAlerts(), without a run', () => {
    const scheduler = clock();
    const monitor = createMonitor({ scheduler });
    const told: string[] = [];
    monitor.alert('failing', (stats$) => stats$.pipe(failureRateOver(MINUTE), above(30)));
    monitor.alerts$.subscribe(({ status, at }) => told.push(`${status} at ${at}`));
    monitor.endWorkflow('w', 1, false);
    expect(monitor.checkAlerts()).toHaveLength(1);
    scheduler.schedule(() => monitor.checkAlerts(), 2 * MINUTE);
    scheduler.flush();
    expect(told).toEqual(['FIRED at 0', `CLEARED at ${2 * MINUTE}`]);
    expect(monitor.checkAlerts()).toEqual([]);
  });

  it('gives each workflow a stream of its own, and ends them with the monitor', async () => {
    const monitor = createMonitor();
    const names: string[] = [];
    const ended = jest.fn();
    monitor.alert('count', (stats$) => {
      stats$.subscribe({
        next: ({ workflowName, executions }) => names.push(`${workflowName}${executions}`),
        complete: ended,
      });
      return new Subject<boolean>();
    });
    monitor.endWorkflow('a', 1, true);
    monitor.endWorkflow('b', 1, true);
    monitor.endWorkflow('a', 1, true);
    await monitor.close();
    expect(names).toEqual(['a1', 'b1', 'a2']);
    expect(ended).toHaveBeenCalledTimes(2);
  });

  it('replaces a rule of the same name, also for workflows that have run', () => {
    const monitor = createMonitor();
    const asked: string[] = [];
    const rule = (name: string) => (stats$: Observable<StatsSample>) =>
      stats$.pipe(map(() => asked.push(name) < 0));
    monitor.alert('rule', rule('old'));
    monitor.endWorkflow('w', 1, true);
    monitor.alert('rule', rule('new'));
    monitor.endWorkflow('w', 1, true);
    expect(asked).toEqual(['old', 'new']);
  });

  it('stops the timers of its rules with the monitor', async () => {
    const scheduler = new VirtualTimeScheduler();
    const monitor = createMonitor({ scheduler });
    const begun = jest.fn();
    const stopped = jest.fn();
    monitor.alert('silence', (stats$, clock) =>
      stats$.pipe(
        switchMap(() => of(true).pipe(delay(MINUTE, clock), tap({ subscribe: begun, unsubscribe: stopped }))),
      ),
    );
    monitor.endWorkflow('w', 1, true);
    await monitor.close();
    monitor.endWorkflow('v', 1, true);
    expect(begun).toHaveBeenCalledTimes(1);
    expect(stopped).toHaveBeenCalledTimes(1);
  });
});

describe('backTest()', () => {
  const past = (letters: string): PastRun[] =>
    Array.from(letters).map((letter, minute) => ({
      workflowName: 'w',
      endedAt: Date.UTC(2026, 10, 22) + minute * MINUTE,
      duration: 1,
      success: letter === 'o',
      agents: [{ agentName: 'a', duration: 1, success: letter === 'o' }],
    }));

  it('gives the alerts that would have fired, when they would have', () => {
    const alerts = backTest(past('ooxxooooooo').reverse(), (monitor) => {
      monitor.alert('failing', (stats$) =>
        stats$.pipe(failureRateOver(5 * MINUTE), above(30, { clear: 20 })),
      );
      monitor.addAlertRule('flaky', (stats) => (stats.agents['a']?.successRate ?? 100) < 60);
    });
    expect(
      alerts.map(
        ({ ruleName, status, at }) => `${ruleName} ${status} ${new Date(at).toISOString().slice(11, 16)}`,
      ),
    ).toEqual(['failing FIRED 00:02', 'flaky FIRED 00:03', 'flaky CLEARED 00:04', 'failing CLEARED 00:08']);
  });

  it('turns the clock for rules with timers, and stops with the last run', () => {
    const alerts = backTest(past('xo'), (monitor) => {
      monitor.alert('silent for 30 s', (stats$, scheduler) =>
        stats$.pipe(switchMap(() => of(true).pipe(delay(MINUTE / 2, scheduler)))),
      );
      monitor.alert('endless', (_, scheduler) => interval(1, scheduler).pipe(map(() => false)));
    });
    expect(alerts.map(({ ruleName, at }) => [ruleName, at - Date.UTC(2026, 10, 22)])).toEqual([
      ['silent for 30 s', MINUTE / 2],
    ]);
  });

  it('feeds 10,000 runs in a moment, and none without complaint', () => {
    const many = past('ox'.repeat(5_000));
    expect(
      backTest(many, (monitor) => {
        monitor.addAlertRule('half', (stats) => stats.failureRate === 50);
      }).length,
    ).toBeGreaterThan(1);
    expect(
      backTest([], (monitor) => {
        monitor.addAlertRule('never', () => true);
      }),
    ).toEqual([]);
  });

  it('reads what a store and a history keep', async () => {
    const transitions = await everything(
      run(
        agent('length', (text: string) => text.length),
        'four',
      ),
    );
    expect(pastRun(transitions.at(-1)!.state)).toMatchObject({
      workflowName: 'length',
      success: true,
      agents: [{ agentName: 'length', success: true }],
    });
    expect(pastRun(transitions[0]!.state)).toBeUndefined();

    const history = memoryHistory({ now: () => 5_000 });
    const { logId } = await history.createLog('w');
    expect(pastExecution(await history.getLog(logId))).toBeUndefined();
    await history.addStepResult(logId, 'a', 'failed', 2);
    await history.addStepResult(logId, 'b', 'skipped', 0);
    await history.completeLog(logId, 'failed');
    expect(pastExecution(await history.getLog(logId))).toEqual({
      workflowName: 'w',
      endedAt: 5_000,
      duration: 0,
      success: false,
      agents: [{ agentName: 'a', duration: 2, success: false }],
    });
  });

  it('takes of a run what a monitor would have heard: its latest life, without the rest before, earlier steps and the cache', () => {
    const facts: readonly RunFact[] = [
      { type: 'run.started', name: 'w', input: 1, plan: [] },
      { type: 'step.started', ...attempt('early') },
      { type: 'step.completed', ...attempt('early'), output: 1, duration: 1 },
      { type: 'run.suspended', waiting: ['ask'], duration: 0.002 },
      { type: 'run.resumed', life: 2, reused: 1 },
      { type: 'step.started', ...attempt('late') },
      { type: 'step.completed', ...attempt('late'), output: 1, duration: 0.001 },
      { type: 'step.started', ...attempt('cached') },
      { type: 'step.completed', ...attempt('cached'), output: 1, duration: 0, cached: true },
      { type: 'run.completed', output: 1, duration: 0.003 },
    ];
    const ats = [0, 0, 1, 2, 3_600_000, 3_600_000, 3_600_001, 3_600_001, 3_600_002, 3_600_003];
    const state = facts.reduce<RunState>(
      (before, fact, index) => reduceRun(before, { ...fact, runId: 'r', seq: index + 1, at: ats[index]! }),
      idleState('r', 'w', []),
    );
    expect(pastRun(state)).toMatchObject({ duration: 0.003, agents: [{ agentName: 'late' }] });
    expect(state).toMatchObject({ duration: 0.003, worked: 0.005 });
    expect(runSummary(state)).toContain('0.0050 s at work, 3600.0 s since the start');
  });
});
