import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { agent, chain, follow, millrace, run } from '../millrace.mjs';

const RUNS = 10_000;

/** A folder with 10,000 finished runs of three steps, closed. */
async function filled() {
  const home = mkdtempSync(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'millrace-bench-'));
  process.on('exit', () => rmSync(home, { recursive: true, force: true }));
  const self = chain('three', ...['a', 'b', 'c'].map((id) => agent(id, async ({ n }) => ({ n: n + 1 }))));
  const store = millrace.lowdbStore(home, { durability: 'end' });
  for (let index = 0; index < RUNS; index += 50) {
    const runs = Array.from({ length: 50 }, (_, each) =>
      follow(run(self, { n: 0 }, { store, runId: `r${index + each}` })),
    );
    await Promise.all(runs);
  }
  await store.close();
  return { home, self };
}

const heapUsed = () => {
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
};

/** One call, the opening of the folder included; and what the open store holds in memory for each finished run. */
const one = (go) => () => {
  let store;
  let work;
  let before;
  return {
    units: 1,
    once: true,
    async prepare() {
      work = await filled();
      before = heapUsed();
      store = millrace.lowdbStore(work.home);
    },
    run: () => go(store, work),
    report: () => ({ 'heap bytes/run': Math.max(0, heapUsed() - before) / RUNS }),
  };
};

export const workloads = [
  {
    id: 'store',
    title: 'a store with 10,000 finished runs: opened, and one call',
    unit: 'call',
    by: 'wallUs',
    baseline: 'list newest 50',
    rounds: 1,
    variants: {
      'open and begin one run': one((store, { self }) =>
        follow(run(self, { n: 0 }, { store, runId: 'new' })),
      ),
      'list newest 50': one((store) => store.listRuns({ limit: 50 })),
      'load one': one((store) => store.loadRun('r5000')),
    },
  },
];
