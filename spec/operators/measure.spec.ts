import { from } from 'rxjs';

import { createMonitor } from '../../lib/metrics/monitor';
import type { RunFact } from '../../lib/model/event';
import { measure } from '../../operators/taps/measure';
import { attempt, started, transitionsOf } from '../support/events';

const failure = { name: 'Error', message: 'no', retryable: true };
const completed: RunFact = { type: 'run.completed', output: 1, duration: 3 };

function measured(...runs: readonly (readonly RunFact[])[]) {
  const monitor = createMonitor();
  const read = jest.fn();
  for (const [index, facts] of runs.entries()) {
    from(transitionsOf(`${index}`, facts, read))
      .pipe(measure(monitor))
      .subscribe();
  }
  return { stats: monitor.getMetrics('w'), read };
}

describe('measure()', () => {
  it('counts every life that completes or fails as one execution', () => {
    const { stats } = measured(
      [started, completed],
      [started, { type: 'run.failed', error: failure, duration: 5 }],
      [{ type: 'run.resumed', life: 2, reused: 1 }, completed],
    );
    expect(stats).toMatchObject({ executions: 3, successes: 2, failures: 1, maxDuration: 5 });
  });

  it('counts neither a suspended nor a cancelled life, nor one that is only told again', () => {
    const { stats } = measured(
      [started, { type: 'run.suspended', waiting: [], duration: 5 }],
      [started, { type: 'run.cancelled', duration: 5 }],
      [{ ...completed, replayed: true }],
    );
    expect(stats.executions).toBe(0);
  });

  it('counts each step that ends once, however many attempts it took, and no skipped, cancelled or suspended one', () => {
    const { stats } = measured([
      started,
      { type: 'step.started', ...attempt('a') },
      { type: 'step.retrying', ...attempt('a'), error: failure, delayMs: 1 },
      { type: 'step.started', ...attempt('a') },
      { type: 'step.completed', ...attempt('a'), output: 1, duration: 2 },
      { type: 'step.started', ...attempt('b') },
      { type: 'step.failed', ...attempt('b'), error: failure, duration: 1 },
      { type: 'step.skipped', path: 'c', agent: 'c', reason: 'when' },
      { type: 'step.started', ...attempt('d') },
      { type: 'step.cancelled', path: 'd' },
      { type: 'step.started', ...attempt('e') },
      { type: 'step.suspended', ...attempt('e'), request: 1 },
    ]);
    expect(Object.keys(stats.agents)).toEqual(['a', 'b']);
    expect(stats.agents['a']).toMatchObject({ executions: 1, successes: 1, totalDuration: 2 });
    expect(stats.agents['b']).toMatchObject({ executions: 1, failures: 1 });
  });

  it("takes from an agent's own time what runs below it, side by side or nested, counted once", () => {
    const { stats } = measured([
      started, // 1 s
      { type: 'step.started', ...attempt('pages') }, // 2 s
      { type: 'step.started', ...attempt('pages[0]/ocr', 'ocr') }, // 3 s
      { type: 'step.started', ...attempt('pages[1]/ocr', 'ocr') }, // 4 s
      { type: 'step.completed', ...attempt('pages[0]/ocr', 'ocr'), output: 1, duration: 2 }, // 5 s
      { type: 'step.completed', ...attempt('pages[1]/ocr', 'ocr'), output: 1, duration: 2 }, // 6 s
      { type: 'step.completed', ...attempt('pages'), output: 1, duration: 5 }, // 7 s
    ]);
    expect(stats.agents['pages']).toMatchObject({ totalDuration: 5, ownDuration: 2 });
    expect(stats.agents['ocr']).toMatchObject({ executions: 2, totalDuration: 4, ownDuration: 4 });
  });

  it('leaves the second step of a name its time, which is not below the first', () => {
    const { stats } = measured([
      started, // 1 s
      { type: 'step.started', ...attempt('race') }, // 2 s
      { type: 'step.started', ...attempt('race/pay', 'first') }, // 3 s
      { type: 'step.started', ...attempt('race/pay[1]', 'second') }, // 4 s
      { type: 'step.started', ...attempt('race/pay[1]/card', 'card') }, // 5 s
      { type: 'step.completed', ...attempt('race/pay[1]/card', 'card'), output: 1, duration: 1 }, // 6 s
      { type: 'step.completed', ...attempt('race/pay[1]', 'second'), output: 1, duration: 3 }, // 7 s
      { type: 'step.completed', ...attempt('race/pay', 'first'), output: 1, duration: 5 }, // 8 s
    ]);
    expect(stats.agents['first']).toMatchObject({ totalDuration: 5, ownDuration: 5 });
    expect(stats.agents['second']).toMatchObject({ totalDuration: 3, ownDuration: 2 });
  });

  it('tells the runs of one stream apart', () => {
    const monitor = createMonitor();
    const [a, b] = ['a', 'b'].map((runId) =>
      transitionsOf(runId, [started, { type: 'step.started', ...attempt('s') }, completed]),
    );
    const interleaved = a!.flatMap((transition, index) => [transition, b![index]!]);
    from(interleaved).pipe(measure(monitor)).subscribe();
    expect(monitor.getMetrics('w')).toMatchObject({ executions: 2, successes: 2 });
  });

  it('reads no state but the one of a life that begins with a resume', () => {
    expect(measured([started, completed]).read).not.toHaveBeenCalled();
    expect(measured([{ type: 'run.resumed', life: 2, reused: 0 }, completed]).read).toHaveBeenCalledTimes(1);
  });

  it('lets alerts be checked when a run has ended', () => {
    const monitor = createMonitor();
    const fired: string[] = [];
    monitor.addAlertRule('slow', (stats) => stats.avgDuration > 2);
    monitor.alerts$.subscribe(({ ruleName }) => fired.push(ruleName));
    from(transitionsOf('r', [started, completed]))
      .pipe(measure(monitor))
      .subscribe();
    expect(fired).toEqual(['slow']);
  });

  it('counts a run that it joins midway, and none that is only told again', () => {
    const monitor = createMonitor();
    const all = transitionsOf('r', [
      started,
      { type: 'step.completed', ...attempt('a'), output: 1, duration: 2 },
      { type: 'run.completed', output: 1, duration: 3 },
    ]);
    from(all.slice(1)).pipe(measure(monitor)).subscribe();
    from(
      transitionsOf('q', [started, { type: 'run.completed', output: 1, duration: 3, replayed: true }]).slice(
        1,
      ),
    )
      .pipe(measure(monitor))
      .subscribe();
    expect(monitor.getMetrics('w')).toMatchObject({ executions: 1, agents: { a: { executions: 1 } } });
  });
});
