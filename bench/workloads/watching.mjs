import { identity } from 'rxjs';

import { agent, chain, follow, millrace, run } from '../millrace.mjs';

const STEPS = 100;
/** Started and completed for each step and for the run. */
const EVENTS = 2 * STEPS + 2;

const self = () =>
  chain(
    'chain',
    ...Array.from({ length: STEPS }, (_, position) => agent(`s${position}`, async ({ n }) => ({ n: n + 1 }))),
  );
// Through winston to the null device: all the work of an entry but the disk's.
const log = () => millrace.logTo(millrace.createLogger({ level: 'INFO', file: '/dev/null' }));
const count = () => millrace.measure(millrace.createMonitor());
const both = () => {
  const taps = [log(), count()];
  return (source) => source.pipe(...taps);
};

function watchedBy(taps) {
  return () => {
    const watched = self();
    const tapped = taps();
    return { units: EVENTS, run: () => follow(run(watched, { n: 0 }).pipe(tapped)) };
  };
}

/** A million events through both taps: how the heap grows from the 100,000th on. */
function soak() {
  const watched = self();
  const tapped = both();
  const rounds = Math.ceil(1_000_000 / EVENTS);
  let growth = 0;
  return {
    once: true,
    units: rounds * EVENTS,
    run: async () => {
      let base = 0;
      for (let round = 0; round < rounds; round += 1) {
        if (round === Math.floor(rounds / 10)) base = used();
        await follow(run(watched, { n: 0 }).pipe(tapped));
      }
      growth = (used() - base) / ((rounds * 0.9 * EVENTS) / 1_000);
    },
    report: () => ({ 'heap bytes per 1,000 events': Math.round(growth) }),
  };
}

function used() {
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

export const workloads = [
  {
    id: 'W10',
    title: 'a chain of 100 steps with taps; the log at INFO, through winston to the null device',
    unit: 'event',
    baseline: 'no taps',
    once: ['both, 10^6 events'],
    variants: {
      'no taps': watchedBy(() => identity),
      logTo: watchedBy(log),
      measure: watchedBy(count),
      'logTo + measure': watchedBy(both),
      'logTo (DEBUG) + measure': watchedBy(() => {
        const taps = [millrace.logTo(millrace.createLogger({ level: 'DEBUG' })), count()];
        return (source) => source.pipe(...taps);
      }),
      'both, 10^6 events': soak,
    },
  },
];
