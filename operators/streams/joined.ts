import type { Observable } from 'rxjs';
import { map } from 'rxjs';

import { currentItem } from '../../lib/streams/streamItem';
import { TimeHeap } from '../../lib/streams/timeHeap';
import type { FromOffsetOptions } from './fromOffset';
import { checkedKey, checkedTime, checkLimit } from './internal/checkedItems';
import { remember } from './internal/remember';
import type { StreamSession, Table } from './internal/streamSession';
import { asPart } from './internal/streamSession';
import { together } from './together';

/** Which items belong together, and where that is remembered. */
export interface JoinedOptions<L, R> extends Omit<FromOffsetOptions, 'inFlight'> {
  /** Items with the same key are joined. */
  readonly key: { readonly left: (item: L) => string; readonly right: (item: R) => string };
  /** By how much their times may differ, in milliseconds. */
  readonly withinMs: number;
  /** The time of an item, epoch milliseconds; the clock's when it comes, when left out. */
  readonly at?: { readonly left: (item: L) => number; readonly right: (item: R) => number };
  /** By how much an item may be late, in milliseconds; 0 when left out. */
  readonly lateMs?: number;
}

type Side = 'left' | 'right';

/** An item that may still find partners. */
interface Kept {
  readonly side: Side;
  readonly key: string;
  readonly at: number;
  /** Names the item that it came with. */
  readonly id: string;
  readonly item: unknown;
}

/** What is known of both sides; no item is called like this. */
const SIDES = 'sides';

interface Sides {
  /** How many items have come. */
  readonly count: number;
  /** The latest time of each side, where an item has come. */
  readonly left?: number;
  readonly right?: number;
}

/**
 * Joins two sources: emits each pair of items that have the same key and times that differ by at most `withinMs`, once, also over
 * restarts. An item is kept until the times of the other side have gone beyond it.
 *
 * Both sources are `fromOffset(…)`, with operators behind them or not, each under a name of its own; the offsets of both become durable
 * together with what is kept.
 *
 * @throws DefinitionError when `withinMs` or `lateMs` is not a number from 0.
 * @throws InvalidArgumentError (in the stream) when the key of an item is not a string, or its time is not a number.
 */
export function joined<L, R>(
  left: Observable<L>,
  right: Observable<R>,
  options: JoinedOptions<L, R>,
): Observable<readonly [left: L, right: R]> {
  const { name, withinMs, lateMs } = options;
  // Without it everything would be kept for ever: whoever wants that says Infinity.
  checkLimit(name, 'withinMs', withinMs, 0, true);
  checkLimit(name, 'lateMs', lateMs);
  const both = together<readonly [Side, unknown]>(
    options,
    left.pipe(map((item) => ['left', item] as const)),
    right.pipe(map((item) => ['right', item] as const)),
  );
  return both.pipe(
    remember<readonly [Side, unknown], readonly [L, R]>(name, options, (table, session) => {
      const join = new Join(table, session, options as unknown as JoinedOptions<unknown, unknown>);
      return {
        next([side, item], emit) {
          const id = currentItem()?.id ?? '';
          for (const other of join.add(side, item, id)) {
            const [left, right] = side === 'left' ? [{ id, item }, other] : [other, { id, item }];
            // Of both: after a crash the one may come before the other.
            asPart(`${name} ${left.id} ${right.id}`, () => {
              emit([left.item, right.item] as unknown as readonly [L, R]);
            });
          }
        },
      };
    }),
  );
}

class Join {
  readonly #table: Table;
  readonly #session: StreamSession;
  readonly #options: JoinedOptions<unknown, unknown>;
  /** Rows by the time of their item. */
  readonly #times = { left: new TimeHeap<string>(), right: new TimeHeap<string>() };
  /** Rows of each key, in the order in which they came. */
  readonly #rows = { left: new Map<string, Set<string>>(), right: new Map<string, Set<string>>() };
  #sides: Sides;

  constructor(table: Table, session: StreamSession, options: JoinedOptions<unknown, unknown>) {
    this.#table = table;
    this.#session = session;
    this.#options = options;
    this.#sides = (table.get(SIDES) as Sides | undefined) ?? { count: 0 };
    const rows = [...table.rows].filter(([row]) => row !== SIDES) as [string, Kept][];
    for (const [row, kept] of rows.sort((a, b) => Number(a[0]) - Number(b[0]))) this.#know(row, kept);
  }

  /** The items of the other side that belong to this one, in the order in which they came. */
  add(side: Side, item: unknown, id: string): readonly Kept[] {
    const { name, key, withinMs, at: times } = this.#options;
    const other: Side = side === 'left' ? 'right' : 'left';
    const at = times === undefined ? this.#session.now() : checkedTime(name, times[side](item));
    const count = this.#sides.count + 1;
    const kept: Kept = { side, key: checkedKey(name, key[side](item)), at, id, item };
    this.#sides = { ...this.#sides, count, [side]: Math.max(at, this.#sides[side] ?? -Infinity) };
    this.#table.set(SIDES, this.#sides);
    const pairs: Kept[] = [];
    for (const row of this.#rows[other].get(kept.key) ?? []) {
      const one = this.#table.get(row) as Kept;
      if (Math.abs(one.at - at) <= withinMs) pairs.push(one);
    }
    this.#table.set(String(count), kept);
    this.#know(String(count), kept);
    this.#forget('left', this.#sides.right);
    this.#forget('right', this.#sides.left);
    return pairs;
  }

  #know(row: string, { side, key, at }: Kept): void {
    this.#times[side].add(at, row);
    const rows = this.#rows[side].get(key);
    if (rows === undefined) this.#rows[side].set(key, new Set([row]));
    else rows.add(row);
  }

  /** What the other side has gone beyond can have no partner any more. */
  #forget(side: Side, latestOfOther: number | undefined): void {
    const { withinMs, lateMs = 0 } = this.#options;
    const before = (latestOfOther ?? -Infinity) - withinMs - lateMs;
    while (this.#times[side].earliest < before) {
      const row = this.#times[side].take() ?? '';
      const { key } = this.#table.get(row) as Kept;
      this.#table.delete(row);
      const rows = this.#rows[side].get(key);
      rows?.delete(row);
      if (rows?.size === 0) this.#rows[side].delete(key);
    }
  }
}
