import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { map } from 'rxjs';

import { MetricsBusyError, metricsFile, MetricsFileError } from '../../../lib/metrics/metricsStore';
import { createMonitor } from '../../../lib/metrics/monitor';
import { openMonitor } from '../../../lib/metrics/openMonitor';
import { above, failureRateOver } from '../../../lib/metrics/ruleConditions';
import { until } from '../../support/until';

describe('openMonitor()', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-metrics-'));
    file = join(folder, 'metrics.json');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    jest.restoreAllMocks();
  });

  it('goes on with numbers and alerts after a restart', async () => {
    const first = await openMonitor(metricsFile(file));
    first.addAlertRule('failing', (stats) => stats.failureRate > 30);
    first.logAgentExecution('w', 'a', 1, false);
    first.endWorkflow('w', 2, false);
    first.checkAlerts();
    await first.close();
    expect(statSync(file).mode & 0o777).toBe(0o600);

    const second = await openMonitor(metricsFile(file));
    const told: string[] = [];
    second.addAlertRule('failing', (stats) => stats.failureRate > 30);
    second.alerts$.subscribe(({ status }) => told.push(status));
    expect(second.getMetrics('w')).toEqual(first.getMetrics('w'));
    second.checkAlerts();
    expect(told).toEqual([]);
    for (let i = 0; i < 9; i += 1) second.endWorkflow('w', 2, true);
    second.checkAlerts();
    expect(told).toEqual(['CLEARED']);
    expect(second.getMetrics('w')).toMatchObject({
      executions: 10,
      failures: 1,
      agents: { a: { failures: 1 } },
    });
    await second.close();
  });

  it('saves after each run, one write at a time', async () => {
    let writing = 0;
    const saved: number[] = [];
    const monitor = await openMonitor({
      load: () => Promise.resolve(undefined),
      save: async ({ workflows }) => {
        writing += 1;
        expect(writing).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 1));
        saved.push(workflows[0]?.successes ?? 0);
        writing -= 1;
      },
    });
    for (let i = 0; i < 1_000; i += 1) monitor.endWorkflow('w', 1, true);
    await monitor.close();
    expect(saved.at(-1)).toBe(1_000);
    expect(saved.length).toBeLessThan(5);
  });

  it('has saved an alert also when nobody closes it', async () => {
    const first = await openMonitor(metricsFile(file));
    first.addAlertRule('failing', (stats) => stats.failureRate > 30);
    first.endWorkflow('w', 2, false);
    first.checkAlerts();
    await until(async () => ((await metricsFile(file).load())?.alerts.length ?? 0) > 0);

    const second = await openMonitor(metricsFile(file));
    const told: string[] = [];
    second.addAlertRule('failing', (stats) => stats.failureRate > 30);
    second.alerts$.subscribe(({ status }) => told.push(status));
    second.endWorkflow('w', 2, false);
    second.checkAlerts();
    expect(told).toEqual([]);
    await first.close();
    await second.close();
  });

  it('reports a write that fails, once, and goes on', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const monitor = await openMonitor(metricsFile(join(folder, 'missing', 'metrics.json')));
    monitor.endWorkflow('w', 1, true);
    await until(() => warn.mock.calls.length > 0);
    monitor.endWorkflow('w', 1, true);
    await monitor.close();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(monitor.getMetrics('w').executions).toBe(2);
  });

  it.each([
    ['', 'it is not JSON'],
    ['{"version":1}', 'it does not hold what a monitor saves'],
    ['{"version":2,"workflows":[],"alerts":[]}', 'it does not hold what a monitor saves'],
  ])('refuses a damaged file: %s', async (text, why) => {
    writeFileSync(file, text);
    await expect(openMonitor(metricsFile(file))).rejects.toThrow(MetricsFileError);
    await expect(openMonitor(metricsFile(file))).rejects.toThrow(
      `Cannot read metrics from "${file}": ${why}; move the file away to begin with zeros`,
    );
    await expect(openMonitor(metricsFile(folder))).rejects.toThrow('EISDIR');
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  it('refuses a pipe in the place of its file, and waits for no one', async () => {
    execFileSync('mkfifo', [file]);
    await expect(openMonitor(metricsFile(file))).rejects.toThrow(
      `Cannot read metrics from "${file}": it is not a file`,
    );
    expect(statSync(file).isFIFO()).toBe(true);
  });

  it.each([
    ['a pipe', (lock: string) => execFileSync('mkfifo', [lock])],
    ['a link', (lock: string) => symlinkSync(join(folder, 'notes'), lock)],
    ['a file of somebody else', (lock: string) => writeFileSync(lock, 'notes')],
    ['a folder', (lock: string) => mkdirSync(lock)],
  ])('neither removes nor waits for %s in the place of its lock', async (_, put) => {
    const lock = `${file}.lock`;
    put(lock);
    if (lstatSync(lock).isFile()) utimesSync(lock, 1, 1);
    const saving = metricsFile(file).save({ version: 1, workflows: [], alerts: [] });
    await expect(saving).rejects.toThrow(MetricsBusyError);
    expect(readdirSync(folder)).toEqual(['metrics.json.lock']);
  });

  it('is what createMonitor({ saved }) does with plain JSON', () => {
    const monitor = createMonitor();
    monitor.endWorkflow('w', 1, true);
    const saved = JSON.parse(JSON.stringify(monitor.save())) as ReturnType<typeof monitor.save>;
    expect(createMonitor({ saved }).getMetrics('w')).toEqual(monitor.getMetrics('w'));
  });

  it('has the numbers of all who write one file', async () => {
    const before = await openMonitor(metricsFile(file));
    before.endWorkflow('w', 3, true);
    await before.close();
    const alone = createMonitor();
    alone.endWorkflow('w', 3, true);
    const open = await Promise.all([1, 2, 3].map(() => openMonitor(metricsFile(file))));
    for (let i = 0; i < 30; i += 1) {
      for (const monitor of [open[i % 3]!, alone]) {
        monitor.logAgentExecution('w', `agent ${i % 2}`, i / 7, i % 4 !== 0);
        monitor.endWorkflow('w', i / 5, i % 3 !== 0);
        monitor.endWorkflow(`only ${i % 3}`, 1, true);
      }
      if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const monitor of open) await monitor.close();

    const together = await openMonitor(metricsFile(file));
    expect([...together.workflowNames()].sort()).toEqual([...alone.workflowNames()].sort());
    const { stdevDuration, avgDuration, totalDuration, agents, ...exact } = alone.getMetrics('w');
    const found = together.getMetrics('w');
    expect(found).toMatchObject(exact);
    expect(found.stdevDuration).toBeCloseTo(stdevDuration, 9);
    expect(found.avgDuration).toBeCloseTo(avgDuration, 9);
    expect(found.totalDuration).toBeCloseTo(totalDuration, 9);
    expect(found.agents['agent 0']?.executions).toBe(agents['agent 0']?.executions);
    await together.close();
    expect(readdirSync(folder)).toEqual(['metrics.json']);
  });

  it('keeps what fired and cleared, with the numbers that the rule looked at, and the latest durations, over restarts', async () => {
    const first = await openMonitor(metricsFile(file));
    first.addAlertRule('failing', (stats) => stats.executions >= 2 && stats.failureRate > 30);
    first.alert('often', (stats$) => stats$.pipe(failureRateOver(60_000), above(40, { clear: 35 })));
    first.endWorkflow('w', 1, false);
    first.endWorkflow('w', 2, true);
    first.checkAlerts();
    first.endWorkflow('w', 3, true);
    await first.close();
    const second = await openMonitor(metricsFile(file));
    second.addAlertRule('failing', (stats) => stats.executions >= 2 && stats.failureRate > 40);
    second.endWorkflow('w', 4, true);
    second.checkAlerts();
    await second.close();

    const third = await openMonitor(metricsFile(file));
    const { history = [], workflows } = third.save();
    expect(history.map(({ at: _at, ...record }) => record)).toEqual([
      { ruleName: 'often', workflowName: 'w', status: 'FIRED', figures: { value: 100 }, limit: 40 },
      {
        ruleName: 'failing',
        workflowName: 'w',
        status: 'FIRED',
        figures: { executions: 2, failureRate: 50 },
      },
      {
        ruleName: 'often',
        workflowName: 'w',
        status: 'CLEARED',
        figures: { value: expect.closeTo(33.33, 1) as number },
        limit: 40,
      },
      {
        ruleName: 'failing',
        workflowName: 'w',
        status: 'CLEARED',
        figures: { executions: 4, failureRate: 25 },
      },
    ]);
    expect(history.every(({ at }) => at > 1.7e12)).toBe(true);
    expect(workflows[0]?.durations.recent).toEqual([1, 2, 3, 4]);
    await third.close();
  });

  it('has the latest durations and alerts of every process that saves into one file', async () => {
    const open = await Promise.all([1, 2].map(() => openMonitor(metricsFile(file))));
    for (const [index, monitor] of open.entries()) {
      monitor.addAlertRule(`rule ${index}`, ({ failures }) => failures > 0);
      for (let run = 0; run < 30; run += 1) monitor.endWorkflow('w', index * 100 + run, false);
      monitor.checkAlerts();
      await monitor.close();
    }

    const { history, workflows } = (await openMonitor(metricsFile(file))).save();
    const { recent = [] } = workflows[0]!.durations;
    expect([recent.length, recent[0], recent[9], recent[10], recent[39]]).toEqual([40, 20, 29, 100, 129]);
    expect(history?.map(({ ruleName }) => ruleName)).toEqual(['rule 0', 'rule 1']);
  });

  it('saves nothing that it could not read, however long a run was said to take', async () => {
    const monitor = await openMonitor(metricsFile(file));
    for (const duration of [1e200, Number.MAX_VALUE, Infinity, -1, Number.NaN, 1])
      monitor.endWorkflow('w', duration, true);
    monitor.logAgentExecution('w', 'a', 1e300, true);
    await monitor.close();
    const again = await openMonitor(metricsFile(file));
    expect(again.getMetrics('w')).toMatchObject({ executions: 6, maxDuration: 1e9 });
    await again.close();
  });

  it('saves nothing that it could not read, whatever a rule compares', async () => {
    const monitor = await openMonitor(metricsFile(file));
    monitor.alert('more bad than good', (stats$) =>
      stats$.pipe(
        map(({ successes, failures }) => failures / successes),
        above(1),
      ),
    );
    monitor.endWorkflow('w', 1, false);
    await monitor.close();

    const again = await openMonitor(metricsFile(file));
    const common = { ruleName: 'more bad than good', workflowName: 'w', at: expect.any(Number) as number };
    expect(again.save().history).toEqual([{ ...common, status: 'FIRED', figures: {}, limit: 1 }]);
    await again.close();
  });

  it('takes a lock that was left behind, also when the clock was set back since', async () => {
    const lock = `${file}.lock`;
    writeFileSync(lock, '');
    const inAnHour = Date.now() / 1_000 + 3_600;
    utimesSync(lock, inAnHour, inAnHour);
    let now = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => (now += 500));

    await metricsFile(file).save({ version: 1, workflows: [], alerts: [] });

    expect(readdirSync(folder)).toEqual(['metrics.json']);
  });
});
