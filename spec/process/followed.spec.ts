import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { agent, execute, lowdbStore } from '../../index';
import { reduceRunAll } from '../../lib/model/reduce';
import { idleState } from '../../lib/model/state';
import type { RunEvent } from '../../lib/model/event';
import { throughJson } from '../lib/store/support/life';
import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';
import { amount, isLong, tally } from '../support/torture';

/** What must hold on a quiet machine, where the long form runs; others may be slow and busy: ten times that. */
const BUSY = isLong ? 1 : 10;

describe('a run that another process follows', () => {
  let folder: string;
  let paced: ChildProgram;
  beforeAll(() => {
    paced = childProgram(join(__dirname, 'children/paced.ts'));
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-followed-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  afterAll(() => {
    paced.remove();
  });

  it('tells every offset once, in order and soon, at 1,000 events a second with small files of the journal', async () => {
    const steps = amount(400, 10_000);
    const before = lowdbStore(folder);
    await execute(
      agent('one', (n: number) => n),
      1,
      { store: before, runId: 'small' },
    );
    await before.close();
    const child = paced.start(folder, String(steps), '8192');
    const store = lowdbStore(folder);
    while ((await store.loadRun('big')) === undefined)
      await new Promise((resolve) => setTimeout(resolve, 20));

    const events: RunEvent[] = [];
    const lags: number[] = [];
    const sideLags: number[] = [];
    const loads: number[] = [];
    const offsets: number[] = [];
    const timer = setInterval(() => {
      const begun = performance.now();
      void store.loadRun('small').then(() => loads.push(performance.now() - begun));
    }, 100);
    const [cpu, begun] = [process.cpuUsage(), performance.now()];
    await new Promise<void>((complete, error) => {
      store.events('big').subscribe({
        next({ offset, event }) {
          offsets.push(offset);
          events.push(event);
          lags.push(Date.now() - event.at);
          if (event.type === 'step.logged' || event.type === 'step.emitted')
            sideLags.push(Date.now() - event.at);
        },
        complete,
        error,
      });
    });
    clearInterval(timer);
    const { user, system } = process.cpuUsage(cpu);
    const share = (user + system) / 1_000 / (performance.now() - begun);
    await new Promise((resolve) =>
      child.exitCode === null ? child.once('exit', resolve) : resolve(undefined),
    );

    expect(offsets).toEqual(Array.from({ length: offsets.length }, (_, index) => index + 1));
    expect(offsets.length).toBeGreaterThan(2 * steps);
    expect(throughJson(reduceRunAll(idleState('big', '', []), events))).toEqual(
      throughJson(await store.loadRun('big')),
    );
    expect(medianOf(lags)).toBeLessThan(200 * BUSY);
    expect(medianOf(sideLags)).toBeLessThan(300 * BUSY);
    expect(medianOf(loads)).toBeLessThan(20 * BUSY);
    // Of one core; on a slow machine it says less than nothing.
    if (isLong) expect(share).toBeLessThan(0.1);
    tally('events followed', events.length);
  });
});

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}
