/** Taking items from a source one by one: nothing is made before somebody asks for it. */
export interface Pull {
  /** Asks for one more item. It may come within this call. */
  next(): void;
  /** Nobody wants more: gives the source back, and nothing comes any more. */
  stop(): void;
}

/** Who takes the items. */
export interface PullReceiver {
  item(value: unknown): void;
  end(): void;
  fail(error: unknown): void;
}

/** A source that knows how to be asked for items, though it looks like any Observable. */
export interface Pullable {
  readonly [PULL]: (receiver: PullReceiver) => Pull;
}

/** The key of a `Pullable`. Registered, so that two copies of this package agree. */
export const PULL: unique symbol = Symbol.for('millrace.pull') as never;

/** How to ask this source for items; undefined when it can only push them. */
export function pullOf(source: unknown): Pullable[typeof PULL] | undefined {
  return typeof source === 'object' && source !== null ? (source as Partial<Pullable>)[PULL] : undefined;
}
