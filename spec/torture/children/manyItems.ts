/*
 * Sums numbers by key, with a time to live, and over all, from a source of so many items, into a folder. Tells on its way what it has
 * done and how much it holds. Args: folder, items, keys, and the item before which
 * it waits to be killed.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import type { Draft } from 'immer';

import { fromOffset, lowdbStore, scanned } from '../../../index';
import { itemAt, ttlOf } from './numbered';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const [folder = '', items = '0', keys = '1', stopAt = 'Infinity'] = process.argv.slice(2);
const most = Number(items);
const store = lowdbStore(folder, { durability: 'process' });
let handled = 0;

async function* read(offset: number | undefined) {
  for (let n = offset ?? 0; n < most; n += 1) {
    if (n >= Number(stopAt)) await new Promise(() => setInterval(() => undefined, 1_000));
    // As a source that reads in batches: others have their turn between them.
    if (n % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    yield { offset: n + 1, value: itemAt(n, Number(keys)) };
  }
}

/** What is told on the way. */
export interface Sample {
  readonly at: number;
  readonly handled: number;
  readonly cpuMs: number;
  readonly heapMb: number;
}

const every = Math.floor(most / 20);
fromOffset(read, { name: 'numbers', store })
  .pipe(
    scanned(
      'by key',
      (sums: Draft<{ sum: number; count: number }>, { n }) => {
        sums.sum += n;
        sums.count += 1;
      },
      { sum: 0, count: 0 },
      { key: ({ key }) => key, at: ({ at }) => at, ttlMs: ttlOf(Number(keys)) },
    ),
    scanned('items', (count: number) => count + 1, 0),
  )
  .subscribe({
    next: (count) => {
      handled += 1;
      if (count % every !== 0) return;
      gc();
      const { user, system } = process.cpuUsage();
      const sample: Sample = {
        at: count,
        handled,
        cpuMs: (user + system) / 1_000,
        heapMb: process.memoryUsage().heapUsed / 2 ** 20,
      };
      console.log(JSON.stringify(sample));
    },
    complete: () => {
      void (async () => {
        await new Promise((resolve) => setImmediate(resolve));
        await store.close();
        console.log('end');
      })();
    },
    error: (error: unknown) => {
      console.error(error);
    },
  });
