import type { OperatorFunction, SchedulerLike, Subscriber } from 'rxjs';
import { asyncScheduler, Observable } from 'rxjs';

import { InvalidArgumentError } from '../../../lib/model/failure';
import type { Store } from '../../../lib/store/store';
import { Fifo } from '../../../lib/streams/fifo';
import { untilLeft } from '../../../lib/streams/untilLeft';
import type { Attachable, SourceEnd } from './openStream';
import { endingSession, openStream, subscribingFor, tellingEnd } from './openStream';
import type { StreamSession, Table } from './streamSession';
import { currentSession } from './streamSession';

/** Where an operator remembers. Behind `fromOffset` it remembers together with the offset. */
export interface RememberOptions {
  /** Only needed where no `fromOffset` stands before it: then each item is written down by itself. */
  readonly store?: Pick<Store, 'streams'>;
  /** The clock. Behind `fromOffset` there is one for the whole stream, that of the source; another one is refused. */
  readonly scheduler?: SchedulerLike;
}

/** What an operator does with the items of one subscription. */
export interface Remembering<T, R> {
  next(value: T, emit: (result: R) => void): void;
  /** The source has ended: writes down what `end` will emit, so that it stays the same after a crash. */
  seal?(): void;
  /** Emits what is sealed. Called when that is durable, and at the beginning for what an earlier life has sealed. */
  end?(emit: (result: R) => void): void;
  /** Nobody wants more. */
  stop?(): void;
}

