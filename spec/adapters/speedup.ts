/* How much faster two threads are than one, for a CPU-bound each. npm run bench:workers */
import { each, execute } from '../../index';
import { inWorker, threadPool } from '../../adapters/workers';

const ITEMS = Array.from({ length: 24 }, () => 60_000);

async function main(): Promise<void> {
  const seconds: Record<number, number[]> = { 1: [], 2: [] };
  const pools = { 1: threadPool(1), 2: threadPool(2) };
  for (let round = 0; round < 6; round += 1) {
    for (const threads of round % 2 === 0 ? ([1, 2] as const) : ([2, 1] as const)) {
      const heavy = inWorker<number, number>(require.resolve('./support/heavy'), 'primes', {
        pool: pools[threads],
      });
      const began = performance.now();
      await execute(each('all', heavy, { concurrency: threads }), ITEMS);
      // The first round loads what the threads need.
      if (round > 0) seconds[threads]!.push((performance.now() - began) / 1000);
    }
  }
  const best = (all: readonly number[]) => Math.min(...all);
  const one = best(seconds[1]!);
  const two = best(seconds[2]!);
  console.log(
    `1 thread ${one.toFixed(2)} s, 2 threads ${two.toFixed(2)} s: ${(one / two).toFixed(2)} times as fast`,
  );
  console.log(JSON.stringify(seconds));
  await Promise.all(Object.values(pools).map((pool) => pool.destroy()));
}

void main();
