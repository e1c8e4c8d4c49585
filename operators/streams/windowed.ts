import type { OperatorFunction, Subscription } from 'rxjs';

import { DefinitionError } from '../../lib/errors/definitionErrors';
import { CLOCK_ROW } from '../../lib/store/streamRest';
import { TimeHeap } from '../../lib/streams/timeHeap';
import { checkedKey, checkedTime, checkLimit } from './internal/checkedItems';
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
  /**
   * Whether the clock closes windows too, where no item does; false when left out. With `at` it goes on from the time of the latest item,
   * and stands still while a slow end holds the source back: what waits in the source is no later for it. What an earlier life has left
   * open waits ten seconds for a first item.
   */
  readonly byClock?: boolean;
}

/** Items that belong together. */
export interface Window<T> {
  /** The same after a restart, and of no other stream; behind `fromOffset`, `runEach` names the run after it. */
  readonly id: string;
  /** Empty without keys. */
  readonly key: string;
  /** Epoch milliseconds; of a window of so many items the time of the first, 0 where `at` is left out. */
  readonly from: number;
  /** Epoch milliseconds, exclusive; of a session `gapMs` after its last item, of a window of so many items the time of the last, 0 where `at` is left out. */
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
 * @throws DefinitionError when a size is not a finite number from 1, `lateMs` not one from 0, or the sizes make no windows of one kind.
 * @throws InvalidArgumentError (in the stream) when the key of an item is not a string, or its time is not a number.
 */
export function windowed<T>(
  name: string,
  spec: WindowSpec,
  options: WindowedOptions<T> = {},
): OperatorFunction<T, Window<T>> {
  checkSpec(name, spec);
  checkLimit(name, 'lateMs', options.lateMs);
  return remember<T, Window<T>>(name, options, (table, session, emit) => {
    if ('count' in spec) {
      const counted = new CountWindows<T>(name, spec.count, table, session, options, emit);
      return {
        next: (item) => {
          counted.add(item);
        },
        seal: () => {
          counted.seal();
        },
        end: () => {
          counted.closeSealed();
        },
      };
    }
    const windows = new TimeWindows<T>(name, spec, table, session, options, emit);
    return {
      next: (item) => {
        windows.add(item);
      },
      seal: () => {
        windows.seal();
      },
      end: () => {
        windows.close();
      },
      stop: () => {
        windows.stop();
      },
    };
  });
}

/** @throws DefinitionError for sizes that say nothing, or two things at once: a compiler lets the latter pass. */
function checkSpec(name: string, spec: WindowSpec): void {
  const given = Object.entries((spec as WindowSpec | undefined) ?? {}) as [string, unknown][];
  const kinds = given.map(([what]) => what).filter((what) => what !== 'everyMs');
  const isOne = kinds.length === 1 && ['sizeMs', 'count', 'gapMs'].includes(kinds[0] ?? '');
  if (!isOne || (given.length > 1 && kinds[0] !== 'sizeMs')) {
    const got = given.map(([what]) => what).join(' and ') || 'nothing';
    throw new DefinitionError(
      name,
      `a window is { sizeMs }, { sizeMs, everyMs }, { count } or { gapMs }, got ${got}`,
    );
  }
  for (const [what, size] of given) {
    // Below a millisecond today's times cannot be told apart, so no window would hold them.
    const isSize = what === 'count' ? Number.isInteger(size) : Number.isFinite(size);
    if (!isSize || (size as number) < 1)
      throw new DefinitionError(name, `${what} must be a finite number from 1, got ${String(size)}`);
  }
}

interface Clock {
  /** The latest time of an item; absent when none has come. */
  readonly latest?: number;
  /** How many items came too late. */
  readonly late: number;
  /** Windows that end here or before take nothing more, though no item has closed them: the clock has, or the end of the source. */
  readonly sealed?: number;
}

class TimeWindows<T> {
  readonly #name: string;
  readonly #spec: Exclude<WindowSpec, { readonly count: number }>;
  readonly #table: Table;
  readonly #session: StreamSession;
  readonly #options: WindowedOptions<T>;
  readonly #lateMs: number;
  readonly #emit: (window: Window<T>) => void;
  /** Rows by the end of their window, of a session by one that it had before. */
  readonly #ends = new TimeHeap<string>();
  /** Open sessions of each key. */
  readonly #sessions = new Map<string, Set<string>>();
  #clock: Clock;
  #timer: Subscription | undefined;
  /** When the timer fires, by the clock of the session. */
  #firesAt = Infinity;
  #isAwaiting = false;
  #isSealing = false;
  #isStopped = false;
  /** When the latest item came, or, until one has, when the stream was opened: as `listenedMs` of the session. */
  #latestAt: number;
  #hasCome = false;

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
    this.#lateMs = options.lateMs ?? 0;
    this.#emit = emit;
    this.#clock = (table.get(CLOCK_ROW) as Clock | undefined) ?? { late: 0 };
    for (const [row, window] of table.rows) if (row !== CLOCK_ROW) this.#know(row, window as Row<T>);
    this.#latestAt = session.listenedMs();
    this.#setTimer();
  }

