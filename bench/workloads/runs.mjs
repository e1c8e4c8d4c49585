import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

import t from 'io-ts';

import { agent, chain, follow, memoryStore, millrace, run, runEach } from '../millrace.mjs';
import { countedFiles, folder } from '../stored.mjs';

const RUNS = 10_000;
const numbers = (count, first = 0) => Array.from({ length: count }, (_, index) => first + index);

/** 10,000 runs of one step, one after another or some at once; warmed up by a thousand others. */
const oneStep =
  (open, concurrency = 1) =>
  () => {
    const { count, files } = countedFiles();
    const store = open(files);
    const self = agent('one', async (n) => n + 1);
    const go = (inputs) =>
      follow(
        millrace
          .pulled(inputs)
          .pipe(runEach(self, { concurrency, ...(store && { store, runId: (n) => `r${n}` }) })),
      );
    let syncs = 0;
    return {
      units: RUNS,
      once: true,
      async prepare() {
        await go(numbers(1_000, RUNS));
        syncs = count.journalSyncs + count.fileSyncs;
      },
      run: () => go(numbers(RUNS)),
      report: () => ({ 'syncs/run': (count.journalSyncs + count.fileSyncs - syncs) / RUNS }),
    };
  };
const inFolder = (durability) => (files) => millrace.lowdbStore(folder(), { durability, files });

/** One run under way whose steps give 1 KB each: what is written while it goes on, and in the end. No value may be above 16 MiB. */
const alive = (steps) => () => {
  const { count, files } = countedFiles();
  const store = millrace.lowdbStore(folder(), { durability: 'process', files });
  const give = agent('give', async (n) => ({ n, text: String(n).padEnd(1_024, '.') }));
  const portion = chain(
    'portion',
    millrace.each('each', give, { concurrency: 8 }),
    agent('count', (given) => given.length),
  );
  const many = millrace.each('many', portion, { concurrency: 1 });
  const portions = numbers(Math.ceil(steps / 1_000)).map((at) =>
    numbers(Math.min(1_000, steps - at * 1_000), at * 1_000),
  );
  return {
    units: steps,
    once: true,
    run: () => follow(run(many, portions, { store, runId: 'r' })),
    report: () => ({ 'bytes/step': (count.journalBytes + count.fileBytes) / steps }),
  };
};

/** As many answers to one run that asks as many questions, in a folder. */
const answered = (answers) => () => {
  const store = millrace.lowdbStore(folder(), { durability: 'process' });
  const survey = millrace.each('survey', millrace.approval('ask', t.boolean), { concurrency: answers });
  return {
    units: answers,
    once: true,
    prepare: () => follow(run(survey, numbers(answers), { store, runId: 'r' })),
    async run() {
      for (const n of numbers(answers)) await millrace.answer('r', `[${n}]/ask`, true, { store });
    },
  };
};

/** Runs that end while a monitor with a rule has counted so many other agents. */
const ruled = (agents) => () => {
  const monitor = millrace.createMonitor();
  const one = agent('one', async (n) => n);
  const go = (self, inputs) =>
    follow(millrace.pulled(inputs).pipe(runEach(self, { concurrency: 1 }), millrace.measure(monitor)));
  return {
    units: 20_000,
    once: true,
    async prepare() {
      for (const n of numbers(agents))
        await go(
          agent(`agent ${n}`, async (value) => value),
          [n],
        );
      monitor.addAlertRule('slow', (stats) => stats.averageDuration > 1_000);
      // Whether there are few agents or many, the code has to be warm.
      await go(one, numbers(5_000));
    },
    run: () => go(one, numbers(20_000)),
  };
};

const RECORDED = 100_000;

/** Opens a folder whose process was killed in a run of 100,000 steps, and reads the run. */
const recovered = () => {
  const home = folder();
  let before = 0;
  let after = 0;
  let journal = 0;
  const stalls = monitorEventLoopDelay({ resolution: 1 });
  return {
    // A step is two records: it begins, and it has completed.
    units: 2 * RECORDED,
    once: true,
    async prepare() {
      const script = `const { agent, each, lowdbStore, run } = require('./.millrace/index.js');
        const store = lowdbStore(${JSON.stringify(home)}, { durability: 'process' });
        const work = agent('m', async (n) => n < ${RECORDED} ? { n } : process.kill(process.pid, 'SIGKILL'));
        const items = Array.from({ length: ${RECORDED} + 1 }, (_, n) => n);
        run(each('many', work, { concurrency: 1 }), items, { store, runId: 'r' }).subscribe();`;
      try {
        execFileSync(process.execPath, ['-e', script], {
          cwd: fileURLToPath(new URL('..', import.meta.url)),
          stdio: 'ignore',
        });
      } catch (error) {
        if (error.signal !== 'SIGKILL') throw error;
      }
      const files = readdirSync(home, { recursive: true, withFileTypes: true });
      for (const file of files) if (file.isFile()) journal += statSync(join(file.parentPath, file.name)).size;
      globalThis.gc();
      before = process.memoryUsage().rss;
    },
    async run() {
      stalls.enable();
      const state = await millrace.lowdbStore(home, { durability: 'process' }).loadRun('r');
      stalls.disable();
      after = process.memoryUsage().rss;
      if (state?.steps.length !== undefined && state.steps.length < RECORDED)
        throw new Error('steps are lost');
    },
    report: () => ({ 'longest stall ms': stalls.max / 1e6, 'RSS / journal': (after - before) / journal }),
  };
};

const SIZES = [100, 1_000, 10_000, 100_000];
const growing = (id, title, unit, go) => ({
  id,
  title,
  unit,
  rounds: 1,
  baseline: String(SIZES[0]),
  variants: Object.fromEntries(SIZES.map((size) => [String(size), go(size)])),
});

export const workloads = [
  {
    id: 'one-step',
    title: '10,000 runs of one step each',
    unit: 'run',
    baseline: 'memoryStore',
    variants: {
      'no store': oneStep(() => undefined),
      memoryStore: oneStep(() => memoryStore()),
      'memoryStore x64': oneStep(() => memoryStore(), 64),
      process: oneStep(inFolder('process')),
      'process x64': oneStep(inFolder('process'), 64),
      'disk x64': oneStep(inFolder('disk'), 64),
    },
  },
  growing('alive', 'bytes written by one live run of 1 KB a step', 'step', alive),
  growing('answers', 'answers to one run in a folder', 'answer', answered),
  growing('rules', 'a run that ends, with a rule over agents', 'run', ruled),
  {
    id: 'recovery',
    title: 'a run of 100,000 steps whose process was killed: opened and read',
    unit: 'record',
    baseline: 'process',
    rounds: 1,
    variants: { process: recovered },
  },
];
