import type { SchedulerLike, Subscriber } from 'rxjs';
import { asyncScheduler, isObservable, Observable } from 'rxjs';

import { typeName } from '../../lib/codec/typeName';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { Store } from '../../lib/store/store';
import type { Pull, Stop } from '../../lib/streams/pull';
import { pullFrom } from '../../lib/streams/pull';
import { checkedRow } from './internal/checkedItems';
import type { StreamMonitor } from './internal/openStream';
import {
  attachAll,
  checkStreamStore,
  openStream,
  operatorsBehind,
  sharedSession,
  tellingEnd,
} from './internal/openStream';
import type { OnFailed, StreamSession } from './internal/streamSession';

/** A value, and the offset from which its source goes on behind it. Offsets are plain JSON. */
export interface Positioned<T, O> {
  /** Where to go on behind the value. */
  readonly offset: O;
  /** What the source gave. */
  readonly value: T;
  /** How much the source holds behind the value, as far as it knows, in a unit of its own such as bytes. Told to monitors. */
  readonly lag?: number;
}

/** Reads a source from an offset on, such as a file, a topic or a table; from its beginning where that is undefined. */
export type ReadFrom<T, O> = (
  offset: O | undefined,
) => Observable<Positioned<T, O>> | AsyncIterable<Positioned<T, O>> | Iterable<Positioned<T, O>>;

/** How a source is read. */
export interface FromOffsetOptions {
  /** Names the stream: subscribing again with the same name goes on with it. */
  readonly name: string;
  /** Where the offset rests, and what the operators behind remember. */
  readonly store: Pick<Store, 'streams'>;
  /** How many items may be under way, read and not handled yet; 64 when left out. */
  readonly inFlight?: number;
  /**
   * What happens when the handling of an item has failed for good: `stop` the stream with the error, so that it begins with this
   * item again; let the offset `pass` it; or a function that puts it somewhere else first. `stop` when left out.
   */
  readonly onFailed?: OnFailed;
  /** The clock; give a `TestScheduler` for virtual time. */
  readonly scheduler?: SchedulerLike;
  /** Sees name, offsets, lags, number of rows, late items and the latest record, such as `createMonitor()`. */
  readonly monitor?: StreamMonitor;
}

/**
 * A source that is read on from where it was left: the store keeps the offset below which everything behind it has been handled.
 *
 * An item is handled when the operators behind it have returned, and when the runs that `runEach` has begun for it have ended. Items
 * are read only while fewer than `inFlight` are not handled, so a slow end makes for a slow source. After a crash, what was under way
 * is read again, and its runs have the same ids. RxJS's own asynchronous operators between here and the end hold nothing: what they
 * delay counts as handled.
 *
 * @throws StreamActiveError (in the stream) while another subscriber has this name, StoreLockedError while another process has the store.
 * @throws InvalidArgumentError when `inFlight` is not at least 1 or `onFailed` is unknown; in the stream when what is read is no
 * source, an item has no offset, or, within `together` or `joined`, `onFailed`, `scheduler` or `monitor` are not those given there.
 * @throws StateValueError (in the stream) when an offset is not plain JSON.
 *
 * @example
 * ```ts
 * fromOffset(lines('access.log'), { name: 'access', store }).pipe(scanned('count', (n) => n + 1, 0)).subscribe(console.log);
 * ```
 */
export function fromOffset<T, O = number>(read: ReadFrom<T, O>, options: FromOffsetOptions): Observable<T> {
  const { name, store, inFlight = 64, onFailed = 'stop', scheduler = asyncScheduler, monitor } = options;
  if (!(inFlight >= 1)) throw new InvalidArgumentError(`inFlight is ${String(inFlight)}`, 'give 1 or more');
  if (typeof read !== 'function') {
    throw new InvalidArgumentError(
      `Cannot read stream "${name}" from ${typeof read}`,
      'give a function of the offset, such as lines(file)',
    );
  }
  if (typeof onFailed !== 'function' && !['stop', 'pass'].includes(onFailed)) {
    throw new InvalidArgumentError(
      `onFailed is ${JSON.stringify(onFailed)}`,
      "give 'stop', 'pass', or a function",
    );
  }
  checkStreamStore(name, store);
  return new Observable<T>((subscriber) => {
    const joined = sharedSession();
    const behind = operatorsBehind();
    const reading = new Reading(name, read, inFlight, subscriber);
    // Before it begins: a source may give everything within that call, and without end.
    subscriber.add(() => {
      reading.stop();
    });
    if (joined !== undefined) {
      const own = joined.ownSetting(options);
      if (own !== undefined) {
        const error = new InvalidArgumentError(
          `Cannot read "${name}" as a part of stream "${joined.name}" with ${own} of its own`,
          `give ${own} to together() or joined()`,
        );
        subscriber.error(error);
        return undefined;
      }
      attachAll(behind, joined, reading);
      reading.begin(joined, true);
      return undefined;
    }
    const release = openStream({ name, store, scheduler, onFailed, monitor }, subscriber, (session) => {
      attachAll(behind, session, reading);
      reading.begin(session);
    });
    return () => {
      release(!reading.hasEnded);
    };
  });
}

