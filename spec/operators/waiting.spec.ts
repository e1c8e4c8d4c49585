import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import * as t from 'io-ts';

import { agent, approval, chain, execute, lowdbStore, memoryStore, serve } from '../../index';
import { amount, tally } from '../support/torture';
import { until } from '../support/until';

const RUNS = amount(200, 10_000);

/** The longest turn of the event loop, as CPU time: a machine that is busy with something else does not count. */
function longestTurn(): () => number {
  let longestMs = 0;
  let before = process.cpuUsage();
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    longestMs = Math.max(longestMs, (user + system) / 1_000);
  }, 2);
  return () => {
    clearInterval(timer);
    return longestMs;
  };
}

describe.each([
  ['memory', () => memoryStore()],
  ['a folder', (folder: string) => lowdbStore(folder, { durability: 'process' })],
])('serve() of a store in %s where many runs wait', (_place, open) => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-waiting-'));
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('needs no time while nothing is due, and takes up all that is due at once without a long turn', async () => {
    const store = open(folder);
    const dueAt = Date.now() + 1_500 + RUNS * 6;
    const asks = (timeoutMs: number) =>
      chain(
        'asks',
        approval('boss', t.boolean, { timeoutMs, onTimeout: agent('clerk', () => true) }),
        agent('say', String),
      );
    for (let i = 0; i < RUNS; i += 50)
      await Promise.all(
        Array.from({ length: 50 }, (_, j) =>
          execute(asks(dueAt - Date.now()), 'x', { store, runId: `r${String(i + j)}` }),
        ),
      );
    let completed = 0;
    const serving = serve([asks(1_000)], { store }).subscribe(({ event }) => {
      if (event.type === 'run.completed') completed += 1;
    });
    await until(() => store.isServed());
    await pause(300);
    expect(completed).toBe(0);
    const idleMs = Math.max(200, Math.min(3_000, dueAt - Date.now() - 200));
    // Of thirds the quietest: garbage of what went before is no work of who waits.
    let quietest = Infinity;
    for (let third = 0; third < 3; third += 1) {
      const before = process.cpuUsage();
      await pause(idleMs / 3);
      const { user, system } = process.cpuUsage(before);
      quietest = Math.min(quietest, (user + system) / 1_000 / (idleMs / 3));
    }
    // Promised: 1 % and 100 ms; other machines, and Jest, get four times that.
    expect(quietest).toBeLessThan(0.04);

    await pause(Math.max(0, dueAt - Date.now() - 50));
    const turn = longestTurn();
    await until(() => completed === RUNS, 600_000);
    expect(turn()).toBeLessThan(400);

    serving.unsubscribe();
    await store.close();
    tally('runs that waited', RUNS);
  }, 900_000);
});
