import { appendFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

import { lastValueFrom } from 'rxjs';

import { agent, budget, each, lowdbStore, run } from '../../../index';

/** Spends 10 tokens an item, 3 at once, and writes down each call before it answers. Args: folder, file, tokens allowed. */
async function main(): Promise<void> {
  const [folder = '', ledger = '', tokens = '0'] = process.argv.slice(2);
  const spend = agent('spend', async (n: number) => {
    appendFileSync(ledger, `${String(n)}\n`);
    await wait(5);
    return { usage: { tokens: 10 } };
  });
  const store = lowdbStore(folder);
  const items = Array.from({ length: 1_000 }, (_, n) => n);
  const spending = run(each('all', spend, { concurrency: 3 }), items, { store, runId: 'r', maxCrashes: 99 });
  await lastValueFrom(spending.pipe(budget({ tokens: Number(tokens) }))).catch((error: unknown) => {
    console.log((error as Error).name);
  });
  const [summary] = await store.listRuns();
  console.log(JSON.stringify(summary?.used));
  console.log(JSON.stringify((await store.loadRun('r'))?.used));
  await store.close();
}

void main();
