import * as client from 'prom-client';
import { lastValueFrom } from 'rxjs';

import { prometheus } from '../../adapters/prometheus';
import { agent, measure, memoryStore, run } from '../../index';
import { createMonitor } from '../../lib/metrics/monitor';

describe('prometheus()', () => {
  const watched = () => {
    const monitor = createMonitor();
    monitor.addAlertRule('failing', (stats) => stats.failureRate > 30);
    monitor.logAgentExecution('w "1"', 'a', 2, true);
    monitor.logAgentExecution('w "1"', 'a', 2, false);
    monitor.endWorkflow('w "1"', 4, true);
    monitor.endWorkflow('w "1"', 4, false);
    return monitor;
  };

  it('gives the text that Prometheus reads', async () => {
    const registry = new client.Registry();
    prometheus(watched(), client, { registry });
    const lines = (await registry.metrics()).split('\n');
    expect(lines.filter((line) => line !== '' && !line.startsWith('#'))).toEqual([
      'millrace_runs_total{workflow="w \\"1\\"",outcome="success"} 1',
      'millrace_runs_total{workflow="w \\"1\\"",outcome="failure"} 1',
      'millrace_run_seconds_total{workflow="w \\"1\\""} 8',
      'millrace_run_duration_seconds{workflow="w \\"1\\"",quantile="0.5"} 4',
      'millrace_run_duration_seconds{workflow="w \\"1\\"",quantile="0.95"} 4',
      'millrace_run_duration_seconds{workflow="w \\"1\\"",quantile="0.99"} 4',
      'millrace_agent_executions_total{workflow="w \\"1\\"",agent="a",outcome="success"} 1',
      'millrace_agent_executions_total{workflow="w \\"1\\"",agent="a",outcome="failure"} 1',
      'millrace_agent_seconds_total{workflow="w \\"1\\"",agent="a"} 4',
      'millrace_agent_duration_seconds{workflow="w \\"1\\"",agent="a",quantile="0.5"} 2',
      'millrace_agent_duration_seconds{workflow="w \\"1\\"",agent="a",quantile="0.95"} 2',
      'millrace_agent_duration_seconds{workflow="w \\"1\\"",agent="a",quantile="0.99"} 2',
      'millrace_alert_active{workflow="w \\"1\\"",rule="failing"} 1',
    ]);
    expect(lines).toContain('# TYPE millrace_runs_total counter');
    expect(lines).toContain('# TYPE millrace_run_duration_seconds gauge');
  });

  it('says that it counts lives of runs, of which one that failed and was resumed has two', async () => {
    const registry = new client.Registry();
    const monitor = createMonitor();
    let isDown = true;
    const send = agent('send', () => {
      if (isDown) throw new Error('down');
    });
    const store = memoryStore();
    prometheus(monitor, client, { registry });
    for (const isFirst of [true, false]) {
      isDown = isFirst;
      await lastValueFrom(run(send, 'x', { store, runId: 'r' }).pipe(measure(monitor))).catch(
        () => undefined,
      );
    }
    const text = await registry.metrics();

    expect(text).toContain('millrace_runs_total{workflow="send",outcome="failure"} 1\n');
    expect(text).toContain('millrace_runs_total{workflow="send",outcome="success"} 1\n');
    expect(text).toContain('# HELP millrace_runs_total Lives of runs that completed or failed: ');
    expect(text).toContain('# HELP millrace_run_seconds_total Seconds in lives of runs ');
    expect(text).toContain('# HELP millrace_run_duration_seconds How long lives of runs took\n');
  });

  it('counts nothing twice, however often it is scraped, and lets alerts clear', async () => {
    const registry = new client.Registry();
    const monitor = watched();
    prometheus(monitor, client, { registry, prefix: 'my_' });
    const first = await registry.metrics();
    expect(await registry.metrics()).toBe(first);
    for (let i = 0; i < 9; i += 1) monitor.endWorkflow('w "1"', 4, true);
    const later = await registry.metrics();
    expect(later).toContain('my_runs_total{workflow="w \\"1\\"",outcome="success"} 10');
    expect(later).not.toContain('my_alert_active{');
  });

  it('uses the default registry of the client when none is given', async () => {
    prometheus(watched(), client);
    expect(await client.register.metrics()).toContain('millrace_runs_total');
    client.register.clear();
  });
});
