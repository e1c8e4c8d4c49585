import type { OperatorFunction, Subscription } from 'rxjs';

import { DefinitionError } from '../../lib/errors/definitionErrors';
import { InvalidArgumentError } from '../../lib/model/failure';
import { TimeHeap } from '../../lib/streams/timeHeap';
import type { RememberOptions } from './internal/remember';
import { remember } from './internal/remember';
import type { StreamSession, Table } from './internal/streamSession';
import { asPart } from './internal/streamSession';

/** Which items belong together. */
export type WindowSpec =
  /** Those of a span of time: tumbling windows of `sizeMs`, or, with `everyMs`, hopping ones that begin so often. */
  | { readonly sizeMs: number; readonly everyMs?: number }
  /** So many, in the order in which they come. */
  | { readonly count: number }
  /** Those between which no pause is longer: a session. */
  | { readonly gapMs: number };

/** How windows are kept and closed. */
export interface WindowedOptions<T> extends RememberOptions {
  /** Windows for each key; for all items together when left out. */
  readonly key?: (item: T) => string;
  /** The time of an item, epoch milliseconds; the clock's when it comes, when left out. */
  readonly at?: (item: T) => number;
  /** By how much an item may be late, in milliseconds: windows close so long after their end, by the times of items. 0 when left out. */
  readonly lateMs?: number;
  /** Hears of each item whose windows have closed already. They are counted in any case. */
  readonly onLate?: (item: T) => void;
  /** Whether the clock closes windows too, where no item does; false when left out. */
  readonly byClock?: boolean;
}

/** Items that belong together. */
export interface Window<T> {
  /** The same after a restart; behind `fromOffset`, `runEach` names the run after it. */
  readonly id: string;
  /** Empty without keys. */
  readonly key: string;
  /** Epoch milliseconds; of a window of so many items the time of the first. */
  readonly from: number;
  /** Epoch milliseconds, exclusive; of a session `gapMs` after its last item, of a window of so many items the time of the last. */
  readonly to: number;
  /** In the order in which they came. */
  readonly items: readonly T[];
}

interface Row<T> {
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly items: readonly T[];
}

/**
 * Collects items into windows, also over restarts, and emits each window once, when it closes. Items are plain JSON.
 *
 * A window of time closes when an item comes whose time is `lateMs` or more behind its end; the latest time there was is the measure,
 * so items may come out of order by `lateMs`. When the source completes, what is open closes.
 *
 * Semantics after Akidau et al., "The Dataflow Model" (2015): event time, watermark, allowed lateness.
 *
 * @throws DefinitionError when a size is not a positive number.
 */
export function windowed<T>(
  name: string,
  spec: WindowSpec,
  options: WindowedOptions<T> = {},
): OperatorFunction<T, Window<T>> {
  for (const [what, size] of Object.entries(spec) as [string, unknown][]) {
    const isSize = typeof size === 'number' && size > 0 && (what !== 'count' || Number.isInteger(size));
    if (!isSize) throw new DefinitionError(name, `${what} must be a positive number, got ${String(size)}`);
  }
  return remember<T, Window<T>>(name, options, (table, session, emit) => {
    if ('count' in spec) return countWindows(name, spec.count, table, session, options, emit);
    const windows = new TimeWindows<T>(name, spec, table, session, options, emit);
    return {
      next: (item) => {
        windows.add(item);
      },
      end: () => {
        windows.closeUpTo(Infinity);
      },
      stop: () => {
        windows.stop();
      },
    };
  });
}

/** What is known of all windows; no key of a window is like this. */
const CLOCK = 'clock';

interface Clock {
  /** The latest time of an item. */
  readonly latest: number;
  /** How many items came too late. */
  readonly late: number;
}

class TimeWindows<T> {
  readonly #name: string;
  readonly #spec: Exclude<WindowSpec, { readonly count: number }>;
  readonly #table: Table;
  readonly #session: StreamSession;
  readonly #options: WindowedOptions<T>;
  readonly #emit: (window: Window<T>) => void;
  /** Rows by the end of their window; of a session also those that it had before. */
  readonly #ends = new TimeHeap<string>();
  /** Open sessions of each key. */
  readonly #sessions = new Map<string, Set<string>>();
  #latest: number;
  #late: number;
  #timer: Subscription | undefined;

  constructor(
    name: string,
    spec: Exclude<WindowSpec, { readonly count: number }>,
    table: Table,
    session: StreamSession,
    options: WindowedOptions<T>,
    emit: (window: Window<T>) => void,
  ) {
    this.#name = name;
    this.#spec = spec;
    this.#table = table;
    this.#session = session;
    this.#options = options;
    this.#emit = emit;
    const clock = table.get(CLOCK) as Clock | undefined;
    this.#latest = clock?.latest ?? -Infinity;
    this.#late = clock?.late ?? 0;
    for (const [row, window] of table.rows) if (row !== CLOCK) this.#know(row, window as Row<T>);
    this.#setTimer();
  }

