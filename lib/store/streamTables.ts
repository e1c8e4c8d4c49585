import { InvalidArgumentError, toFailure } from '../model/failure';
import { withPatches } from '../model/shared';
import type { RowPatch, SavedStream, StreamChange, StreamSummary } from './streamRest';
import { CLOCK_ROW, ID_TABLE } from './streamRest';

/** Patches that wait take memory, so some time they are applied even where nobody looks. */
const MOST_LATE = 10_000;

/** How a stream stands: the fold of its records. Changes to one row are applied together, when somebody looks. */
export class StreamTables implements SavedStream {
  readonly offsets = new Map<string, unknown>();
  readonly #tables = new Map<string, Map<string, unknown>>();
  /** Patches that are not applied yet, by table and key: applying them one by one would copy a long list once for each. */
  readonly #late = new Map<string, Map<string, RowPatch[]>>();
  readonly lags = new Map<string, number>();
  #lateCount = 0;
  committedAt = 0;

  /** Begins with what a file holds. */
  static of(saved: SavedStream, lags: Iterable<readonly [string, number]> = []): StreamTables {
    const tables = new StreamTables();
    for (const [source, offset] of saved.offsets) tables.offsets.set(source, offset);
    for (const [name, rows] of saved.tables) tables.#tables.set(name, new Map(rows));
    for (const [source, lag] of lags) tables.lags.set(source, lag);
    tables.committedAt = saved.committedAt;
    return tables;
  }

  /** @throws InvalidArgumentError when a patch does not fit the row. */
  get tables(): ReadonlyMap<string, ReadonlyMap<string, unknown>> {
    this.applyAll();
    return this.#tables;
  }

  /** A copy whose rows may be changed. */
  copy(): StreamTables {
    const tables = new Map(
      [...this.tables].map(([table, rows]) => [
        table,
        new Map([...rows].map(([key, row]) => [key, JSON.parse(JSON.stringify(row)) as unknown])),
      ]),
    );
    return StreamTables.of({ offsets: this.offsets, tables, committedAt: this.committedAt }, this.lags);
  }

  add({ offsets = [], lags = [], rows, at }: StreamChange): void {
    for (const [source, offset] of offsets) this.offsets.set(source, offset);
    for (const [source, lag] of lags) this.lags.set(source, lag);
    for (const { table, key, value, patches } of rows) {
      if (patches !== undefined) {
        let late = this.#late.get(table);
        if (late === undefined) this.#late.set(table, (late = new Map<string, RowPatch[]>()));
        this.#lateCount += patches.length;
        const known = late.get(key);
        if (known === undefined) late.set(key, [...patches]);
        else known.push(...patches);
        continue;
      }
      this.#late.get(table)?.delete(key);
      const rowsOf = this.#rowsOf(table);
      // What was set last stands last.
      rowsOf.delete(key);
      if (value !== undefined) rowsOf.set(key, value);
    }
    this.committedAt = at;
    if (this.#lateCount > MOST_LATE) this.applyAll();
  }

  /** Applies what waits. @throws InvalidArgumentError when a patch does not fit the row. */
  applyAll(): void {
    for (const [table, late] of this.#late) for (const key of late.keys()) this.#apply(table, key);
    this.#late.clear();
    this.#lateCount = 0;
  }

  #apply(table: string, key: string): void {
    const patches = this.#late.get(table)?.get(key);
    const rows = this.#rowsOf(table);
    if (patches === undefined) return;
    if (!rows.has(key)) throw misfit(table, key, 'there is none');
    try {
      // It keeps its place: rows stand in the order in which they were set.
      rows.set(key, withPatches(rows.get(key), patches));
    } catch (error) {
      throw misfit(table, key, toFailure(error).message);
    }
  }

  #rowsOf(table: string): Map<string, unknown> {
    let rows = this.#tables.get(table);
    if (rows === undefined) this.#tables.set(table, (rows = new Map<string, unknown>()));
    return rows;
  }

  summary(name: string): StreamSummary {
    const tables = [...this.tables].filter(([table]) => table !== ID_TABLE);
    return {
      name,
      offsets: Object.fromEntries(this.offsets),
      lags: Object.fromEntries(this.lags),
      tables: Object.fromEntries(tables.map(([table, rows]) => [table, rows.size])),
      late: Object.fromEntries(
        tables.flatMap(([table, rows]) => {
          const late = lateItems(rows);
          return late === 0 ? [] : [[table, late]];
        }),
      ),
      committedAt: this.committedAt,
    };
  }
}

function misfit(table: string, key: string, why: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `Cannot change row "${key}" of "${table}": ${why}`,
    'restore the stream from a backup, or delete it',
  );
}

/** How many items came too late for the windows of a table. */
export function lateItems(rows: ReadonlyMap<string, unknown>): number {
  const clock = rows.get(CLOCK_ROW);
  if (typeof clock !== 'object' || clock === null) return 0;
  const { late, latest = 0, sealed = 0, ...others } = clock as Readonly<Record<string, unknown>>;
  // The row of a user's key of this name, as latestBy() has it, is what the user gave.
  const isClock =
    [late, latest, sealed].every((part) => typeof part === 'number') && Object.keys(others).length === 0;
  return isClock ? Number(late) : 0;
}
