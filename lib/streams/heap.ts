/** Things in an order of theirs, the first of them at hand: adding and taking cost the logarithm of their number. */
export class Heap<T> {
  readonly #entries: T[] = [];
  readonly #isBefore: (a: T, b: T) => boolean;

  /** @param isBefore - Whether the first comes out before the second. */
  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** What comes out next; undefined when there is nothing. */
  get first(): T | undefined {
    return this.#entries[0];
  }

  add(entry: T): void {
    let place = this.#entries.push(entry) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!this.#comesBefore(place, above)) break;
      this.#swap(place, above);
      place = above;
    }
  }

  /** Takes out what comes first; undefined when there is nothing. */
  take(): T | undefined {
    const first = this.#entries[0];
    const last = this.#entries.pop();
    if (first === undefined || last === undefined || this.#entries.length === 0) return first;
    this.#entries[0] = last;
    for (let place = 0; ;) {
      let least = place;
      for (const below of [2 * place + 1, 2 * place + 2]) {
        if (below < this.#entries.length && this.#comesBefore(below, least)) least = below;
      }
      if (least === place) return first;
      this.#swap(place, least);
      place = least;
    }
  }

  #comesBefore(one: number, other: number): boolean {
    return this.#isBefore(this.#entries[one] as T, this.#entries[other] as T);
  }

  #swap(one: number, other: number): void {
    const entry = this.#entries[one] as T;
    this.#entries[one] = this.#entries[other] as T;
    this.#entries[other] = entry;
  }
}
