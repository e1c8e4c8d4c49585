import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { createMonitor } from '../../lib/metrics/monitor';

/** The block of section 4.6 of the founding document, copied from it byte by byte. */
const block = readFileSync(join(__dirname, 'S31-report.txt'), 'utf8').replace(/\n$/, '');

/** Ten runs of three agents, of which the second failed once. */
function documentsNumbers() {
  const monitor = createMonitor();
  for (let i = 0; i < 10; i += 1) {
    monitor.startWorkflow(`${i}`, '데이터_처리');
    for (const name of ['Agent1', 'Agent2', 'Agent3']) {
      monitor.logAgentExecution('데이터_처리', name, 0.8, !(name === 'Agent2' && i === 4));
    }
    monitor.endWorkflow('데이터_처리', 2.5, i !== 4);
  }
  return monitor;
}

describe('S31 metricsReport()', () => {
  it('equals the block of the founding document, character by character', () => {
    expect(documentsNumbers().metricsReport({ locale: 'ko' })).toBe(block);
  });

  it('says the same in English', () => {
    expect(documentsNumbers().metricsReport()).toBe(
      [
        ' Monitoring metrics report',
        '=================================================',
        '',
        'Workflow: 데이터_처리',
        '  Executions: 10 | Successes: 9 | Failures: 1',
        '  Success rate: 90.0%',
        '  Average time: 2.5 s',
        '  ',
        '   Agent metrics:',
        '    - Agent1: 10 executions, success rate 100%',
        '    - Agent2: 10 executions, success rate 90%',
        '    - Agent3: 10 executions, success rate 100%',
      ].join('\n'),
    );
  });

  it('puts several workflows below each other, and says when there are none', () => {
    const monitor = createMonitor();
    expect(monitor.metricsReport({ locale: 'ko' })).toContain('아직 실행이 없습니다');
    expect(monitor.metricsReport()).toContain('Nothing has run yet');
    monitor.endWorkflow('a', 0.0123, true);
    monitor.endWorkflow('b\nforged: 1', 75.26, false);
    expect(monitor.metricsReport().split('\n').slice(3)).toEqual([
      'Workflow: a',
      '  Executions: 1 | Successes: 1 | Failures: 0',
      '  Success rate: 100.0%',
      '  Average time: 0.012 s',
      '',
      'Workflow: b forged: 1',
      '  Executions: 1 | Successes: 0 | Failures: 1',
      '  Success rate: 0.0%',
      '  Average time: 75.3 s',
    ]);
  });

  it('never rounds a failure away', () => {
    const monitor = createMonitor();
    for (let i = 0; i < 10_000; i += 1) {
      monitor.logAgentExecution('w', 'a', 1, i > 0);
      monitor.endWorkflow('w', 1, i > 0);
    }
    expect(monitor.metricsReport()).toContain('Success rate: 99.9%');
    expect(monitor.metricsReport()).toContain('a: 10000 executions, success rate 99.9%');
  });
});
