/** A queue whose cost does not depend on its length: an array's `shift()` moves everything that is left. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** Takes the oldest item. Call it only when there is one. */
  shift(): T {
    const item = this.#items[this.#first] as T;
    this.#items[this.#first] = undefined;
    this.#first += 1;
    if (this.#first === this.#items.length) this.clear();
    else if (this.#first >= FEW && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }

  clear(): void {
    // Usually there was one item, and setting the length costs five times as much as pop().
    if (this.#items.length === 1) this.#items.pop();
    else this.#items.length = 0;
    this.#first = 0;
  }
}

// Copying a shorter rest is not worth it.
const FEW = 1024;
