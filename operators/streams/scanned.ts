import type { Draft } from 'immer';
import type { OperatorFunction } from 'rxjs';

import { checkFunction } from '../../lib/definition/checks';
import type { RememberOptions } from './internal/remember';
import { remember } from './internal/remember';
import type { StreamSession, Table } from './internal/streamSession';

/** How an accumulator is kept. */
export interface ScannedOptions<T> extends RememberOptions {
  /** One accumulator for each key; one for all when left out. */
  readonly key?: (item: T) => string;
  /** How long, in milliseconds, a key is kept after its latest item. For ever when left out. */
  readonly ttlMs?: number;
  /** How many keys are kept: those with the latest items. All when left out. */
  readonly maxKeys?: number;
  /** The time of an item, epoch milliseconds; the clock's when left out. */
  readonly at?: (item: T) => number;
}

/**
 * RxJS's `scan` whose accumulator rests in a store: subscribing again goes on with it, and behind `fromOffset` each item counts exactly
 * once, however often the process dies. Emits the accumulator after each item; with `key`, as a pair of the key and its accumulator.
 *
 * The accumulator is plain JSON. The recipe is one of Immer's: it changes the draft, or returns another accumulator; only what it changes is
 * written. What it throws errors the stream.
 *
 * @param name - Names it within its stream.
 * @throws StateValueError (in the stream) when the accumulator is not plain JSON.
 */
export function scanned<T, S>(
  name: string,
  recipe: (accumulator: Draft<S>, item: T) => unknown,
  initial: S,
  options: ScannedOptions<T> & { readonly key: (item: T) => string },
): OperatorFunction<T, readonly [key: string, accumulator: S]>;
/** The same with one accumulator for all items. */
export function scanned<T, S>(
  name: string,
  recipe: (accumulator: Draft<S>, item: T) => unknown,
  initial: S,
  options?: ScannedOptions<T> & { readonly key?: never },
): OperatorFunction<T, S>;
export function scanned<T, S>(
  name: string,
  recipe: (accumulator: Draft<S>, item: T) => unknown,
  initial: S,
  options: ScannedOptions<T> = {},
): OperatorFunction<T, unknown> {
  checkFunction(name, 'the recipe', recipe);
  const { key, at } = options;
  return remember<T, unknown>(name, options, (table, session) => {
    const keys = new Keys(table, session, options);
    return {
      next(item, emit) {
        const own = key === undefined ? '' : key(item);
        const now = at === undefined ? session.scheduler.now() : at(item);
        keys.touch(own, now, { state: initial });
        const row = table.update(own, (draft: { state: Draft<S> }) => {
          const given = recipe(draft.state, item);
          if (given !== undefined) draft.state = given as Draft<S>;
        }) as { readonly state: S };
        keys.evict(now);
        emit(key === undefined ? row.state : ([own, row.state] as const));
      },
    };
  });
}

/** The keys of a table, by the time of their latest item. */
export class Keys {
  readonly #table: Table;
  readonly #ttlMs: number;
  readonly #most: number;
  readonly #isTimed: boolean;
  /** Oldest first, where items come in the order of their times. */
  readonly #times = new Map<string, number>();

  constructor(
    table: Table,
    _session: StreamSession,
    { ttlMs = Infinity, maxKeys = Infinity }: Pick<ScannedOptions<never>, 'ttlMs' | 'maxKeys'>,
  ) {
    this.#table = table;
    this.#ttlMs = ttlMs;
    this.#most = maxKeys;
    this.#isTimed = ttlMs < Infinity || maxKeys < Infinity;
    if (!this.#isTimed) return;
    const known = [...table.rows].map(
      ([key, row]) => [key, (row as { readonly at?: number }).at ?? 0] as const,
    );
    for (const [key, at] of known.sort((a, b) => a[1] - b[1])) this.#times.set(key, at);
  }

  /** An item of this key has come. */
  touch(key: string, at: number, fresh: object): void {
    const known = this.#times.get(key);
    if (known !== undefined && at - known > this.#ttlMs) this.#table.delete(key);
    if (!this.#table.has(key)) this.#table.set(key, this.#isTimed ? { ...fresh, at } : fresh);
    else if (this.#isTimed && at !== known) {
      this.#table.update(key, (row: { at: number }) => {
        row.at = Math.max(row.at, at);
      });
    }
    if (!this.#isTimed) return;
    this.#times.delete(key);
    this.#times.set(key, Math.max(at, known ?? at));
  }

  /** Forgets keys that are too old, or too many. */
  evict(now: number): void {
    if (!this.#isTimed) return;
    for (const [key, at] of this.#times) {
      if (now - at <= this.#ttlMs && this.#times.size <= this.#most) break;
      this.#times.delete(key);
      this.#table.delete(key);
    }
  }
}
