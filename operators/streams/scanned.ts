import type { Draft } from 'immer';
import type { OperatorFunction } from 'rxjs';

import { checkFunction } from '../../lib/definition/checks';
import { TimeHeap } from '../../lib/streams/timeHeap';
import { checkedKey, checkedTime, checkLimit } from './internal/checkedItems';
import type { RememberOptions } from './internal/remember';
import { remember } from './internal/remember';
import type { Table } from './internal/streamSession';

/** How an accumulator is kept. */
export interface ScannedOptions<T> extends RememberOptions {
  /** One accumulator for each key; one for all when left out. */
  readonly key?: (item: T) => string;
  /** How long, in milliseconds, a key is kept after the latest time of its items, by the times of items. For ever when left out. */
  readonly ttlMs?: number;
  /** How many keys are kept: those whose items came last. All when left out. */
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
 * @throws DefinitionError when `ttlMs` is not a number from 0, or `maxKeys` not one from 1.
 * @throws StateValueError (in the stream) when the accumulator is not plain JSON.
 * @throws InvalidArgumentError (in the stream) when the key of an item is not a string, or its time is not a number.
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
  const { key, at, ttlMs, maxKeys } = options;
  checkLimit(name, 'ttlMs', ttlMs);
  checkLimit(name, 'maxKeys', maxKeys, 1);
  return remember<T, unknown>(name, options, (table, session) => {
    const keys = new Keys(table, options);
    return {
      next(item, emit) {
        const own = key === undefined ? '' : checkedKey(name, key(item));
        const now = at === undefined ? session.now() : checkedTime(name, at(item));
        keys.evict(now);
        keys.touch(own, now, { state: initial });
        const row = table.update(own, (draft: { state: Draft<S> }) => {
          const given = recipe(draft.state, item);
          if (given !== undefined) draft.state = given as Draft<S>;
        }) as { readonly state: S };
        keys.keepMost();
        emit(key === undefined ? row.state : ([own, row.state] as const));
      },
    };
  });
}

interface KeyRow {
  /** The latest time of an item. */
  readonly at?: number;
  /** When an item came last, as a number that grows; only where the number of keys is limited. */
  readonly turn?: number;
}

/**
 * The keys of a table, by the times of their items. What is forgotten depends on the rows and on the items alone, so it is the same
 * after a restart.
 */
export class Keys {
  readonly #table: Table;
  readonly #ttlMs: number;
  readonly #most: number;
  /** Keys by a time at or before their latest one; one entry for each time that a key has been made. */
  readonly #times = new TimeHeap<{ readonly key: string; readonly made: number }>();
  /** Which entry counts: a key may have been forgotten and made again. */
  readonly #made = new Map<string, number>();
  /** Keys of which no time is known, because nothing was forgotten by time when they came. */
  readonly #timeless: string[] = [];
  /** Keys in the order in which their items came last. */
  readonly #order = new Set<string>();
  #turn = 0;
  #count = 0;

  constructor(
    table: Table,
    { ttlMs = Infinity, maxKeys = Infinity }: Pick<ScannedOptions<never>, 'ttlMs' | 'maxKeys'>,
  ) {
    this.#table = table;
    this.#ttlMs = ttlMs;
    this.#most = maxKeys;
    const rows = [...table.rows] as [string, KeyRow][];
    if (ttlMs < Infinity) {
      for (const [key, { at }] of rows) {
        if (at === undefined) this.#timeless.push(key);
        else this.#make(key, at);
      }
    }
    if (maxKeys === Infinity) return;
    for (const [key, { turn = 0 }] of rows.sort((a, b) => (a[1].turn ?? 0) - (b[1].turn ?? 0))) {
      this.#order.add(key);
      this.#turn = Math.max(this.#turn, turn);
    }
  }

  /** An item of this key has come. */
  touch(key: string, at: number, fresh: object): void {
    const known = this.#table.get(key) as KeyRow | undefined;
    const isTimed = this.#ttlMs < Infinity;
    const isCounted = this.#most < Infinity;
    if (isCounted) {
      this.#turn += 1;
      this.#order.delete(key);
      this.#order.add(key);
    }
    if (known === undefined) {
      this.#table.set(key, { ...fresh, ...(isTimed && { at }), ...(isCounted && { turn: this.#turn }) });
      if (isTimed) this.#make(key, at);
      return;
    }
    if (isTimed && at > (known.at ?? -Infinity)) this.#table.assign(key, 'at', at);
    if (isCounted) this.#table.assign(key, 'turn', this.#turn);
  }

  #make(key: string, at: number): void {
    const made = (this.#count += 1);
    this.#made.set(key, made);
    this.#times.add(at, { key, made });
  }

  /** Forgets keys that are too old. Those of which no time is known count from now on. */
  evict(now: number): void {
    for (const key of this.#timeless.splice(0)) {
      this.#table.assign(key, 'at', now);
      this.#make(key, now);
    }
    while (now - this.#times.earliest > this.#ttlMs) {
      const entry = this.#times.take();
      if (entry === undefined) return;
      if (this.#made.get(entry.key) !== entry.made) continue;
      const { at = 0 } = this.#table.get(entry.key) as KeyRow;
      if (now - at > this.#ttlMs) this.#forget(entry.key);
      else this.#times.add(at, entry);
    }
  }

  /** Forgets keys where there are too many. */
  keepMost(): void {
    for (const key of this.#order) {
      if (this.#order.size <= this.#most) return;
      this.#forget(key);
    }
  }

  #forget(key: string): void {
    this.#order.delete(key);
    this.#made.delete(key);
    this.#table.delete(key);
  }
}
