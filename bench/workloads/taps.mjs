import { agent, chain, follow, millrace, run } from '../millrace.mjs';

const next = async ({ n }) => ({ n: n + 1 });
const self = () =>
  chain('chain', ...Array.from({ length: 100 }, (_, position) => agent(`s${position}`, next)));
/** Started and completed for each step and for the run. */
const EVENTS = 202;

const tapped = (taps) => () => {
  const agent = self();
  const operators = taps();
  return {
    units: EVENTS,
    run: () => follow(operators.reduce((stream$, tap) => stream$.pipe(tap), run(agent, { n: 0 }))),
  };
};
const log = () => millrace.logTo(millrace.createLogger({ level: 'DEBUG' }));
const measure = () => millrace.measure(millrace.createMonitor());

export const workloads = [
  {
    id: 'taps',
    title: 'chain of 100 steps, watched',
    unit: 'event',
    baseline: 'no tap',
    variants: {
      'no tap': tapped(() => []),
      'logTo (DEBUG, kept in memory)': tapped(() => [log()]),
      'logTo (INFO)': tapped(() => [millrace.logTo(millrace.createLogger())]),
      measure: tapped(() => [measure()]),
      'logTo (DEBUG) + measure': tapped(() => [log(), measure()]),
    },
  },
];
