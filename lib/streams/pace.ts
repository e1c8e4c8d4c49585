/** Whoever takes items from a stream one by one, and so can slow down what makes them. */
export interface Pace {
  /** Settles once an item is wanted again; undefined while one is. */
  wait(): Promise<void> | undefined;
}

let current: Pace | undefined;

/** The pace of what is being subscribed to within this call; undefined when it comes as it likes. */
export function currentPace(): Pace | undefined {
  return current;
}

/** Subscribes to something at this pace. */
export function withPace<T>(pace: Pace | undefined, subscribe: () => T): T {
  const before = current;
  current = pace;
  try {
    return subscribe();
  } finally {
    current = before;
  }
}
