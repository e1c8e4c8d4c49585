import { from } from 'rxjs';

import { agent, follow, run, runEach } from '../millrace.mjs';

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

export const workloads = [
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
