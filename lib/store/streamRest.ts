import type { MillraceError } from '../model/failure';

/**
 * Where streams rest that remember: how far their sources have been read, and what their operators hold, in tables of plain JSON.
 * One name is one stream; whoever has claimed it is the only one who may write.
 */
export interface StreamRest {
  /**
   * Reserves a stream. Answers at once where the store can.
   *
   * @throws StreamActiveError when somebody else in this process has it.
   * @throws StoreLockedError when another process writes to the store.
   */
  claim(name: string): StreamClaim | Promise<StreamClaim>;
  /** One line a stream, by name; also of those that somebody else is writing. */
  list(query?: StreamQuery): Promise<readonly StreamSummary[]>;
  /** Forgets a stream; false when there was none. */
  delete(name: string): Promise<boolean>;
}

/** How streams are listed. */
export interface StreamQuery {
  /** Hears of each stream that cannot be read, and the list goes on without it; when left out, a process warning tells it. */
  readonly onDamaged?: (name: string, error: MillraceError) => void;
}

/** The right to write down one stream. */
export interface StreamClaim {
  /** As it was left; undefined for a new one. */
  readonly saved: SavedStream | undefined;
  /**
   * Writes down, as one record, how far the sources have been read and what has changed in the tables. Returns nothing when it is
   * as durable as the store promises, or a Promise of that. Records become durable in the order of the calls.
   */
  commit(change: StreamChange): void | Promise<void>;
  /** Ends the claim once everything is written. */
  release(): void | Promise<void>;
}

/** What is kept of a stream. */
export interface SavedStream {
  /** The latest offset of each source, by its name. */
  readonly offsets: ReadonlyMap<string, unknown>;
  /** Rows by key, of each table by its name. */
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, unknown>>;
  /** Epoch milliseconds of the latest record. */
  readonly committedAt: number;
}

/** What one record says. */
export interface StreamChange {
  /** Sources that have moved, as pairs of name and offset. */
  readonly offsets?: readonly (readonly [source: string, offset: unknown])[];
  /** How much each source that has moved holds behind its offset, where it says so, in a unit of its own such as bytes. */
  readonly lags?: readonly (readonly [source: string, lag: number])[];
  /** What has become of rows, in the order in which it happened. */
  readonly rows: readonly RowChange[];
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What has become of one row: it is set, changed by Immer patches, or, with neither, deleted. */
export interface RowChange {
  /** Name of the table. */
  readonly table: string;
  /** Which row. */
  readonly key: string;
  /** The whole row from now on. */
  readonly value?: unknown;
  /** What changes in the row. */
  readonly patches?: readonly RowPatch[];
}

/** A change to a part of a row. */
export interface RowPatch {
  /** What is done at the path. */
  readonly op: 'add' | 'replace' | 'remove';
  /** Names and places, from the row inwards. */
  readonly path: (string | number)[];
  /** What stands there afterwards. */
  readonly value?: unknown;
}

/** One line about a stream. */
export interface StreamSummary {
  /** Under which it is claimed. */
  readonly name: string;
  /** The latest offset of each source. */
  readonly offsets: Readonly<Record<string, unknown>>;
  /** How much each source held behind its offset, where it says so, in a unit of its own; `lines` counts bytes. */
  readonly lags: Readonly<Record<string, number>>;
  /** Number of rows of each table, such as keys or open windows. */
  readonly tables: Readonly<Record<string, number>>;
  /** How many items came too late for their windows, by the name of the table; tables without such items are left out. */
  readonly late: Readonly<Record<string, number>>;
  /** Epoch milliseconds of the latest record. */
  readonly committedAt: number;
}

/**
 * Table of a stream's own: its row says that no other stream makes ids as this one does. Streams that were begun before there was such
 * a row go on with the ids by which their runs are known.
 */
export const ID_TABLE = '@ids';

/** Key of the row in which a table of windows keeps its time, and `late`, the number of items that came too late. */
export const CLOCK_ROW = 'clock';

/** An offset in a few columns: of a record, such as that of `lines`, the first entry. */
export function offsetText(offset: unknown): string {
  if (typeof offset === 'string') return offset;
  const [first, ...others] = typeof offset === 'object' ? Object.entries(offset ?? {}) : [];
  if (first === undefined) return JSON.stringify(offset);
  return `${first[0]} ${JSON.stringify(first[1])}${others.length === 0 ? '' : ' …'}`;
}