  add(item: T): void {
    const { at, key, lateMs = 0 } = this.#options;
    const time = at === undefined ? this.#session.scheduler.now() : at(item);
    if (!Number.isFinite(time))
      throw new InvalidArgumentError(
        `Cannot put an item into a window of "${this.#name}": its time is ${String(time)}`,
        'let at give epoch milliseconds',
      );
    const own = key === undefined ? '' : key(item);
    const closed = this.#latest - lateMs;
    const isIn =
      'gapMs' in this.#spec
        ? this.#addToSession(own, time, item, closed)
        : this.#addToSpans(own, time, item, closed);
    if (!isIn) {
      this.#late += 1;
      this.#options.onLate?.(item);
    }
    this.#latest = Math.max(this.#latest, time);
    this.#table.set(CLOCK, { latest: this.#latest, late: this.#late } satisfies Clock);
    this.closeUpTo(this.#latest - lateMs);
    this.#setTimer();
  }

  /** False when all windows of this time are closed. */
  #addToSpans(key: string, time: number, item: T, closed: number): boolean {
    const { sizeMs, everyMs = sizeMs } = this.#spec as { readonly sizeMs: number; readonly everyMs?: number };
    let isIn = false;
    const last = Math.floor(time / everyMs) * everyMs;
    const starts: number[] = [];
    for (let from = last; from + sizeMs > time; from -= everyMs) starts.push(from);
    for (const from of starts.reverse()) {
      const to = from + sizeMs;
      if (to <= closed) continue;
      isIn = true;
      this.#put(rowOf(key, from), { key, from, to, items: [] }, item);
    }
    // Between hopping windows that do not touch there is room that belongs to none.
    return isIn || starts.length === 0;
  }

  #addToSession(key: string, time: number, item: T, closed: number): boolean {
    const { gapMs } = this.#spec as { readonly gapMs: number };
    const touching = [...(this.#sessions.get(key) ?? [])]
      .map((row) => [row, this.#table.get(row) as Row<T>] as const)
      .filter(([, { from, to }]) => time < to && time + gapMs > from)
      .sort((a, b) => a[1].from - b[1].from);
    const [first] = touching;
    if (first === undefined) {
      if (time + gapMs <= closed) return false;
      this.#put(rowOf(key, time), { key, from: time, to: time + gapMs, items: [] }, item);
      return true;
    }
    const from = Math.min(time, first[1].from);
    const to = Math.max(time + gapMs, ...touching.map(([, row]) => row.to));
    if (touching.length === 1 && from === first[1].from) {
      this.#table.append(first[0], 'items', item);
      if (to > first[1].to) {
        this.#table.assign(first[0], 'to', to);
        this.#ends.add(to, first[0]);
      }
      return true;
    }
    // It joins sessions, or begins before one.
    const items = touching.flatMap(([, row]) => row.items);
    for (const [row] of touching) this.#forget(row, key);
    this.#put(rowOf(key, from), { key, from, to, items }, item);
    return true;
  }

  #put(row: string, window: Row<T>, item: T): void {
    if (!this.#table.has(row)) {
      this.#table.set(row, window);
      this.#know(row, window);
    }
    this.#table.append(row, 'items', item);
  }

  #know(row: string, { key, to }: Row<T>): void {
    this.#ends.add(to, row);
    if (!('gapMs' in this.#spec)) return;
    const rows = this.#sessions.get(key);
    if (rows === undefined) this.#sessions.set(key, new Set([row]));
    else rows.add(row);
  }

  #forget(row: string, key: string): void {
    this.#table.delete(row);
    const rows = this.#sessions.get(key);
    rows?.delete(row);
    if (rows?.size === 0) this.#sessions.delete(key);
  }

  /** Closes the windows that end at this moment or before, in the order of their ends. */
  closeUpTo(moment: number): void {
    while (this.#ends.earliest <= moment && this.#ends.earliest < Infinity) {
      const end = this.#ends.earliest;
      const row = this.#ends.take() ?? '';
      const window = this.#table.get(row) as Row<T> | undefined;
      // A session that has been joined, or goes on for longer, has another entry.
      if (window?.to !== end) continue;
      this.#forget(row, window.key);
      const id = `${this.#name} ${row}`;
      asPart(id, () => {
        this.#emit({ id, ...window });
      });
    }
  }

  #setTimer(): void {
    if (this.#options.byClock !== true) return;
    this.#timer?.unsubscribe();
    const { earliest } = this.#ends;
    if (earliest === Infinity) return;
    const { lateMs = 0 } = this.#options;
    const { scheduler } = this.#session;
    const delay = Math.max(0, earliest + lateMs - scheduler.now());
    this.#timer = scheduler.schedule(
      () => {
        this.#session.tick(`${this.#name} at ${String(earliest)}`, () => {
          this.closeUpTo(scheduler.now() - lateMs);
          return true;
        });
        this.#setTimer();
      },
      // Node turns longer delays into 1 ms; the timer is set anew when it fires early.
      Math.min(delay, 2 ** 31 - 1),
    );
  }

  stop(): void {
    this.#timer?.unsubscribe();
  }
}

function rowOf(key: string, from: number): string {
  return key === '' ? String(from) : JSON.stringify([key, from]);
}

function countWindows<T>(
  name: string,
  count: number,
  table: Table,
  session: StreamSession,
  { key, at }: WindowedOptions<T>,
  emit: (window: Window<T>) => void,
) {
  interface Counted {
    readonly index: number;
    readonly from: number;
    readonly items: readonly T[];
  }
  const close = (own: string, { index, from, items }: Counted, to: number): void => {
    const id = `${name} ${rowOf(own, index)}`;
    table.set(own, { index: index + 1, from: 0, items: [] } satisfies Counted);
    asPart(id, () => {
      emit({ id, key: own, from, to, items });
    });
  };
  return {
    next(item: T): void {
      const own = key === undefined ? '' : key(item);
      const time = at === undefined ? session.scheduler.now() : at(item);
      const open = table.get(own) as Counted | undefined;
      if (open === undefined || open.items.length === 0) {
        table.set(own, { index: open?.index ?? 0, from: time, items: [] } satisfies Counted);
      }
      table.append(own, 'items', item);
      const now = table.get(own) as Counted;
      if (now.items.length >= count) close(own, now, time);
    },
    end(): void {
      const rest = [...table.rows] as [string, Counted][];
      for (const [own, open] of rest) if (open.items.length > 0) close(own, open, session.scheduler.now());
    },
  };
}
