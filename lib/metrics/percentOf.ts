/** How many percent of all these are; 0 when there are none at all. */
export function percentOf(part: number, all: number): number {
  return all === 0 ? 0 : (100 * part) / all;
}
