import type { Deferred, Live, OpenPull, Pull, PullReceiver, Stop } from './pull';
import { deferred, fromPull, iterate } from './pull';

/** How far one reader of a feed has come. */
export interface FeedReading {
  hasEnded(): boolean;
  /** Whether it has taken all there is and waits for more, as far as can be seen: a subscriber takes what comes at once. */
  isRead(): boolean;
}

const READING = Symbol('reading of a feed');

/** The readings of all streams of feeds in an input, however deep in plain records and arrays. */
export function feedReadings(input: unknown): readonly FeedReading[] {
  const readings: FeedReading[] = [];
  // Neither a recursion nor without what was seen: an input may be as deep as it likes, and hold itself.
  const found = new Set<unknown>([input]);
  for (const value of found) {
    if (typeof value !== 'object' || value === null) continue;
    const reading = (value as { readonly [READING]?: FeedReading })[READING];
    if (reading !== undefined) readings.push(reading);
    else if (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype)
      for (const part of Object.values(value)) found.add(part);
  }
  return readings;
}

/** The partial results of one attempt of a step, by number. */
class Items {
  readonly #items: unknown[] = [];
  /** Those before this one are forgotten. */
  #first = 0;
  /** The number of the first item in the list. */
  #base = 0;

  get first(): number {
    return this.#first;
  }

  /** How many there have been. */
  get length(): number {
    return this.#base + this.#items.length;
  }

  push(value: unknown): void {
    this.#items.push(value);
  }

  at(position: number): unknown {
    return this.#items[position - this.#base];
  }

  forgetBefore(position: number): void {
    for (; this.#first < position; this.#first += 1) this.#items[this.#first - this.#base] = undefined;
    const gone = this.#first - this.#base;
    if (gone < FEW || gone * 2 < this.#items.length) return;
    this.#items.splice(0, gone);
    this.#base = this.#first;
  }
}

/** So many places of forgotten items are not worth moving the others. */
const FEW = 1_024;

/**
 * The partial results of one attempt of a step. A reader gets all of them, whenever it begins to read; where none are kept, those
 * that no reader under way has still to take are forgotten, and a later reader gets the rest.
 */
export class LiveFeed {
  readonly #items = new Items();
  readonly #readers = new Set<Reader>();
  /** Streams that nobody has begun to read, each with the number of its first item. */
  readonly #unread = new Map<object, number>();
  readonly #keeps: boolean;
  #finish: ((receiver: PullReceiver) => void) | undefined;
  #taken: Deferred<void> | undefined;
  readonly #waits: () => void;

  /**
   * @param waits - Called when a reader has taken everything and waits for more.
   * @param keeps - Whether a reader that comes later gets everything from the beginning.
   */
  constructor(waits: () => void = () => undefined, keeps = true) {
    this.#waits = waits;
    this.#keeps = keeps;
  }

  /** Adds a partial result. When it returns a Promise, that settles once every iterating reader has taken the value. */
  push(value: unknown): void | Promise<void> {
    this.#items.push(value);
    for (const reader of [...this.#readers]) reader.look();
    this.#forget();
    if (!this.#isAwaited()) return undefined;
    this.#taken ??= deferred();
    return this.#taken.promise;
  }

  end(): void {
    this.#finishWith((receiver) => {
      receiver.end();
    });
  }

  fail(error: unknown): void {
    this.#finishWith((receiver) => {
      receiver.fail(error);
    });
  }

  /** Opens a stream of everything that is kept, for one reader. `leave` ends the stream and what it asked for. */
  open(): { readonly stream: Live<unknown>; readonly leave: Stop } {
    const opened = new Set<Stop>();
    const readers = new Set<Reader>();
    this.#unread.set(opened, this.#items.first);
    const open: OpenPull = (receiver) => {
      const items = this.#read(receiver);
      this.#unread.delete(opened);
      readers.add(items);
      const stop = (): void => {
        opened.delete(leave);
        readers.delete(items);
        items.stop();
      };
      const leave = (): void => {
        stop();
        receiver.end();
      };
      opened.add(leave);
      return {
        next() {
          items.next();
        },
        stop,
      };
    };
    return {
      stream: Object.assign(fromPull(open), {
        [Symbol.asyncIterator]: () => iterate(open),
        [READING]: {
          hasEnded: () => this.#finish !== undefined,
          isRead: () => [...readers].every((reader) => reader.isWaiting),
        },
      }),
      leave: () => {
        this.#unread.delete(opened);
        for (const leave of [...opened]) leave();
        this.#forget();
      },
    };
  }

  #read(receiver: PullReceiver): Reader {
    const reader = new Reader(this.#items, receiver, {
      finish: () => this.#finish,
      moved: () => {
        this.#relieve();
      },
      waits: this.#waits,
      left: () => {
        this.#readers.delete(reader);
      },
    });
    this.#readers.add(reader);
    return reader;
  }

  /** Forgets what nobody has still to take. */
  #forget(): void {
    if (this.#keeps) return;
    let needed = this.#items.length;
    for (const { position } of this.#readers) needed = Math.min(needed, position);
    for (const position of this.#unread.values()) needed = Math.min(needed, position);
    this.#items.forgetBefore(needed);
  }

  #isAwaited(): boolean {
    for (const { position } of this.#readers) if (position < this.#items.length) return true;
    return false;
  }

  #relieve(): void {
    this.#forget();
    if (this.#taken === undefined || this.#isAwaited()) return;
    this.#taken.resolve();
    this.#taken = undefined;
  }

  #finishWith(how: (receiver: PullReceiver) => void): void {
    if (this.#finish !== undefined) return;
    this.#finish = how;
    for (const reader of [...this.#readers]) reader.look();
  }
}

/** What a reader needs of its feed. */
interface Feed {
  finish(): ((receiver: PullReceiver) => void) | undefined;
  moved(): void;
  waits(): void;
  left(): void;
}

class Reader implements Pull {
  /** Number of the item that it takes next. */
  position: number;
  readonly #items: Items;
  readonly #receiver: PullReceiver;
  readonly #feed: Feed;
  #wanted = 0;
  #isLooking = false;
  #isOver = false;

  constructor(items: Items, receiver: PullReceiver, feed: Feed) {
    this.position = items.first;
    this.#items = items;
    this.#receiver = receiver;
    this.#feed = feed;
  }

  /** Whether it has taken all there is and wants more. */
  get isWaiting(): boolean {
    return this.#wanted > 0 && this.position === this.#items.length;
  }

  next(): void {
    this.#wanted += 1;
    this.look();
    if (this.isWaiting && !this.#isOver) this.#feed.waits();
  }

  stop(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#feed.left();
    this.#feed.moved();
  }

  /** Gives the reader what it wants, as far as it is there. */
  look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      while (this.#wanted > 0 && this.position < this.#items.length && !this.#isOver) {
        this.#wanted -= 1;
        const item = this.#items.at(this.position);
        this.position += 1;
        this.#receiver.item(item);
        this.#feed.moved();
      }
      const finish = this.#feed.finish();
      if (this.#wanted === 0 || this.#isOver || finish === undefined) return;
      this.#isOver = true;
      this.#feed.left();
      finish(this.#receiver);
    } finally {
      this.#isLooking = false;
    }
  }
}
