import * as timers from 'node:timers';

/**
 * The timers as they were when this was loaded.
 *
 * Fake timers replace the functions of the module and of the global object. A store that looked them up later would wait for
 * ever in a test.
 */
export const realTimers = {
  setTimeout: timers.setTimeout,
  clearTimeout: timers.clearTimeout,
  setInterval: timers.setInterval,
  clearInterval: timers.clearInterval,
  setImmediate: timers.setImmediate,
} as const;

/** Resolves after so many milliseconds of real time. */
export function realDelay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    realTimers.setTimeout(resolve, ms);
  });
}

/** Resolves in the next turn of the event loop. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    realTimers.setImmediate(resolve);
  });
}
