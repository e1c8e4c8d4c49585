import { Heap } from '../streams/heap';

/** What decides when a run of the queue begins. */
export interface Rank {
  readonly runId: string;
  /** Larger is earlier. */
  readonly priority: number;
  /** Epoch milliseconds before which it does not begin. */
  readonly dueAt?: number;
  /** Sorts as runs were added. */
  readonly order: string;
}

/** Runs that wait, by what decides when they begin: those that are due by priority, the others by time. */
export class Backlog {
  readonly #due = new Heap<Rank>(
    (a, b) => a.priority > b.priority || (a.priority === b.priority && a.order < b.order),
  );
  readonly #delayed = new Heap<Rank>((a, b) => (a.dueAt ?? 0) < (b.dueAt ?? 0));

  /** When the first run is due that was not when it was looked at last; Infinity when there is none. */
  get dueAt(): number {
    return this.#delayed.first?.dueAt ?? Infinity;
  }

  add(rank: Rank): void {
    if (rank.dueAt === undefined) this.#due.add(rank);
    else this.#delayed.add(rank);
  }

  /** Takes out what begins next; undefined when nothing is due. */
  take(now: number): Rank | undefined {
    while (this.dueAt <= now) this.#due.add(this.#delayed.take() as Rank);
    return this.#due.take();
  }
}
