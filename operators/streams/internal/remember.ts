import type { OperatorFunction, SchedulerLike, Subscriber } from 'rxjs';
import { asyncScheduler, Observable, Subject, takeUntil } from 'rxjs';

import { InvalidArgumentError } from '../../../lib/model/failure';
import type { Store } from '../../../lib/store/store';
import { openStream } from './openStream';
import type { StreamSession, Table } from './streamSession';
import { currentSession } from './streamSession';

/** Where an operator remembers. Behind `fromOffset` it remembers together with the offset. */
export interface RememberOptions {
  /** Only needed where no `fromOffset` stands before it: then each item is written down by itself. */
  readonly store?: Pick<Store, 'streams'>;
  /** The clock; the one of the source when left out. */
  readonly scheduler?: SchedulerLike;
}

/** What an operator does with the items of one subscription. */
export interface Remembering<T, R> {
  next(value: T, emit: (result: R) => void): void;
  /** The source has ended. */
  end?(emit: (result: R) => void): void;
  /** Nobody wants more. */
  stop?(): void;
}

/** An operator that remembers rows in a table of this name; `begin` is called with the first item. */
export function remember<T, R>(
  name: string,
  options: RememberOptions,
  begin: (table: Table, session: StreamSession, emit: (result: R) => void) => Remembering<T, R>,
): OperatorFunction<T, R> {
  return (source) =>
    new Observable<R>((subscriber) => {
      const memory = new Memory(name, options, begin, subscriber);
      const left$ = new Subject<void>();
      // Before it is subscribed to: a source may give everything within that call.
      subscriber.add(() => {
        left$.next();
        memory.leave();
      });
      source.pipe(takeUntil(left$)).subscribe({
        next: (value) => {
          memory.next(value);
        },
        error: (error: unknown) => {
          subscriber.error(error);
        },
        complete: () => {
          if (!subscriber.closed) memory.complete();
        },
      });
    });
}

/** One subscription to an operator that remembers. */
class Memory<T, R> {
  readonly #name: string;
  readonly #options: RememberOptions;
  readonly #begin: (table: Table, session: StreamSession, emit: (result: R) => void) => Remembering<T, R>;
  readonly #subscriber: Subscriber<R>;
  readonly #emit: (result: R) => void;
  #session: StreamSession | undefined;
  #work: Remembering<T, R> | undefined;
  /** Items that came while the store was opened; undefined where the operator stands behind a source with offsets. */
  #early: T[] | undefined;
  #release: ((isLeft: boolean) => void) | undefined;
  #hasEnded = false;
  #count = 0;

  constructor(
    name: string,
    options: RememberOptions,
    begin: (table: Table, session: StreamSession, emit: (result: R) => void) => Remembering<T, R>,
    subscriber: Subscriber<R>,
  ) {
    this.#name = name;
    this.#options = options;
    this.#begin = begin;
    this.#subscriber = subscriber;
    this.#emit = (result) => {
      subscriber.next(result);
    };
  }

  next(value: T): void {
    try {
      const session = currentSession();
      if (this.#session === undefined && this.#early === undefined) {
        if (session === undefined) this.#openOwn();
        else this.#start(session);
      }
      if (this.#early !== undefined) {
        this.#early.push(value);
        this.#takeEarly();
      } else if (session === this.#session) this.#work?.next(value, this.#emit);
      else
        throw new InvalidArgumentError(
          `Cannot remember items of two streams in "${this.#name}"`,
          'let joined() or together() make one stream of them',
        );
    } catch (error) {
      this.#subscriber.error(error);
    }
  }

  complete(): void {
    this.#hasEnded = true;
    if (this.#early !== undefined) {
      this.#takeEarly();
      return;
    }
    this.#finish();
  }

  leave(): void {
    this.#work?.stop?.();
    this.#release?.(!this.#hasEnded || this.#early === undefined || this.#early.length > 0);
  }

  #openOwn(): void {
    const { store, scheduler = asyncScheduler } = this.#options;
    if (store === undefined) {
      throw new InvalidArgumentError(
        `Cannot remember "${this.#name}": nothing says where`,
        'put it behind fromOffset(), or give it { store }',
      );
    }
    this.#early = [];
    const name = this.#name;
    this.#release = openStream({ name, store, scheduler, onFailed: 'stop' }, this.#subscriber, (session) => {
      this.#start(session);
      this.#count = Number(session.offset(name) ?? 0);
      this.#takeEarly();
    });
  }

  #start(session: StreamSession): void {
    this.#session = session;
    this.#work = this.#begin(session.table(this.#name), session, this.#emit);
  }

  /** Handles what came before the store was open, and then one item after another. */
  #takeEarly(): void {
    const session = this.#session;
    if (session === undefined || this.#early === undefined) return;
    try {
      for (let value = this.#early.splice(0, 1); value.length > 0; value = this.#early.splice(0, 1)) {
        this.#count += 1;
        session.handle(this.#name, this.#count, value[0], () => {
          this.#work?.next(value[0] as T, this.#emit);
          return !this.#subscriber.closed;
        });
      }
    } catch (error) {
      this.#subscriber.error(error);
      return;
    }
    if (this.#hasEnded) this.#finish();
  }

  #finish(): void {
    const session = this.#session;
    const work = this.#work;
    try {
      if (session !== undefined && work?.end !== undefined) {
        session.tick('end', () => {
          work.end?.(this.#emit);
          return !this.#subscriber.closed;
        });
      }
    } catch (error) {
      this.#subscriber.error(error);
      return;
    }
    if (session === undefined || this.#release === undefined) {
      this.#subscriber.complete();
      return;
    }
    session.whenIdle(() => {
      this.#subscriber.complete();
    });
  }
}
