/** Things by a time of theirs, earliest first: adding and taking cost the logarithm of their number. */
export class TimeHeap<T> {
  readonly #entries: { readonly time: number; readonly order: number; readonly what: T }[] = [];
  #added = 0;

  /** The earliest time; Infinity when there is nothing. */
  get earliest(): number {
    return this.#entries[0]?.time ?? Infinity;
  }

  /** What has the same time comes out in the order in which it was added. */
  add(time: number, what: T): void {
    const entry = { time, order: (this.#added += 1), what };
    let place = this.#entries.push(entry) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!this.#isBefore(place, above)) break;
      this.#swap(place, above);
      place = above;
    }
  }

  /** Takes out what is earliest; undefined when there is nothing. */
  take(): T | undefined {
    const first = this.#entries[0];
    const last = this.#entries.pop();
    if (first === undefined || last === undefined || this.#entries.length === 0) return first?.what;
    this.#entries[0] = last;
    for (let place = 0; ;) {
      let least = place;
      for (const below of [2 * place + 1, 2 * place + 2]) {
        if (below < this.#entries.length && this.#isBefore(below, least)) least = below;
      }
      if (least === place) return first.what;
      this.#swap(place, least);
      place = least;
    }
  }

  #isBefore(one: number, other: number): boolean {
    const a = this.#entries[one];
    const b = this.#entries[other];
    if (a === undefined || b === undefined) return false;
    return a.time < b.time || (a.time === b.time && a.order < b.order);
  }

  #swap(one: number, other: number): void {
    const a = this.#entries[one];
    const b = this.#entries[other];
    if (a === undefined || b === undefined) return;
    this.#entries[one] = b;
    this.#entries[other] = a;
  }
}
