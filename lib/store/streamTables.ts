import type { Patch } from 'immer';
import { enablePatches, Immer } from 'immer';

import { InvalidArgumentError } from '../model/failure';
import type { SavedStream, StreamChange, StreamSummary } from './streamRest';

enablePatches();
const immer = new Immer({ autoFreeze: false });

/** How a stream stands: the fold of its records. Changes to one row are applied together, when somebody looks. */
export class StreamTables implements SavedStream {
  readonly offsets = new Map<string, unknown>();
  readonly #tables = new Map<string, Map<string, unknown>>();
  /** Patches that are not applied yet, by table and key: applying them one by one would copy a long list once for each. */
  readonly #late = new Map<string, Map<string, Patch[]>>();
  committedAt = 0;

  /** Begins with what a file holds. */
  static of(saved: SavedStream, committedAt: number): StreamTables {
    const tables = new StreamTables();
    for (const [source, offset] of saved.offsets) tables.offsets.set(source, offset);
    for (const [name, rows] of saved.tables) tables.#tables.set(name, new Map(rows));
    tables.committedAt = committedAt;
    return tables;
  }

  /** @throws InvalidArgumentError when a patch does not fit the row. */
  get tables(): ReadonlyMap<string, ReadonlyMap<string, unknown>> {
    for (const [table, late] of this.#late) for (const key of late.keys()) this.#apply(table, key);
    this.#late.clear();
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
    return StreamTables.of({ offsets: this.offsets, tables }, this.committedAt);
  }

  add({ offsets = [], rows, at }: StreamChange): void {
    for (const [source, offset] of offsets) this.offsets.set(source, offset);
    for (const { table, key, value, patches } of rows) {
      if (patches !== undefined) {
        let late = this.#late.get(table);
        if (late === undefined) this.#late.set(table, (late = new Map<string, Patch[]>()));
        const known = late.get(key);
        if (known === undefined) late.set(key, [...(patches as readonly Patch[])]);
        else known.push(...(patches as readonly Patch[]));
        continue;
      }
      this.#late.get(table)?.delete(key);
      const rowsOf = this.#rowsOf(table);
      // What was set last stands last.
      rowsOf.delete(key);
      if (value !== undefined) rowsOf.set(key, value);
    }
    this.committedAt = at;
  }

  #apply(table: string, key: string): void {
    const patches = this.#late.get(table)?.get(key);
    const rows = this.#rowsOf(table);
    if (patches === undefined) return;
    if (!rows.has(key))
      throw new InvalidArgumentError(
        `Cannot change row "${key}" of "${table}": there is none`,
        'restore the stream from a backup, or delete it',
      );
    const row = rows.get(key);
    rows.delete(key);
    rows.set(key, immer.applyPatches(row as object, patches));
  }

  #rowsOf(table: string): Map<string, unknown> {
    let rows = this.#tables.get(table);
    if (rows === undefined) this.#tables.set(table, (rows = new Map<string, unknown>()));
    return rows;
  }

  summary(name: string): StreamSummary {
    return {
      name,
      offsets: Object.fromEntries(this.offsets),
      tables: Object.fromEntries([...this.tables].map(([table, rows]) => [table, rows.size])),
      committedAt: this.committedAt,
    };
  }
}