/** One source that is being read. A class, because what it gives may come from within the call that asks for it. */
class Reading<T, O> {
  hasEnded = false;
  readonly #name: string;
  readonly #read: ReadFrom<T, O>;
  readonly #inFlight: number;
  readonly #subscriber: Subscriber<T>;
  #session: StreamSession | undefined;
  #pull: Pull | undefined;
  #stopRoom: Stop | undefined;
  #removeSource: Stop | undefined;
  #isAsking = false;
  #isFilling = false;
  #isOver = false;
  #isShared = false;

  constructor(name: string, read: ReadFrom<T, O>, inFlight: number, subscriber: Subscriber<T>) {
    this.#name = name;
    this.#read = read;
    this.#inFlight = inFlight;
    this.#subscriber = subscriber;
  }

  begin(session: StreamSession, isShared = false): void {
    this.#session = session;
    this.#isShared = isShared;
    this.#stopRoom = session.onRoom(() => {
      this.fill();
    });
    try {
      this.#removeSource = session.addSource(this.#name);
      this.#pull = pullFrom(this.#source(session.offset(this.#name) as O | undefined), {
        item: (given) => {
          this.#isAsking = false;
          try {
            this.#check(given);
          } catch (error) {
            this.#subscriber.error(error);
            return;
          }
          const { offset, value, lag } = given as Positioned<T, O>;
          const tell = (): boolean => {
            this.#subscriber.next(value);
            // Whoever failed, or left, while it was told the item has not taken it. Where others go on, as behind joined(), it has: an
            // item that nobody ever finishes would hold up theirs.
            return this.#isShared || !this.#subscriber.closed;
          };
          // One that comes by itself may be followed by others before the event loop turns.
          const isAlone = !this.#isFilling;
          session.collect(
            () => {
              session.handle(this.#name, offset, tell, lag);
            },
            () => isAlone,
          );
          this.fill();
        },
        end: () => {
          this.#isOver = true;
          session.flush();
          // What waits for its end, such as open windows, comes when everything before it is kept.
          session.whenIdle(() => {
            this.hasEnded = true;
            session.sourceEnded();
            tellingEnd(session, () => {
              this.#subscriber.complete();
            });
          });
        },
        fail: (error) => {
          this.#isOver = true;
          session.flush();
          session.whenIdle(() => {
            this.#subscriber.error(error);
          });
        },
      });
    } catch (error) {
      this.#subscriber.error(error);
      return;
    }
    this.fill();
  }

  #source(offset: O | undefined): ReturnType<ReadFrom<T, O>> {
    const source: unknown = this.#read(offset);
    const isSource =
      isObservable(source) ||
      (typeof source === 'object' &&
        source !== null &&
        (Symbol.asyncIterator in source || Symbol.iterator in source));
    if (isSource) return source as ReturnType<ReadFrom<T, O>>;
    throw new InvalidArgumentError(
      `Cannot read stream "${this.#name}": read gave ${typeName(source)}`,
      'let it give an Observable, an iterable or an async iterable',
    );
  }

  /** An item without an offset would be read again for ever. */
  #check(given: unknown): void {
    const { offset, lag }: { readonly offset?: unknown; readonly lag?: unknown } = given ?? {};
    if (offset === undefined) {
      throw new InvalidArgumentError(
        `Cannot read stream "${this.#name}": read gave an item without an offset`,
        'let it give { offset, value }, with the offset behind the value',
      );
    }
    if (typeof offset !== 'number' || !Number.isFinite(offset)) checkedRow(this.#name, offset);
    if (lag !== undefined && !Number.isFinite(lag)) {
      throw new InvalidArgumentError(
        `Cannot read stream "${this.#name}": read gave an item whose lag is ${typeof lag === 'number' ? String(lag) : typeName(lag)}`,
        'let it give a finite number, or leave it out',
      );
    }
  }

  /** Asks for items as long as there is room. A loop, because an item may come within the call that asks for it. */
  fill(): void {
    if (this.#pull === undefined) return;
    if (this.#isFilling) {
      // What pushes its items at once comes back from that call only when it has pushed all, and may have no end.
      if (this.#mayAsk() && !this.#hasRoom()) this.#session?.writeDown();
      this.#ask();
      return;
    }
    this.#isFilling = true;
    do {
      this.#session?.collect(
        () => {
          while (this.#ask());
        },
        () => this.#isAsking && !this.#isOver,
      );
      // What is done takes room until it is written down.
      if (this.#mayAsk()) this.#session?.flush();
    } while (this.#mayAsk() && this.#hasRoom());
    this.#isFilling = false;
    this.#session?.holdBack(this.#name, this.#mayAsk());
  }

  /** Asks for one item if there is room; false where there is none. */
  #ask(): boolean {
    if (this.#pull === undefined || !this.#mayAsk() || !this.#hasRoom()) return false;
    this.#isAsking = true;
    this.#pull.next();
    return true;
  }

  #mayAsk(): boolean {
    return !this.#isAsking && !this.#isOver && !this.#subscriber.closed;
  }

  #hasRoom(): boolean {
    return this.#session !== undefined && this.#session.inFlight < this.#inFlight;
  }

  stop(): void {
    this.#isOver = true;
    this.#stopRoom?.();
    this.#session?.holdBack(this.#name, false);
    // One that has failed may be begun again; behind one that has ended, another one of its name would find nothing.
    if (!this.hasEnded) this.#removeSource?.();
    this.#pull?.stop();
  }
}
