import type { Observable } from 'rxjs';
import { concat, defer, EMPTY, filter, finalize, ReplaySubject, share, takeWhile, tap } from 'rxjs';

import type { Piece } from './eventStream';

/** A piece that has an offset: those of one run have no gaps between them. */
export interface Counted extends Piece {
  readonly offset: number;
}

/** So many of the latest pieces are remembered for who comes later. */
const MOST_REMEMBERED = 256;

/**
 * What happens in one run, for all who follow it: read, kept without secrets and written as JSON once. Who comes later, or reads
 * slowly, reads alone until it has come to what the others have.
 */
export class EventHub {
  readonly #read: (after: number) => Observable<Counted>;
  readonly #shared$: Observable<Counted>;
  #from = 0;
  /** Offset of the latest piece; undefined while nobody follows. */
  #latest: number | undefined;

  constructor(read: (after: number) => Observable<Counted>) {
    this.#read = read;
    this.#shared$ = defer(() => read(this.#from)).pipe(
      tap(({ offset }) => {
        this.#latest = offset;
      }),
      finalize(() => {
        this.#latest = undefined;
      }),
      share({ connector: () => new ReplaySubject(MOST_REMEMBERED), resetOnRefCountZero: true }),
    );
  }

  /** The pieces behind this offset. */
  follow(after: number): Observable<Counted> {
    return defer(() => (this.#has(after) ? this.#together(after) : this.#alone(after)));
  }

  #alone(after: number): Observable<Counted> {
    let latest = after;
    let isOver = false;
    const alone = this.#read(after).pipe(
      tap({
        next: ({ offset }) => {
          latest = offset;
        },
        complete: () => {
          isOver = true;
        },
      }),
      takeWhile(({ offset }) => !this.#has(offset), true),
    );
    return concat(
      alone,
      defer(() => (isOver ? EMPTY : this.#together(latest))),
    );
  }

  #together(after: number): Observable<Counted> {
    if (this.#latest === undefined) this.#from = this.#latest = after;
    return this.#shared$.pipe(filter(({ offset }) => offset > after));
  }

  /** Whether all behind this offset is remembered, or nobody has begun yet. */
  #has(offset: number): boolean {
    if (this.#latest === undefined) return true;
    return offset >= Math.max(this.#from, this.#latest - MOST_REMEMBERED);
  }
}
