import { fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { dbosStored, langgraphStored, mastraStored } from '../durablePeers.mjs';
import { agent, chain, follow, millrace, run, workflow } from '../millrace.mjs';
import { countedFiles, folder } from '../stored.mjs';

const STEPS = 100;
const ids = (count) => Array.from({ length: count }, (_, position) => `s${position}`);
const next = async ({ n }) => ({ n: n + 1 });
const small = () => ({ n: 0 });
/** 50 KB of state in fifty parts; each step changes 1 KB of it. */
const large = () => ({ n: 0, parts: Object.fromEntries(ids(50).map((id) => [id, id.padEnd(1_024, '.')])) });
const changePart = async ({ n, parts }) => ({
  n: n + 1,
  parts: { ...parts, [`s${n % 50}`]: `${n}`.padEnd(1_024, ',') },
});

/** One `append` of a record a step: what surviving costs at least. `sync`: one fdatasync each. */
const floor = (count, record, sync) => () => {
  const file = openSync(join(folder(), 'floor'), 'w');
  return {
    units: count,
    run: async () => {
      for (let step = 0; step < count; step += 1) {
        writeSync(file, record(step));
        if (sync) fdatasyncSync(file);
      }
    },
    report: () => ({ 'bytes/step': record(0).length }),
  };
};

/** Runs of an agent in a lowdb store, `at once` of them, with the files of the runs that end; bytes and syncs are per step. */
const stored =
  (durability, count, self, input, atOnce = 1) =>
  () => {
    const { count: total, files } = countedFiles();
    const store = millrace.lowdbStore(folder(), { durability, files });
    const agent = self();
    let steps = 0;
    let runs = 0;
    return {
      units: count * atOnce,
      run: async () => {
        steps += count * atOnce;
        await Promise.all(
          Array.from({ length: atOnce }, () =>
            follow(run(agent, input(), { store, runId: `r${(runs += 1)}` })),
          ),
        );
      },
      report: () => ({
        'bytes/step': total.journalBytes / steps,
        'file bytes/step': total.fileBytes / steps,
        'syncs/step': total.journalSyncs / steps,
      }),
    };
  };

const chained =
  (step, steps = STEPS) =>
  () =>
    chain('chain', ...ids(steps).map((id) => agent(id, step)));

/** A chain in a peer. `make` gets a folder and gives what runs it. */
const peer =
  (make, input, once = false) =>
  async () => {
    const go = await make(folder());
    return {
      units: STEPS,
      once,
      run: async () => {
        const output = await go(input());
        if (output?.n !== STEPS) throw new Error(`got ${JSON.stringify(output).slice(0, 80)}`);
      },
    };
  };
const keys = ['n', 'parts'];
const mastra = (step) => (home) => mastraStored(home, STEPS, step);
const langgraph = (step) => async (home) => (await langgraphStored(home, STEPS, step, keys)).run;
const dbos = (step) => (home) => dbosStored(home, STEPS, step);
const wide = () =>
  workflow('wide', (value, step) => {
    const first = step('first', agent('first', next), value);
    const each = agent('branch', next);
    return step(
      'join',
      agent('join', async (all) => ({ n: all.length })),
      ids(998).map((id) => step(id, each, first)),
    );
  });

/** Opens a store with a run of 1,000 finished steps whose process died before the last one, and goes on with it. */
const resumed = (measured) => () => {
  let isDown = true;
  const last = agent('last', async ({ n }) => {
    if (isDown) throw new Error('down');
    return { n: n + 1 };
  });
  const self = chain('long', ...ids(1_000).map((id) => agent(id, next)), last);
  const open = (home) => millrace.lowdbStore(home, { durability: 'process' });
  const resume = async (home) => {
    const store = open(home);
    const output = await follow(run(self, small(), { store, runId: 'r' }));
    if (output?.n !== 1_001) throw new Error(`got ${JSON.stringify(output)}`);
    return () => store.close();
  };
  const read = async (home) => {
    const state = await open(home).loadRun('r');
    if (state?.status !== 'FAILED') throw new Error(`it is ${state?.status}`);
  };
  const homes = ids(8).map(folder);
  return {
    units: 1,
    once: true,
    async prepare() {
      for (const home of homes) {
        const store = open(home);
        await follow(run(self, small(), { store, runId: 'r' })).catch(() => undefined);
        await store.close();
      }
      isDown = false;
      while (homes.length > 1) {
        const home = homes.pop();
        await read(home);
        await (
          await resume(home)
        )();
      }
    },
    run: () => (measured === 'read' ? read : resume)(homes.pop()),
  };
};

/** The same in LangGraph: a node fails, and the thread goes on. */
const resumedLanggraph = async () => {
  let isDown = true;
  const step = async ({ n }) => {
    if (isDown && n === 1_000) throw new Error('down');
    return { n: n + 1 };
  };
  const { run: begin, resume } = await langgraphStored(folder(), 1_001, step, ['n']);
  return {
    units: 1,
    once: true,
    async prepare() {
      await begin(small()).catch(() => undefined);
      isDown = false;
    },
    run: async () => {
      const output = await resume();
      if (output?.n !== 1_001) throw new Error(`got ${JSON.stringify(output)}`);
    },
  };
};

const record = 'x'.repeat(36) + '\n';
const largeRecord = JSON.stringify(large()) + '\n';

export const workloads = [
  {
    id: 'W5',
    title: 'chain of 100 steps, a checkpoint after each',
    unit: 'step',
    by: 'wallUs',
    baseline: 'append',
    variants: {
      append: floor(STEPS, () => record, false),
      'append + fdatasync': floor(STEPS, () => record, true),
      'millrace process': stored('process', STEPS, chained(next), small),
      'millrace disk': stored('disk', STEPS, chained(next), small),
      'millrace disk x16': stored('disk', STEPS, chained(next), small, 16),
      'millrace end': stored('end', STEPS, chained(next), small),
      'mastra LibSQL': peer(mastra(next), small),
      'langgraph Sqlite': peer(langgraph(next), small),
      'dbos PostgreSQL': peer(dbos(next), small),
    },
  },
  {
    id: 'W5-50KB',
    title: 'the same with 50 KB of state, 1 KB changed a step',
    unit: 'step',
    by: 'wallUs',
    baseline: 'append',
    variants: {
      append: floor(STEPS, () => largeRecord, false),
      'millrace process': stored('process', STEPS, chained(changePart), large),
      'millrace disk': stored('disk', STEPS, chained(changePart), large),
      'mastra LibSQL': peer(mastra(changePart), large, true),
      'langgraph Sqlite': peer(langgraph(changePart), large, true),
      'dbos PostgreSQL': peer(dbos(changePart), large, true),
    },
  },
  {
    id: 'W5-growth',
    title: 'the same, longer and longer: bytes journaled a step',
    unit: 'step',
    by: 'wallUs',
    baseline: '100 steps',
    rounds: 1,
    variants: Object.fromEntries(
      [100, 200, 400].map((steps) => [
        `${steps} steps`,
        stored('process', steps, chained(changePart, steps), large),
      ]),
    ),
  },
  {
    id: 'W5d',
    title: 'durable fan-out of 1,000 steps',
    unit: 'step',
    by: 'wallUs',
    baseline: 'append',
    variants: {
      append: floor(1_000, () => record, false),
      'millrace process': stored('process', 1_000, wide, small),
      'millrace disk': stored('disk', 1_000, wide, small),
    },
  },
  {
    id: 'W6',
    title: 'resume a run of 1,000 finished steps and run the last',
    unit: 'run',
    by: 'wallUs',
    baseline: 'millrace process',
    variants: {
      'millrace process': resumed('resume'),
      'millrace, only opened and read': resumed('read'),
      'langgraph Sqlite': resumedLanggraph,
    },
  },
];
