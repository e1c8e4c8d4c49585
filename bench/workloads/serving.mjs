import t from 'io-ts';

import { agent, chain, millrace } from '../millrace.mjs';
import { folder } from '../stored.mjs';

const RUNS = 10_000;
const IDLE_MS = 5_000;
/** So long after serving has begun everything is taken in. */
const SETTLE_MS = 3_000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The longest turn of the event loop in milliseconds, until it is asked for. */
function turns() {
  let longest = 0;
  let before = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - before - 1);
    before = now;
  }, 1);
  return () => {
    clearInterval(timer);
    return longest;
  };
}

/** 10,000 runs that wait for an answer until a moment: served while nothing is due, and when all are. */
const waiting = (open) => () => {
  const home = folder();
  const asks = (timeoutMs) =>
    chain(
      'asks',
      millrace.approval('boss', t.boolean, { timeoutMs, onTimeout: agent('clerk', () => true) }),
      agent('say', String),
    );
  const store = open(home);
  let dueAt = Infinity;
  const begin = async (count, timeoutMs, where) => {
    for (let index = 0; index < count; index += 50) {
      const some = Array.from({ length: 50 }, (_, each) =>
        millrace.execute(asks(timeoutMs()), 'x', { store: where, runId: `r${index + each}` }),
      );
      await Promise.all(some);
    }
  };
  const figures = {};
  return {
    units: RUNS,
    once: true,
    async prepare() {
      // When all are due is said to the first: a part of them tells how long this machine takes to begin them.
      const sample = open(`${home}/sample`);
      const before = performance.now();
      await begin(RUNS / 10, () => 1_000_000, sample);
      const beginningMs = 15 * (performance.now() - before);
      await sample.close();
      dueAt = Date.now() + beginningMs + SETTLE_MS + IDLE_MS + 2_000;
      await begin(RUNS, () => dueAt - Date.now(), store);
      if (Date.now() + SETTLE_MS + IDLE_MS > dueAt)
        throw new Error('the machine was too busy: runs were due before idleness was measured');
    },
    async run() {
      let completed = 0;
      let finish;
      const all = new Promise((resolve) => (finish = resolve));
      const serving = millrace.serve([asks(1_000)], { store }).subscribe(({ event }) => {
        if (event.type === 'run.completed' && (completed += 1) === RUNS) finish();
      });
      await pause(SETTLE_MS);
      const before = process.cpuUsage();
      await pause(IDLE_MS);
      const { user, system } = process.cpuUsage(before);
      figures['idle CPU %'] = (user + system) / 10 / IDLE_MS;
      await pause(Math.max(0, dueAt - Date.now() - 100));
      const longest = turns();
      await all;
      figures['longest stall ms'] = longest();
      figures['taken up ms'] = Date.now() - dueAt;
      serving.unsubscribe();
      await store.close();
    },
    report: () => figures,
  };
};

export const workloads = [
  {
    id: 'waiting',
    title: '10,000 runs that wait for an answer, served: nothing due, then all due at once',
    unit: 'run',
    baseline: 'memory',
    rounds: 1,
    variants: {
      memory: waiting(() => millrace.memoryStore()),
      folder: waiting((home) => millrace.lowdbStore(home, { durability: 'process' })),
    },
  },
];
