import { setTimeout } from 'node:timers/promises';

import { agent, each, execute, lowdbStore } from '../../../index';

// Runs so many steps at about 1,000 events a second, with small files of the journal.
const [folder = '', steps = '100', rotateBytes = '16384'] = process.argv.slice(2);
const begun = performance.now();
const paced = agent('paced', async (n: number, { log, emit }) => {
  const left = begun + n * 2 - performance.now();
  if (left > 0) await setTimeout(left);
  if (n % 100 === 0) log('INFO', 'reached', { n });
  if (n % 100 === 50) emit({ n });
  return { n };
});
const items = Array.from({ length: Number(steps) }, (_, n) => n);

void (async () => {
  const store = lowdbStore(folder, {
    durability: 'process',
    rotateBytes: Number(rotateBytes),
    events: 'all',
  });
  await execute(each('many', paced, { concurrency: 4 }), items, { store, runId: 'big' });
  await store.close();
})();
