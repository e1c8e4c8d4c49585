import { realTimers } from './realTimers';

/** Asked between two pieces of work: a Promise when others have waited long enough, nothing otherwise. */
export type Pause = () => Promise<void> | undefined;

/** Gives way to other work whenever 8 ms have been used since the last time. */
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
