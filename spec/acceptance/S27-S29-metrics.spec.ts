import { sampleStandardDeviation } from 'simple-statistics';

import type { Wire } from '../../lib/definition/wire';
import type { Execution } from '../../lib/metrics/agentMetrics';
import { addExecution, agentStats, createAgentMetrics } from '../../lib/metrics/agentMetrics';
import { createMonitor } from '../../lib/metrics/monitor';
import {
  addAgentExecution,
  addRun,
  createWorkflowMetrics,
  workflowStats,
} from '../../lib/metrics/workflowMetrics';
import type { Transition } from '../../lib/model/event';
import { agent } from '../../operators/agents/agent';
import { workflow } from '../../operators/agents/workflow';
import { run } from '../../operators/runs/run';
import { measure } from '../../operators/taps/measure';
import { everything } from '../support/everything';

const zeros = {
  executions: 0,
  successes: 0,
  failures: 0,
  successRate: 0,
  failureRate: 0,
  avgDuration: 0,
  minDuration: 0,
  maxDuration: 0,
  totalDuration: 0,
  stdevDuration: 0,
  p50: 0,
  p95: 0,
  p99: 0,
};

describe('S27 agentStats()', () => {
  it('gives zeros for an agent that never ran', () => {
    expect(agentStats(createAgentMetrics('a'))).toEqual({ agentName: 'a', ownDuration: 0, ...zeros });
  });

  it('counts executions as successes plus failures, and rates in percent', () => {
    const executions: Execution[] = [2, 4, 4, 4, 5, 5, 7, 9].map((duration, i) => ({
      duration,
      success: i > 1,
    }));
    const stats = agentStats(executions.reduce(addExecution, createAgentMetrics('a')));
    expect(stats).toMatchObject({
      executions: 8,
      successes: 6,
      failures: 2,
      successRate: 75,
      failureRate: 25,
      avgDuration: 5,
      minDuration: 2,
      maxDuration: 9,
      totalDuration: 40,
    });
    expect(stats.stdevDuration).toBeCloseTo(
      sampleStandardDeviation(executions.map(({ duration }) => duration)),
      12,
    );
  });

  it('has no deviation below two executions', () => {
    expect(agentStats(addExecution(createAgentMetrics('a'), { duration: 2.5, success: true }))).toMatchObject(
      {
        avgDuration: 2.5,
        stdevDuration: 0,
        p50: 2.5,
        p99: 2.5,
      },
    );
  });
});

describe('S28 workflowStats()', () => {
  it('gives zeros for a workflow that never ran', () => {
    expect(workflowStats(createWorkflowMetrics('w'))).toEqual({
      workflowName: 'w',
      ...zeros,
      agentCount: 0,
      agents: {},
    });
  });

  it('adds the agents by name, however they are called', () => {
    const metrics = createWorkflowMetrics('w');
    addAgentExecution(metrics, 'b', { duration: 1, success: true });
    addAgentExecution(metrics, '__proto__', { duration: 1, success: false });
    addRun(metrics, { duration: 3, success: false });
    const stats = workflowStats(metrics);
    expect(stats).toMatchObject({
      executions: 1,
      failures: 1,
      failureRate: 100,
      successRate: 0,
      minDuration: 3,
      agentCount: 2,
    });
    expect(Object.keys(stats.agents)).toEqual(['b', '__proto__']);
    expect(stats.agents['b']).toMatchObject({ agentName: 'b', executions: 1 });
  });
});

describe('S29 createMonitor()', () => {
  it('gives identical numbers by hand and by measure()', async () => {
    const measured = createMonitor();
    const byHand = createMonitor();
    const seen: Transition[] = [];
    const half = agent('half', (n: number) => {
      if (n % 2 === 1) throw new Error('odd');
      return n / 2;
    });
    const halve = workflow('halve', (n: Wire<number>, step) => step('again', half, step('once', half, n)));
    for (const input of [4, 8, 2, 6, 1]) {
      seen.push(...(await everything(run(halve, input).pipe(measure(measured)))));
    }

    for (const { event } of seen) {
      if (event.type === 'run.started') byHand.startWorkflow(event.runId, event.name);
      if (event.type === 'step.completed')
        byHand.logAgentExecution('halve', event.agent, event.duration, true);
      if (event.type === 'step.failed') byHand.logAgentExecution('halve', event.agent, event.duration, false);
      if (event.type === 'run.completed') byHand.endWorkflow('halve', event.duration, true);
      if (event.type === 'run.failed') byHand.endWorkflow('halve', event.duration, false);
    }
    expect(measured.getMetrics('halve')).toMatchObject({ executions: 5, successes: 2, failures: 3 });
    expect(measured.getMetrics('halve')).toEqual(byHand.getMetrics('halve'));
    expect(measured.save()).toEqual(byHand.save());
  });

  it('has the seven methods of the founding document', () => {
    const printed: string[] = [];
    const monitor = createMonitor({ print: (text) => printed.push(text) });
    monitor.addAlertRule((stats) => stats.successRate < 80);
    monitor.startWorkflow('wf001', '데이터 처리');
    monitor.logAgentExecution('데이터 처리', 'Agent1', 1.5, true);
    monitor.endWorkflow('데이터 처리', 2.5, true);
    expect(monitor.checkAlerts()).toEqual([]);
    expect(monitor.getMetrics('데이터 처리')).toMatchObject({
      executions: 1,
      successRate: 100,
      avgDuration: 2.5,
    });
    monitor.printMetricsReport({ locale: 'ko' });
    expect(printed.join()).toContain('실행: 1 | 성공: 1 | 실패: 0');
  });

  it('knows a workflow that has begun, and gives zeros for one it never heard of', () => {
    const monitor = createMonitor();
    monitor.startWorkflow('1', 'w');
    expect(monitor.workflowNames()).toEqual(['w']);
    expect(monitor.getMetrics('w')).toMatchObject(zeros);
    expect(monitor.getMetrics('nobody')).toMatchObject(zeros);
  });
});
