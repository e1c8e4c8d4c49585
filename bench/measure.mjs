/** How many times as long is warmed up, and waited for CPU time: beside others, code stays cold for longer. */
const PATIENCE = Number(process.env['BENCH_PATIENCE'] ?? 1);
/** Milliseconds of warming up and of measuring, in CPU time; a slow workload runs at least once in each. */
const WARM_MS = 300 * PATIENCE;
const MEASURE_MS = 600;
/** Where sizes are compared: the same number of units for each size, so that a major garbage collection weighs the same in all. */
const WARM_UNITS = 100_000;
/** The most CPU time such a measurement takes, for what is a hundred times slower. */
const LONGEST_MS = 12_000;

/**
 * Runs a workload for a while and gives microseconds per unit: CPU of the whole process (so garbage collection counts, and
 * what other processes do does not) and wall time.
 *
 * @param {{ units: number, run: () => Promise<unknown>, prepare?: () => Promise<unknown>, once?: boolean, report?: () => object }} work
 *   `once`: nothing is warmed up and one run is measured. `report`: what else is worth a column.
 * @param {number | undefined} totalUnits How many units are measured at least, after a quarter of that many for warming up; as many as fit into
 *   600 ms when left out.
 */
export async function measure({ units, run, prepare, once = false, report }, totalUnits) {
  await prepare?.();
  const isWarm = enough(WARM_MS, totalUnits === undefined ? undefined : WARM_UNITS / units);
  let runs = 0;
  if (!once)
    do await run();
    while (!isWarm((runs += 1)));
  // One call alone would pay for the code that a collection throws away.
  if (!once) globalThis.gc?.();

  runs = 0;
  const isMeasured = enough(MEASURE_MS, totalUnits === undefined ? undefined : totalUnits / units);
  const cpu = process.cpuUsage();
  const begun = performance.now();
  do {
    await run();
    runs += 1;
  } while (!once && !isMeasured(runs));
  const wallUs = (performance.now() - begun) * 1000;
  const { user, system } = process.cpuUsage(cpu);
  const count = units * runs;
  return { cpuUs: (user + system) / count, wallUs: wallUs / count, runs, ...(await report?.()) };
}

/** Whether the runs so far took long enough, or, where a number of runs is given, whether they are that many. */
function enough(ms, wanted) {
  const isSpent = spent(wanted === undefined ? ms : LONGEST_MS);
  return (runs) => isSpent() || runs >= (wanted ?? Infinity);
}

/** CPU time, so that a busy machine does not leave the code cold; wall time for what waits for the disk. */
function spent(ms) {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return (user + system) / 1000 >= ms || performance.now() - begun >= 5 * PATIENCE * ms;
  };
}
