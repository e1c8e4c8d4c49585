/** Milliseconds of warming up and of measuring; a slow workload runs at least once in each. */
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
  const rehearse = performance.now();
  if (!once) do await run();
  while (performance.now() - rehearse < WARM_MS);
  globalThis.gc?.();

  let runs = 0;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  do {
    await run();
    runs += 1;
  } while (!once && performance.now() - begun < MEASURE_MS);
  const wallUs = (performance.now() - begun) * 1000;
  const { user, system } = process.cpuUsage(cpu);
  const count = units * runs;
  return { cpuUs: (user + system) / count, wallUs: wallUs / count, runs, ...(await report?.()) };
}
