import { LONGEST_DELAY_MS } from '../../../lib/model/backoff';
import type { Stop } from '../../../lib/streams/pull';

/**
 * Calls a function after so many milliseconds, however many: Node turns what is longer than 24.8 days into 1 ms. Never for `Infinity`.
 * The function that comes back prevents it.
 */
export function callAfter(ms: number, then: () => void): Stop {
  if (ms === Infinity) return () => undefined;
  let leftMs = ms;
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const partMs = Math.min(leftMs, LONGEST_DELAY_MS);
    leftMs -= partMs;
    timer = setTimeout(leftMs > 0 ? wait : then, partMs);
  };
  wait();
  return () => {
    clearTimeout(timer);
  };
}

/** Waits, and no longer than anybody wants what comes after it. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = (): void => {
      stop();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const stop = callAfter(ms, end);
    signal.addEventListener('abort', end);
  });
}
