/** Milliseconds of warming up and of measuring, in CPU time; a slow workload runs at least once in each. */
const WARM_MS = 300;
const MEASURE_MS = 600;

/**
 * Runs a workload for a while and gives microseconds per unit: CPU of the whole process (so garbage collection counts, and
 * what other processes do does not) and wall time.
 *
 * @param {{ units: number, run: () => Promise<unknown>, prepare?: () => Promise<unknown>, once?: boolean, report?: () => object }} work
 *   `once`: nothing is warmed up and one run is measured. `report`: what else is worth a column.
 */
export async function measure({ units, run, prepare, once = false, report }) {
  await prepare?.();
  const isWarm = spent(WARM_MS);
  if (!once)
    do await run();
    while (!isWarm());
  globalThis.gc?.();

  let runs = 0;
  const isMeasured = spent(MEASURE_MS);
  const cpu = process.cpuUsage();
  const begun = performance.now();
  do {
    await run();
    runs += 1;
  } while (!once && !isMeasured());
  const wallUs = (performance.now() - begun) * 1000;
  const { user, system } = process.cpuUsage(cpu);
  const count = units * runs;
  return { cpuUs: (user + system) / count, wallUs: wallUs / count, runs, ...(await report?.()) };
}

/** CPU time, so that a busy machine does not leave the code cold; wall time for what waits for the disk. */
function spent(ms) {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    return (user + system) / 1000 >= ms || performance.now() - begun >= 5 * ms;
  };
}