  /** Windows that end here or before take nothing more. */
  get #closed(): number {
    const { latest = -Infinity, sealed = -Infinity } = this.#clock;
    return Math.max(latest - this.#lateMs, sealed);
  }

  add(item: T): void {
    const { at, key } = this.#options;
    const { latest = -Infinity } = this.#clock;
    // An item never comes before the one before it.
    const time = at === undefined ? Math.max(this.#session.now(), latest) : checkedTime(this.#name, at(item));
    const own = key === undefined ? '' : checkedKey(this.#name, key(item));
    const isIn =
      'gapMs' in this.#spec ? this.#addToSession(own, time, item) : this.#addToSpans(own, time, item);
    if (!isIn) this.#options.onLate?.(item);
    if (this.#options.byClock === true && (time > latest || !this.#hasCome))
      this.#latestAt = this.#session.listenedMs();
    this.#hasCome = true;
    if (!isIn || time > latest) {
      const late = this.#clock.late + (isIn ? 0 : 1);
      this.#setClock({ ...this.#clock, latest: Math.max(latest, time), late });
    }
    const upTo = this.#closed;
    if (this.#ends.earliest <= upTo) {
      this.#session.whenDecided(`${this.#name} closes`, () => {
        this.close(upTo);
      });
    }
    this.#setTimer();
  }

  #setClock(clock: Clock): void {
    this.#clock = clock;
    this.#table.set(CLOCK_ROW, clock);
  }

  /** False when all windows of this time are closed. */
  #addToSpans(key: string, time: number, item: T): boolean {
    const closed = this.#closed;
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

