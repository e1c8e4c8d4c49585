import type { PlacedLife } from '../handleRun';

/** What comes meanwhile is told too, but a life that never rests keeps no worker from closing. */
const MOST_ROUNDS = 3;

/**
 * Tells what lives under way have held back, before this worker leaves them to others: what nobody knows is called again when their
 * journals do not fit the code of those.
 *
 * @param mostMs - So long at most, in milliseconds: the server may be away.
 */
export async function tellLives(lives: ReadonlySet<PlacedLife>, mostMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let isLate = false as boolean;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      isLate = true;
      resolve();
    }, mostMs);
  });
  for (let round = 0; round < MOST_ROUNDS && !isLate; round += 1) {
    const told = Promise.all([...lives].map(({ publisher }) => publisher.tellAll()));
    const isNews = await Promise.race([told.then((all) => all.includes(true)), late]);
    if (isNews !== true) break;
  }
  clearTimeout(timer);
}
