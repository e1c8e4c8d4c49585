/*
 * Monitoring: twelve runs on real texts with an agent that is sometimes down. Rules fire while it is, and clear when it is
 * back; a log, and the report in both languages.
 *
 *   npx ts-node examples/monitoring.ts
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { concatMap, delay, of, range } from 'rxjs';

import {
  above,
  agent,
  alertOn,
  bottlenecks,
  createLogger,
  createMonitor,
  failureRateOver,
  logTo,
  measure,
  outcomes,
  progress,
  runEach,
  workflow,
} from '../index';
import type { Wire } from '../index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

const RUNS = 12;

// The service is down during the runs 4, 5 and 6. No chance: what is printed is the same each time, but for the durations.
const isDown = (run: number): boolean => run >= 4 && run <= 6;

const load = agent('불러오기', (_run: number) => readFile(join(__dirname, 'data', 'udhr-kor.txt'), 'utf8'));
const translate = agent(
  '번역 서비스',
  async ({ run, text }: { run: number; text: string }, context) => {
    await new Promise((resolve) => setTimeout(resolve, 15));
    context.log('DEBUG', 'asked the service', () => ({ characters: text.length, apiKey: 'never shown' }));
    if (isDown(run)) throw new Error('503 Service Unavailable');
    return text;
  },
  { retry: { count: 1, delayMs: 5 } },
);
const count = agent('단어 세기', (text: string) => text.split(/\s+/).length);

const dataProcessing = workflow('데이터_처리', (run: Wire<number>, step) => {
  const text = step('불러오기', load, run);
  const translated = step('번역', translate, { run, text });
  return step('단어 세기', count, translated);
});

const logger = createLogger({ level: 'INFO', keep: 500 });
const monitor = createMonitor({ logger });
monitor.addAlertRule('failure rate above 30 %', (stats) => stats.failureRate > 30);
monitor.addAlertRule('5 s on average', (stats) => stats.avgDuration > 5);
monitor.addAlertRule('an agent fails more often than not', (stats) =>
  Object.values(stats.agents).some((each) => each.successRate < 50),
);
// The same as a stream: a window of time, and two limits, so that it does not flicker.
monitor.alert('failing within 5 minutes', (stats$) =>
  stats$.pipe(failureRateOver(300_000, 3), above(40, { clear: 28 })),
);

range(1, RUNS)
  .pipe(
    concatMap((run) => of(run).pipe(delay(20))),
    runEach(dataProcessing, { concurrency: 1, runId: (run) => `run-${String(run).padStart(2, '0')}` }),
    logTo(logger),
    measure(monitor),
    alertOn(monitor, ({ ruleName, status, stats }) => {
      console.log(
        `${status === 'FIRED' ? '!!' : 'ok'} ${ruleName} (${stats.executions} runs, ${stats.failures} failed)`,
      );
    }),
    progress(process.stderr),
    outcomes(),
  )
  .subscribe({
    complete: () => {
      console.log(`\nlog: ${JSON.stringify(logger.getLogSummary())}`);
      for (const { component, message } of logger.getLogs({ level: 'ERROR', component: '번역' })) {
        console.log(`  ${component}: ${message}`);
      }
      console.log('\nwhere the time went:');
      for (const { agentName, share } of bottlenecks(monitor.getMetrics('데이터_처리'))) {
        console.log(`  ${share.toFixed(0).padStart(3)} % ${agentName}`);
      }
      console.log();
      monitor.printMetricsReport({ locale: 'ko' });
      console.log();
      monitor.printMetricsReport({ locale: 'en' });
    },
  });
