import { realTimers } from './realTimers';

/** Called between two pieces of work. Returns a Promise to wait for when other work is due, otherwise nothing. */
export type Pause = () => Promise<void> | undefined;

/** Lets other work run after each 8 ms. */
export function pauses(sliceMs = 8): Pause {
  let since = performance.now();
  return () => {
    if (performance.now() - since < sliceMs) return undefined;
    return new Promise((resolve) => {
      realTimers.setImmediate(() => {
        since = performance.now();
        resolve();
      });
    });
  };
}

/** The same for several who work side by side: they rest together, so that their slices do not add up. */
export function sharedPauses(sliceMs = 8): Pause {
  const pause = pauses(sliceMs);
  let resting: Promise<void> | undefined;
  return () => {
    resting ??= pause()?.then(() => {
      resting = undefined;
    });
    return resting;
  };
}
