/** An item of the long streams. */
export interface Numbered {
  readonly key: string;
  readonly n: number;
  /** Milliseconds. */
  readonly at: number;
}

/** After so many milliseconds without an item a key is forgotten; an item comes each millisecond. */
export const ttlOf = (keys: number): number => 1.5 * keys;

/** The items of the source: each key comes in no order that a reader would guess, and some never again. */
export function itemAt(n: number, keys: number): Numbered {
  // Multiplication by an odd number: goes over all keys before one comes again.
  const key = Math.imul(n, 2_654_435_761) >>> 0;
  return { key: `k${String((key + Math.floor(n / keys)) % keys)}`, n, at: n };
}

/** What has to be left of the first items, added up plainly. */
export function sumsOf(items: number, keys: number): Map<string, { sum: number; count: number }> {
  const known = new Map<string, { sum: number; count: number; at: number }>();
  for (let index = 0; index < items; index += 1) {
    const { key, n, at } = itemAt(index, keys);
    const before = known.get(key);
    const sums = before !== undefined && at - before.at <= ttlOf(keys) ? before : { sum: 0, count: 0 };
    known.set(key, { sum: sums.sum + n, count: sums.count + 1, at });
  }
  const last = items - 1;
  return new Map(
    [...known].flatMap(([key, { sum, count, at }]) =>
      last - at > ttlOf(keys) ? [] : [[key, { sum, count }]],
    ),
  );
}
