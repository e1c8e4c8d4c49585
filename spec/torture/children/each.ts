import { appendFileSync } from 'node:fs';

import { agent, each, execute, lowdbStore } from '../../../index';

/** Goes over so many items, and writes down each call in a file of its own. Args: folder, items, file, and the item from which on it waits to be killed. */
async function main(): Promise<void> {
  const [folder = '', items = '0', effects = '', stopAt = 'Infinity'] = process.argv.slice(2);
  let lines: string[] = [];
  const flush = (): void => {
    if (lines.length > 0) appendFileSync(effects, lines.join(''));
    lines = [];
  };
  const work = agent('work', (n: number): number | Promise<number> => {
    if (n >= Number(stopAt)) return new Promise<number>(() => setInterval(() => undefined, 1_000));
    lines.push(`${String(n)}\n`);
    flush();
    return n + 1;
  });
  const all = each('all', work, { concurrency: 16 });
  const store = lowdbStore(folder, { durability: 'process' });
  const began = performance.now();
  const { status, output } = await execute(
    all,
    Array.from({ length: Number(items) }, (_, n) => n),
    { store, runId: 'r', maxCrashes: 9 },
  );
  await store.close();
  const seconds = (performance.now() - began) / 1000;
  const sum = output?.reduce((x, y) => x + y, 0);
  const { heapUsed } = process.memoryUsage();
  console.log(
    JSON.stringify({ status, sum, seconds, heapMb: Math.round(heapUsed / 1e6), length: output?.length }),
  );
}

void main();