  #addToSession(key: string, time: number, item: T): boolean {
    const { gapMs } = this.#spec as { readonly gapMs: number };
    // Also where it would join a session that is open: that one would begin where one has begun that was told already.
    if (time + gapMs <= this.#closed) return false;
    const touching = [...(this.#sessions.get(key) ?? [])]
      .map((row) => [row, this.#table.get(row) as Row<T>] as const)
      // One that waits to be told, until what closed it is durable, takes nothing more.
      .filter(([, { from, to }]) => to > this.#closed && time < to && time + gapMs > from)
      .sort((a, b) => a[1].from - b[1].from);
    const [first] = touching;
    if (first === undefined) {
      this.#put(rowOf(key, time), { key, from: time, to: time + gapMs, items: [] }, item);
      return true;
    }
    const from = Math.min(time, first[1].from);
    const to = Math.max(time + gapMs, ...touching.map(([, row]) => row.to));
    if (touching.length === 1 && from === first[1].from) {
      this.#table.append(first[0], 'items', item);
      if (to > first[1].to) this.#table.assign(first[0], 'to', to);
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

  /** Lets all open windows take nothing more. */
  seal(upTo?: number): void {
    const ends = [...this.#table.rows].map(([row, kept]) =>
      row === CLOCK_ROW ? -Infinity : (kept as Row<T>).to,
    );
    const sealed = upTo ?? ends.reduce((latest, end) => Math.max(latest, end), -Infinity);
    if (sealed > this.#closed) this.#setClock({ ...this.#clock, sealed });
  }

  /** Emits the windows that take nothing more, in the order of their ends, then of their beginnings and keys. */
  close(upTo = this.#closed): void {
    while (this.#ends.earliest <= upTo) {
      const end = this.#ends.earliest;
      const together = new Map<string, Row<T>>();
      while (this.#ends.earliest === end) {
        const row = this.#ends.take() ?? '';
        const window = this.#table.get(row) as Row<T> | undefined;
        if (window === undefined) continue;
        if (window.to === end) together.set(row, window);
        // A session that goes on for longer.
        else if (window.to > end) this.#ends.add(window.to, row);
      }
      // The heap knows the order in which they were made, but not after a restart.
      const ordered = [...together].sort(([, a], [, b]) => a.from - b.from || (a.key < b.key ? -1 : 1));
      for (const [row, window] of ordered) {
        this.#forget(row, window.key);
        const id = this.#session.idOf(this.#name, row);
        asPart(id, () => {
          this.#emit({ id, ...window });
        });
      }
    }
  }

  /**
   * What time it is for the items. Where they have times of their own, those that wait in the source, as after a pause or behind a slow
   * end, are older than the clock says.
   */
  #itemTime(): number {
    const now = this.#session.now();
    const { latest } = this.#clock;
    if (this.#options.at === undefined || latest === undefined) return now;
    if (this.#hasCome) return Math.min(now, latest + this.#listenedMs());
    return this.#listenedMs() >= STILL_MS ? now : Math.min(now, latest);
  }

  /** In how many milliseconds it is that time for the items, where none comes; not more than 0 when it is. */
  #leftMs(until: number): number {
    const left = until - this.#session.now();
    const { latest } = this.#clock;
    if (this.#options.at === undefined || latest === undefined) return left;
    return Math.max(left, (this.#hasCome ? until - latest : STILL_MS) - this.#listenedMs());
  }

  /** For how long the source could have given a later item. */
  #listenedMs(): number {
    return this.#session.listenedMs() - this.#latestAt;
  }

  #setTimer(): void {
    const { earliest } = this.#ends;
    if (this.#options.byClock !== true || this.#isSealing || this.#isStopped) return;
    if (earliest === Infinity) {
      this.#timer?.unsubscribe();
      this.#firesAt = Infinity;
      return;
    }
    const leftMs = this.#leftMs(earliest + this.#lateMs);
    if (leftMs > 0 && this.#options.at !== undefined && this.#awaitsSource()) return;
    const firesAt = this.#session.now() + leftMs;
    // One that fires earlier looks again.
    if (firesAt >= this.#firesAt) return;
    this.#timer?.unsubscribe();
    this.#firesAt = firesAt;
    // Node turns longer delays into 1 ms.
    const delay = Math.min(Math.max(0, leftMs), 2 ** 31 - 1);
    this.#timer = this.#session.scheduler.schedule(this.#look, delay);
  }

  /** While the source is held back, the time of its items stands still. */
  #awaitsSource(): boolean {
    this.#isAwaiting ||= this.#session.whenListening(() => {
      this.#isAwaiting = false;
      this.#look();
    });
    return this.#isAwaiting;
  }

  /** Closes what is over by the clock. */
  readonly #look = (): void => {
    if (this.#isStopped || this.#isSealing) return;
    this.#firesAt = Infinity;
    const { earliest } = this.#ends;
    if (earliest === Infinity || this.#leftMs(earliest + this.#lateMs) > 0) {
      this.#setTimer();
      return;
    }
    this.#isSealing = true;
    const moment = this.#itemTime() - this.#lateMs;
    // Two steps: a crash in between must not let a window that somebody has seen take more.
    this.#session.decide(
      `${this.#name} by the clock`,
      () => {
        this.seal(moment);
      },
      () => {
        this.#isSealing = false;
        this.close();
        this.#setTimer();
        return true;
      },
    );
  };

  stop(): void {
    this.#isStopped = true;
    this.#timer?.unsubscribe();
  }
}

/** For so long a stream is open before a source that gives nothing counts as one that has nothing, in milliseconds. */
const STILL_MS = 10_000;

function rowOf(key: string, from: number): string {
  return key === '' ? String(from) : JSON.stringify([key, from]);
}

/** Windows of so many items. A class, because every item changes the same rows. */
class CountWindows<T> {
  readonly #name: string;
  readonly #count: number;
  readonly #table: Table;
  readonly #session: StreamSession;
  readonly #options: WindowedOptions<T>;
  readonly #emit: (window: Window<T>) => void;

  constructor(
    name: string,
    count: number,
    table: Table,
    session: StreamSession,
    options: WindowedOptions<T>,
    emit: (window: Window<T>) => void,
  ) {
    this.#name = name;
    this.#count = count;
    this.#table = table;
    this.#session = session;
    this.#options = options;
    this.#emit = emit;
  }

  add(item: T): void {
    const { key, at } = this.#options;
    const own = key === undefined ? '' : checkedKey(this.#name, key(item));
    // Not the clock's: an item that is handled again after a crash would give its window another time.
    const time = at === undefined ? 0 : checkedTime(this.#name, at(item));
    const row = `open ${own}`;
    const open = this.#table.get(row) as Counted<T> | undefined;
    if (open === undefined || open.items.length === 0) this.#open(own, open?.index ?? 0, time);
    else this.#table.assign(row, 'to', time);
    this.#table.append(row, 'items', item);
    const now = this.#table.get(row) as Counted<T>;
    if (now.items.length < this.#count) return;
    this.#seal(now);
    this.#session.whenDecided(`${this.#name} closes`, () => {
      this.#close(now);
    });
  }

  #open(key: string, index: number, from: number): void {
    this.#table.set(`open ${key}`, { key, index, from, to: from, items: [] } satisfies Counted<T>);
  }

  /** Lets a window take nothing more; the next one of its key begins. */
  #seal(window: Counted<T>): void {
    const { key, index } = window;
    this.#table.set(`sealed ${rowOf(key, index)}`, window);
    // The number of the next one stays: an id must never come twice.
    this.#open(key, index + 1, 0);
  }

  /** Lets all open windows take nothing more. */
  seal(): void {
    for (const [row, open] of [...this.#table.rows] as [string, Counted<T>][])
      if (row.startsWith('open ') && open.items.length > 0) this.#seal(open);
  }

  /** Emits the windows that are sealed. */
  closeSealed(): void {
    for (const [row, sealed] of [...this.#table.rows] as [string, Counted<T>][])
      if (row.startsWith('sealed ')) this.#close(sealed);
  }

  #close({ key, index, from, to, items }: Counted<T>): void {
    const row = rowOf(key, index);
    this.#table.delete(`sealed ${row}`);
    const id = this.#session.idOf(this.#name, row);
    asPart(id, () => {
      this.#emit({ id, key, from, to, items });
    });
  }
}

interface Counted<T> {
  readonly key: string;
  readonly index: number;
  readonly from: number;
  readonly to: number;
  readonly items: readonly T[];
}
