import type { MonoTypeOperatorFunction } from 'rxjs';
import { map, timer, VirtualTimeScheduler } from 'rxjs';

import type { Transition } from '../../lib/model/event';
import { createLogger } from '../../lib/log/logger';
import { createMonitor } from '../../lib/metrics/monitor';
import { bottlenecks } from '../../lib/report/bottlenecks';
import { agent } from '../../operators/agents/agent';
import { chain } from '../../operators/agents/chain';
import { run } from '../../operators/runs/run';
import { logTo } from '../../operators/taps/logTo';
import { measure } from '../../operators/taps/measure';
import { everything } from '../support/everything';

const clock = new VirtualTimeScheduler();
const slow = agent('slow', (n: number) => timer(40, clock).pipe(map(() => n + 1)));
const quick = agent('quick', (n: number, context) => {
  context.log('DEBUG', 'about to add', { n, apiKey: 'secret' });
  return n + 1;
});
const both = chain('both', chain('inner', slow, quick), quick);

/** A run in virtual time, heard by a tap. */
function heardBy(tap: MonoTypeOperatorFunction<Transition<number>>): Promise<unknown> {
  const heard = everything(run(both, 1, { scheduler: clock }).pipe(tap));
  clock.flush();
  return heard;
}

describe('S40 debugging', () => {
  it('a log at DEBUG holds every start, every output and what agents say, with run and step', async () => {
    const logger = createLogger({ level: 'DEBUG' });
    await heardBy(logTo(logger));
    const said = logger.getLogs({ component: 'inner/quick' });
    expect(said.map(({ level, message, data }) => [level, message, data['path']])).toEqual([
      ['DEBUG', 'step started', 'inner/quick'],
      ['DEBUG', 'about to add', 'inner/quick'],
      ['INFO', 'step completed', 'inner/quick'],
      ['DEBUG', 'step output', 'inner/quick'],
    ]);
    expect(said[1]?.data).toEqual({
      runId: expect.any(String),
      path: 'inner/quick',
      n: 2,
      apiKey: '[redacted]',
    });
    expect(said[3]?.data).toMatchObject({ output: 3 });
  });

  it('bottlenecks() puts the agent that took the time itself before the structure around it', async () => {
    const monitor = createMonitor();
    await heardBy(measure(monitor));
    const [first, ...others] = bottlenecks(monitor.getMetrics('both'));
    expect(first).toMatchObject({ agentName: 'slow', executions: 1 });
    expect(first?.share).toBeGreaterThan(80);
    expect(others.map((agent) => agent.agentName).sort()).toEqual(['inner', 'quick']);
    expect(bottlenecks(createMonitor().getMetrics('nothing'))).toEqual([]);
  });
});
