/** Milliseconds that something takes: the least of three attempts at most, because a busy machine may hold up any of them. */
export async function quickest(enoughMs: number, attempt: () => unknown): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < 3 && least >= enoughMs; round += 1) {
    const began = performance.now();
    await attempt();
    least = Math.min(least, performance.now() - began);
  }
  return least;
}

/** Milliseconds of a processor that something takes, whatever else the machine does: the least of five attempts at most. */
export function leastWork(enoughMs: number, attempt: () => void): number {
  let least = Infinity;
  for (let round = 0; round < 5 && least >= enoughMs; round += 1) least = Math.min(least, workOf(attempt));
  return least;
}

/** Milliseconds of a processor that something takes once. */
export function workOf(attempt: () => void): number {
  const before = process.cpuUsage();
  attempt();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
