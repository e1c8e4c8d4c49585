import { Heap } from './heap';

interface Entry<T> {
  readonly time: number;
  readonly order: number;
  readonly what: T;
}

/** Things by a time of theirs, earliest first: adding and taking cost the logarithm of their number. */
export class TimeHeap<T> {
  readonly #entries = new Heap<Entry<T>>(
    (a, b) => a.time < b.time || (a.time === b.time && a.order < b.order),
  );
  #added = 0;

  /** The earliest time; Infinity when there is nothing. */
  get earliest(): number {
    return this.#entries.first?.time ?? Infinity;
  }

  /** What has the same time comes out in the order in which it was added. */
  add(time: number, what: T): void {
    this.#entries.add({ time, order: (this.#added += 1), what });
  }

  /** Takes out what is earliest; undefined when there is nothing. */
  take(): T | undefined {
    return this.#entries.take()?.what;
  }
}
