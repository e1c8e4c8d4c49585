/** Lets go; calling it again does nothing. */
type Release = () => void;

/**
 * One item of a stream that remembers, on its way through the operators behind its source.
 *
 * While an operator handles a value, the item that the value belongs to is `currentItem()`. Whoever goes on with the value later,
 * such as `runEach`, holds the item meanwhile: its offset counts as reached only when nobody holds it any more.
 */
export interface StreamItem {
  /** The same for the same item after a restart. */
  readonly id: string;
  /** What it belongs to: the source and what the operators behind it remember. */
  readonly session: unknown;
  /** A name for something that `who` does for the item: the same after a restart, another one at each call. */
  nameFor(who: string): string;
  /** Keeps the item open until the function that comes back is called. */
  hold(): Release;
  /** What was done with the item has failed for good; `input` is what was worked on. */
  fail(input: unknown, error: unknown): void;
  /** Called once the item, and all before it, is kept: nothing of it will be handled again. */
  onKept(work: () => void): void;
}

let current: StreamItem | undefined;

/** The item that is being handled within this call; undefined outside of streams that remember. */
export function currentItem(): StreamItem | undefined {
  return current;
}

/** Does something as part of the handling of an item. */
export function withItem<T>(item: StreamItem | undefined, work: () => T): T {
  const before = current;
  current = item;
  try {
    return work();
  } finally {
    current = before;
  }
}

/** A value that waits, with the item it belongs to, which is held meanwhile. */
class Carried {
  readonly value: unknown;
  readonly item: StreamItem;
  readonly release: Release;

  constructor(value: unknown, item: StreamItem) {
    this.value = value;
    this.item = item;
    this.release = item.hold();
  }
}

/** What to put into a queue for a value of this item; the value itself outside of streams that remember. */
export function carried<T>(value: T, item = current): T {
  // Only `deliver` looks at what comes out of the queue.
  return item === undefined ? value : (new Carried(value, item) as T);
}

/** Gives a value that has waited to whoever takes it, as part of the handling of its item. */
export function deliver<T>(entry: T, take: (value: T) => void): void {
  if (!(entry instanceof Carried)) {
    take(entry);
    return;
  }
  const { value, item, release } = entry;
  withItem(item, () => {
    take(value as T);
  });
  release();
}