/** An operator that remembers rows in a table of this name; `begin` is called when the stream is open. */
export function remember<T, R>(
  name: string,
  options: RememberOptions,
  begin: (table: Table, session: StreamSession, emit: (result: R) => void) => Remembering<T, R>,
): OperatorFunction<T, R> {
  return (source) =>
    new Observable<R>((subscriber) => {
      const memory = new Memory(name, options, begin, subscriber);
      const heard$ = untilLeft(source, subscriber);
      // Before it is subscribed to: a source may give everything within that call.
      subscriber.add(() => {
        memory.leave();
      });
      subscribingFor(memory, () => {
        heard$.subscribe({
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
    });
}

/** One subscription to an operator that remembers. */
class Memory<T, R> implements Attachable {
  readonly #name: string;
  readonly #options: RememberOptions;
  readonly #begin: (table: Table, session: StreamSession, emit: (result: R) => void) => Remembering<T, R>;
  readonly #subscriber: Subscriber<R>;
  readonly #emit: (result: R) => void;
  #session: StreamSession | undefined;
  /** What it stands behind, where that is known before an item comes. */
  #source: SourceEnd | undefined;
  #work: Remembering<T, R> | undefined;
  /** It stands behind several sources, and the first item will tell which one it remembers for. */
  #isUndecided = false;
  #hasHandled = false;
  /** Items that came while the store was opened; undefined where the operator stands behind a source with offsets. */
  #early: Fifo<T> | undefined;
  #release: ((isLeft: boolean) => void) | undefined;
  #hasEnded = false;
  /** It has told everything. */
  #isFinished = false;
  #detach: ((hasFinished: boolean) => void) | undefined;
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

  attach(session: StreamSession, source: SourceEnd): void {
    if (this.#subscriber.closed || this.#isUndecided) return;
    try {
      if (session === this.#session) return;
      if (this.#session === undefined) {
        this.#source = source;
        this.#start(session);
        return;
      }
      if (this.#hasHandled) return;
      this.#session.dropTable(this.#name);
      this.#detach?.(true);
      this.#work?.stop?.();
      this.#session = undefined;
      this.#work = undefined;
      this.#isUndecided = true;
    } catch (error) {
      this.#subscriber.error(error);
    }
  }

  next(value: T): void {
    try {
      const session = currentSession();
      this.#hasHandled = true;
      if (this.#session === undefined && this.#early === undefined) {
        if (session === undefined) this.#openOwn();
        else {
          this.#start(session);
          this.#emitSealed();
        }
      }
      if (this.#early !== undefined) {
        this.#early.push(value);
        this.#takeEarly();
      } else if (session === this.#session) this.#work?.next(value, this.#emit);
      else throw this.#notOurs(session);
    } catch (error) {
      this.#subscriber.error(error);
    }
  }

  #notOurs(session: StreamSession | undefined): Error {
    const what = session === undefined ? 'an item that belongs to no stream' : 'items of two streams';
    return new InvalidArgumentError(
      `Cannot remember ${what} in "${this.#name}"`,
      session === undefined
        ? 'let nothing asynchronous stand between fromOffset() and what remembers; agents behind runEach() may'
        : 'let joined() or together() make one stream of them; retry() and repeat() stand behind what remembers',
    );
  }

  complete(): void {
    this.#hasEnded = true;
    try {
      // Nothing came, but an earlier life may have left something open.
      if (this.#session === undefined && this.#early === undefined && !this.#isUndecided) {
        const session = endingSession();
        if (session !== undefined) this.#start(session);
        else if (this.#options.store !== undefined) this.#openOwn();
      }
    } catch (error) {
      this.#subscriber.error(error);
      return;
    }
    if (this.#early === undefined) this.#finish();
    else this.#takeEarly();
  }

  leave(): void {
    this.#work?.stop?.();
    this.#detach?.(this.#isFinished);
    this.#release?.(!this.#isFinished);
  }

  #openOwn(): void {
    const { store, scheduler = asyncScheduler } = this.#options;
    if (store === undefined) {
      throw new InvalidArgumentError(
        `Cannot remember "${this.#name}": nothing says where`,
        'put it behind fromOffset(), or give it { store }',
      );
    }
    this.#early = new Fifo();
    const name = this.#name;
    this.#release = openStream({ name, store, scheduler, onFailed: 'stop' }, this.#subscriber, (session) => {
      this.#start(session);
      this.#count = Number(session.offset(name) ?? 0);
      session.tick(`${name} again`, () => this.#emitSealed());
      this.#takeEarly();
    });
  }

  #start(session: StreamSession): void {
    const { scheduler } = this.#options;
    if (scheduler !== undefined && session.ownSetting({ scheduler }) !== undefined) {
      throw new InvalidArgumentError(
        `Cannot remember "${this.#name}" by a clock of its own: stream "${session.name}" has another one`,
        'give the scheduler to fromOffset(), or to together() or joined() around it',
      );
    }
    this.#session = session;
    this.#detach = session.attached();
    // Whoever stands before it may have completed when it breaks.
    const stop = session.onBroken((error) => {
      if (!this.#subscriber.closed) this.#subscriber.error(error);
    });
    this.#subscriber.add(stop);
    this.#work = this.#begin(session.table(this.#name), session, this.#emit);
  }

  resume(): void {
    if (this.#work?.end === undefined || this.#hasHandled) return;
    this.#session?.tick(`${this.#name} again`, () => this.#emitSealed());
  }

  /** False when somebody has failed, or left, meanwhile. */
  #emitSealed(): boolean {
    try {
      this.#work?.end?.(this.#emit);
    } catch (error) {
      this.#subscriber.error(error);
    }
    return !this.#subscriber.closed;
  }

  /** Handles what came before the store was open, and then one item after another. */
  #takeEarly(): void {
    const session = this.#session;
    if (session === undefined || this.#early === undefined) return;
    try {
      while (this.#early.length > 0) {
        const value = this.#early.shift();
        this.#count += 1;
        session.handle(this.#name, this.#count, () => {
          this.#work?.next(value, this.#emit);
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
    const complete = (): void => {
      this.#isFinished = true;
      const tell = (): void => {
        this.#subscriber.complete();
      };
      if (session === undefined || this.#release !== undefined) tell();
      else tellingEnd(session, tell);
    };
    // A source that is only left, as by take(), has not ended: what is open stays open.
    const source = this.#source ?? (this.#release === undefined ? session : undefined);
    if (session === undefined || work?.end === undefined || source?.hasEnded === false) {
      if (session === undefined || this.#release === undefined) complete();
      else session.whenIdle(complete);
      return;
    }
    try {
      session.decide(
        `${this.#name} end`,
        () => {
          work.seal?.();
        },
        () => {
          session.whenIdle(complete);
          return this.#emitSealed();
        },
      );
    } catch (error) {
      this.#subscriber.error(error);
    }
  }
}
