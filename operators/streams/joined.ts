import type { Observable } from 'rxjs';
import { map } from 'rxjs';

import { DefinitionError } from '../../lib/errors/definitionErrors';
import { InvalidArgumentError } from '../../lib/model/failure';
import { TimeHeap } from '../../lib/streams/timeHeap';
import type { FromOffsetOptions } from './fromOffset';
import { remember } from './internal/remember';
import type { StreamSession, Table } from './internal/streamSession';
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

interface Kept {
  readonly items: readonly { readonly at: number; readonly item: unknown }[];
}

/**
 * Joins two sources: emits each pair of items that have the same key and times that differ by at most `withinMs`, once, also over
 * restarts. An item is kept until the times of the other side have gone beyond it.
 *
 * Both sources are `fromOffset(…)`, with operators behind them or not, each under a name of its own; the offsets of both become durable
 * together with what is kept.
 *
 * @throws DefinitionError when `withinMs` is not a number from 0.
 */
export function joined<L, R>(
  left: Observable<L>,
  right: Observable<R>,
  options: JoinedOptions<L, R>,
): Observable<readonly [left: L, right: R]> {
  const { name, withinMs } = options;
  if (!(withinMs >= 0)) {
    throw new DefinitionError(name, `withinMs must be a number from 0, got ${String(withinMs)}`);
  }
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
          for (const other of join.add(side, item)) {
            emit((side === 'left' ? [item, other] : [other, item]) as unknown as readonly [L, R]);
          }
        },
      };
    }),
  );
}

const LATEST = 'latest';

class Join {
  readonly #table: Table;
  readonly #session: StreamSession;
  readonly #options: JoinedOptions<unknown, unknown>;
  readonly #kept = { left: new TimeHeap<string>(), right: new TimeHeap<string>() };
  #latest: Readonly<Record<Side, number | null>>;

  constructor(table: Table, session: StreamSession, options: JoinedOptions<unknown, unknown>) {
    this.#table = table;
    this.#session = session;
    this.#options = options;
    this.#latest = (table.get(LATEST) as Record<Side, number | null> | undefined) ?? {
      left: null,
      right: null,
    };
    for (const [row, kept] of table.rows) {
      if (row === LATEST) continue;
      const side: Side = row.startsWith('left ') ? 'left' : 'right';
      for (const { at } of (kept as Kept).items) this.#kept[side].add(at, row);
    }
  }

  /** The items of the other side that belong to this one, oldest first. */
  add(side: Side, item: unknown): readonly unknown[] {
    const { key, withinMs, at: times } = this.#options;
    const other: Side = side === 'left' ? 'right' : 'left';
    const at = times === undefined ? this.#session.scheduler.now() : times[side](item);
    if (!Number.isFinite(at))
      throw new InvalidArgumentError(
        `Cannot join an item: its time is ${String(at)}`,
        'let at give epoch milliseconds',
      );
    const own = key[side](item);
    const row = `${side} ${own}`;
    if (!this.#table.has(row)) this.#table.set(row, { items: [] } satisfies Kept);
    this.#table.append(row, 'items', { at, item });
    this.#kept[side].add(at, row);
    this.#latest = { ...this.#latest, [side]: Math.max(at, this.#latest[side] ?? -Infinity) };
    this.#table.set(LATEST, this.#latest);
    const there = this.#table.get(`${other} ${own}`) as Kept | undefined;
    const pairs = (there?.items ?? []).filter((one) => Math.abs(one.at - at) <= withinMs);
    this.#forget('left', this.#latest.right);
    this.#forget('right', this.#latest.left);
    return pairs.map((one) => one.item);
  }

  /** What the other side has gone beyond can have no partner any more. */
  #forget(side: Side, latestOfOther: number | null): void {
    const { withinMs, lateMs = 0 } = this.#options;
    const before = (latestOfOther ?? -Infinity) - withinMs - lateMs;
    while (this.#kept[side].earliest < before) {
      const at = this.#kept[side].earliest;
      const row = this.#kept[side].take();
      const kept = row === undefined ? undefined : (this.#table.get(row) as Kept | undefined);
      if (row === undefined || kept === undefined) continue;
      const left = kept.items.filter((one) => one.at > at);
      if (left.length === 0) this.#table.delete(row);
      else if (left.length < kept.items.length) this.#table.set(row, { items: left } satisfies Kept);
    }
  }
}
