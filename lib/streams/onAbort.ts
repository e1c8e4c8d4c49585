import { toFailure } from '../model/failure';
import type { Stop } from './pull';

/**
 * Calls back when a signal is aborted; at once when it already is. The signal gets one listener for all callbacks: Node warns
 * of a leak from the eleventh listener on, and thousands of runs may share one signal.
 */
export function onAbort(signal: AbortSignal, work: () => void): Stop {
  if (signal.aborted) {
    work();
    return () => undefined;
  }
  const works = listeners.get(signal) ?? listenTo(signal);
  // An object of its own: the same function may be given twice.
  const one = { work };
  works.add(one);
  return () => {
    works.delete(one);
  };
}

/** Why a signal was aborted, in words; undefined when no reason was given. */
export function abortReason({ reason }: AbortSignal): string | undefined {
  const isPlain = reason instanceof DOMException && reason.name === 'AbortError';
  return isPlain || reason === undefined ? undefined : toFailure(reason).message;
}

interface Listener {
  readonly work: () => void;
}

const listeners = new WeakMap<AbortSignal, Set<Listener>>();

function listenTo(signal: AbortSignal): Set<Listener> {
  const works = new Set<Listener>();
  listeners.set(signal, works);
  signal.addEventListener(
    'abort',
    () => {
      listeners.delete(signal);
      // A callback may register others; those find the signal aborted.
      for (const one of works) if (works.delete(one)) one.work();
    },
    { once: true },
  );
  return works;
}
