/*
 * How much faster two threads are than one, for a CPU-bound each. npm run bench:workers
 *
 * By the wall clock, and by CPU: the busiest thread decides how long it takes on cores that nobody else uses.
 */
import { readdirSync, readFileSync } from 'node:fs';

import { inWorker, threadPool } from '../../adapters/workers';
import { each, execute } from '../../index';

const ITEMS = Array.from({ length: 48 }, () => 60_000);
const ROUNDS = 5;

async function main(): Promise<void> {
  const pools = { 1: threadPool(1), 2: threadPool(2) };
  const wall: Record<1 | 2, number[]> = { 1: [], 2: [] };
  const busiest: Record<1 | 2, number[]> = { 1: [], 2: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const threads of round % 2 === 0 ? ([1, 2] as const) : ([2, 1] as const)) {
      const file = require.resolve('./support/heavy');
      const heavy = inWorker<number, number>(file, 'primes', { pool: pools[threads] });
      const before = cpuOfThreads();
      const began = performance.now();
      await execute(each('all', heavy, { concurrency: threads }), ITEMS);
      const seconds = (performance.now() - began) / 1000;
      const used = [...cpuOfThreads()].map(([thread, cpu]) => cpu - (before.get(thread) ?? 0));
      // The first round loads what the threads need.
      if (round === 0) continue;
      wall[threads].push(seconds);
      busiest[threads].push(Math.max(...used));
    }
  }
  tell('by the wall clock', wall);
  tell('by CPU of the busiest thread', busiest);
  await Promise.all(Object.values(pools).map((pool) => pool.destroy()));
}

function tell(how: string, seconds: Readonly<Record<1 | 2, readonly number[]>>): void {
  const [one, two] = [median(seconds[1]), median(seconds[2])];
  console.log(
    `${how}: 1 thread ${one.toFixed(2)} s, 2 threads ${two.toFixed(2)} s, ${(one / two).toFixed(2)} times as fast`,
  );
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** Seconds of CPU of every thread of this process; empty where there is no /proc. */
function cpuOfThreads(): ReadonlyMap<string, number> {
  const folder = '/proc/self/task';
  return new Map(
    readdirSync(folder).map((thread) => {
      const fields = (readFileSync(`${folder}/${thread}/stat`, 'utf8').split(') ')[1] ?? '').split(' ');
      return [thread, (Number(fields[11]) + Number(fields[12])) / 100];
    }),
  );
}

void main();
