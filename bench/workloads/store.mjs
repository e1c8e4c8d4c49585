import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';

import t from 'io-ts';

import { agent, chain, follow, millrace, run } from '../millrace.mjs';
import { folder } from '../stored.mjs';

const RUNS = 10_000;

/** A folder with 10,000 finished runs of three steps, closed. */
async function filled() {
  const home = folder();
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

/** 300 runs that wait, beside 5,000 messages for another run, while more of these come: how long nothing else has its turn. */
const waiting = (isServed) => () => {
  const home = folder();
  const store = millrace.lowdbStore(home, { durability: 'process' });
  const asks = millrace.chain('asks', millrace.approval('ok', t.boolean));
  const other = millrace.chain('other', millrace.approval('ok', t.boolean));
  const slow = chain(
    'slow',
    agent('never', () => new Promise(() => undefined)),
  );
  const subscriptions = [];
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  let put;
  return {
    units: 1,
    once: true,
    async prepare() {
      await follow(run(other, 0, { store, runId: 'other' }));
      await millrace.answer('other', 'ok', true, { store });
      const inbox = join(home, 'inbox');
      const text = readFileSync(join(inbox, readdirSync(inbox)[0]));
      put = (name) => writeFileSync(join(inbox, `other~${name}.json`), text);
      for (let index = 0; index < 5_000; index += 1) put(String(index).padStart(26, '0'));
      for (let index = 0; index < 300; index += 1) {
        const runId = `r${index}`;
        if (isServed) await follow(run(asks, 0, { store, runId }));
        else subscriptions.push(run(slow, 0, { store, runId }).subscribe());
      }
    },
    async run() {
      stalls.enable();
      if (isServed) subscriptions.push(millrace.serve([asks], { store }).subscribe());
      for (let more = 0; more < 40; more += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        put(`more${more}`);
      }
      stalls.disable();
    },
    report() {
      for (const each of subscriptions) each.unsubscribe();
      return { 'longest stall ms': stalls.max / 1e6 };
    },
  };
};

/** A run of 10,000 steps that do nothing, with its events kept or without; and what is in the folder in the end. */
const keeping = (events) => () => {
  const home = folder();
  const many = millrace.each(
    'many',
    agent('m', async (n) => ({ n })),
    { concurrency: 8 },
  );
  const items = Array.from({ length: STEPS }, (_, n) => n);
  let round = 0;
  let place;
  return {
    units: STEPS,
    async run() {
      place = join(home, String((round += 1)));
      const store = millrace.lowdbStore(place, { durability: 'process', events });
      await follow(run(many, items, { store, runId: 'r' }));
      await store.close();
    },
    report: () => ({ 'bytes/step': statSync(join(place, 'runs', 'r.json')).size / STEPS }),
  };
};

const STEPS = 10_000;

export const workloads = [
  {
    id: 'events',
    title: 'a run of 10,000 steps in a folder, with its events kept and without',
    unit: 'step',
    baseline: 'none',
    // Seconds each: a difference of a tenth is lost in one of 600 ms, where a collection more or less falls into it.
    totalUnits: 300_000,
    variants: { none: keeping('none'), journaled: keeping('journaled'), all: keeping('all') },
  },
  {
    id: 'inbox',
    title: '300 runs that wait, beside 5,000 messages for others, for two seconds in which 40 more come',
    unit: 'two seconds',
    baseline: 'under way',
    rounds: 1,
    variants: { 'under way': waiting(false), 'at rest, served': waiting(true) },
  },
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
