import type { RunEvent, Transition } from '../model/event';
import { reduceRunAll } from '../model/reduce';
import type { RunState } from '../model/state';
import { afterEvent } from '../model/state';
import type { RowPlace } from '../model/stepTable';

const BATCH = 256;

/**
 * Scans the events of a run with `reduceRunAll`, lazily: the state of a transition is made when it is first read, from the
 * state before its batch of at most 256 events. Whoever reads every state pays one reduction an event, whoever reads none
 * pays for a batch at once, and nobody can tell the difference.
 */
export class Transitions<O> {
  #batch: Batch<O>;

  /** @param initial - The state before the first event. */
  constructor(initial: RunState<O>) {
    this.#batch = new Batch(initial);
  }

  /** The event with the state after it. */
  next(event: RunEvent, place?: RowPlace): Transition<O> {
    const count = this.#push(event, place);
    return new LazyTransition(event, this.#batch, count);
  }

  /** The same where nobody looks: no transition is made. */
  pass(event: RunEvent, place?: RowPlace): void {
    this.#push(event, place);
  }

  /** The state after the latest event. */
  state(): RunState<O> {
    return this.#batch.stateAfter(this.#batch.size);
  }

  #push(event: RunEvent, place: RowPlace | undefined): number {
    if (this.#batch.size === BATCH) this.#batch = new Batch(this.state());
    return this.#batch.push(event, place);
  }
}

class Batch<O> {
  readonly #base: RunState<O>;
  readonly #events: RunEvent[] = [];
  /** Where the row of each event's step stands, up to the latest of which that is known. */
  readonly #places: (RowPlace | undefined)[] = [];
  #reached = 0;
  #latest: RunState<O>;

  constructor(base: RunState<O>) {
    this.#base = base;
    this.#latest = base;
  }

  get size(): number {
    return this.#events.length;
  }

  /** Adds an event and says how many there are now. */
  push(event: RunEvent, place: RowPlace | undefined): number {
    if (place !== undefined) {
      while (this.#places.length < this.#events.length) this.#places.push(undefined);
      this.#places.push(place);
    }
    return this.#events.push(event);
  }

  stateAfter(count: number): RunState<O> {
    const last = this.#events[count - 1];
    if (count < this.#reached) return afterEvent(last, this.#reduced(this.#base, 0, count));
    if (count > this.#reached) {
      this.#latest = afterEvent(last, this.#reduced(this.#latest, this.#reached, count));
      this.#reached = count;
    }
    return this.#latest;
  }

  #reduced(base: RunState<O>, from: number, to: number): RunState<O> {
    const places = this.#places.length > from ? this.#places.slice(from, to) : undefined;
    return reduceRunAll(base, this.#events.slice(from, to), places);
  }
}

/**
 * A class, and one getter for all, because a getter in a literal makes V8 keep every such object as a hash table: that took
 * four times as long. The getter is put on the object itself, so that a spread copies the state too.
 */
class LazyTransition<O> implements Transition<O> {
  readonly event: RunEvent;
  declare readonly state: RunState<O>;
  readonly #count: number;
  #batch: Batch<O> | undefined;
  #state: RunState<O> | undefined;

  constructor(event: RunEvent, batch: Batch<O>, count: number) {
    // A tap that changed an event would change the states that are made from it later.
    this.event = Object.freeze(event);
    this.#batch = batch;
    this.#count = count;
    Object.defineProperty(this, 'state', LazyTransition.#property);
    Object.freeze(this);
  }

  static readonly #property: PropertyDescriptor & ThisType<LazyTransition<unknown>> = {
    get() {
      if (this.#batch !== undefined) {
        this.#state = this.#batch.stateAfter(this.#count);
        this.#batch = undefined;
      }
      return this.#state;
    },
    enumerable: true,
  };
}
