import { from } from 'rxjs';

import { agent, chain, follow, millrace, run, runEach } from '../millrace.mjs';

const MILLION = 1_000_000;

/** Grows the heap how much over the last nine tenths, in bytes per 1,000? */
function sloped(go) {
  return () => {
    let atTenth = 0;
    let atEnd = 0;
    const used = () => {
      globalThis.gc();
      return process.memoryUsage().heapUsed;
    };
    return {
      units: MILLION,
      once: true,
      run: () =>
        go((index) => {
          if (index === MILLION / 10) atTenth = used();
          if (index === MILLION - 1) atEnd = used();
        }),
      report: () => ({ 'bytes/1,000': Math.max(0, ((atEnd - atTenth) / (MILLION * 0.9)) * 1_000) }),
    };
  };
}

async function* numbers(at) {
  for (let index = 0; index < MILLION; index += 1) {
    at(index);
    yield index;
  }
}

const WAITING = 20_000;

/** Heap of runs that wait in memory, each in the second of three steps, in bytes a run. */
function waiting(second) {
  return () => {
    const flow = chain(
      'waiting',
      agent('first', (n) => n),
      second,
      agent('last', (n) => n),
    );
    const kept = [];
    const begin = (count) => {
      for (let n = 0; n < count; n += 1) kept.push(run(flow, n).subscribe({ error() {} }));
    };
    const used = () => {
      globalThis.gc();
      return process.memoryUsage().heapUsed;
    };
    let bytes = 0;
    return {
      units: WAITING,
      once: true,
      prepare: async () => {
        begin(500);
      },
      run: async () => {
        const before = used();
        begin(WAITING);
        bytes = used() - before;
      },
      report: () => ({ 'bytes a run': bytes / WAITING }),
    };
  };
}

export const workloads = [
  {
    id: 'heap',
    title: 'heap of a run that waits in the second of three steps',
    unit: 'run',
    baseline: 'for a function',
    rounds: 1,
    variants: {
      'for a function': waiting(agent('never', () => new Promise(() => {}))),
      'for a sleep': waiting(millrace.sleep('long', 3_600_000)),
    },
  },
  {
    id: 'memory',
    title: 'heap over 10^6',
    unit: 'event or item',
    baseline: 'partial results of one step',
    rounds: 1,
    variants: {
      'partial results of one step': sloped((at) => follow(run(agent('model', () => numbers(at))))),
      'items through runEach': sloped((at) =>
        follow(from(numbers(at)).pipe(runEach(agent('next', async (n) => n + 1)))),
      ),
    },
  },
];
