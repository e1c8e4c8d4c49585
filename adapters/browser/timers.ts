// What the core asks of `node:timers`, as it is when this is loaded. Bound: browsers refuse to be called without a window.
const { setTimeout, clearTimeout, setInterval, clearInterval } = globalThis;
const bound = <F extends (...args: never[]) => unknown>(call: F): F => call.bind(globalThis) as F;
const timers = {
  setTimeout: bound(setTimeout),
  clearTimeout: bound(clearTimeout),
  setInterval: bound(setInterval),
  clearInterval: bound(clearInterval),
};
const { setTimeout: later, clearTimeout: notLater, setInterval: often, clearInterval: notOften } = timers;
export { later as setTimeout, notLater as clearTimeout, often as setInterval, notOften as clearInterval };

const waiting = new Map<number, () => void>();
let count = 0;
let port: { postMessage(id: number): void } | undefined;

/** In the next turn of the event loop: a timer of 0 ms waits 4 ms after a few in a row. */
export function setImmediate(call: () => void): number {
  port ??= opened();
  count += 1;
  waiting.set(count, call);
  port.postMessage(count);
  return count;
}

export function clearImmediate(id: number | undefined): void {
  if (id !== undefined) waiting.delete(id);
}

function opened(): { postMessage(id: number): void } {
  const { port1, port2 } = new MessageChannel();
  // Setting it also begins to listen, other than addEventListener().
  (port1 as { onmessage?: (message: { readonly data: number }) => void }).onmessage = ({ data }) => {
    const call = waiting.get(data);
    waiting.delete(data);
    call?.();
  };
  return port2;
}
