import type { StepResult } from './stepResult';

const PAGE = 64;

type Page = readonly StepResult[];

/**
 * The steps of a run in order of first mention: immutable, found by path or by position, an array in JSON.
 *
 * Rows are kept in pages of 64, so a change copies one page and the list of pages, never the whole table. All versions of
 * a table share one index from path to position; a version trusts an entry only when the row at that position bears the
 * path, and makes an index of its own when a sibling version has put something else there.
 *
 * A class, unlike the other records: thousands of versions share one prototype, and the pages stay private.
 */
export class StepTable implements Iterable<StepResult> {
  readonly size: number;
  readonly #pages: readonly Page[];
  #index: Map<string, number>;

  private constructor(pages: readonly Page[], size: number, index: Map<string, number>) {
    this.#pages = pages;
    this.size = size;
    this.#index = index;
  }

  /** A table of these rows. A later row replaces an earlier one with the same `stepId`. */
  static of(rows: Iterable<StepResult> = []): StepTable {
    const edit = new StepTable([], 0, new Map()).edit();
    for (const row of rows) edit.set(row);
    return edit.end();
  }

  /** The row of this path; undefined when the path was never mentioned. */
  get(path: string): StepResult | undefined {
    const position = this.#index.get(path);
    if (position === undefined) return undefined;
    const row = this.at(position);
    if (row?.stepId === path) return row;
    this.#index = indexOf(this.#pages);
    return this.at(this.#index.get(path) ?? this.size);
  }

  /** The row at this position, counted from 0. */
  at(position: number): StepResult | undefined {
    return position < this.size ? this.#pages[position >>> 6]?.[position & (PAGE - 1)] : undefined;
  }

  *[Symbol.iterator](): Iterator<StepResult> {
    for (const page of this.#pages) yield* page;
  }

  toJSON(): StepResult[] {
    return this.#pages.flat();
  }

  /** Collects changes and makes one new table of them, copying each touched page once. */
  edit(): StepTableEdit {
    return editOf(
      this.#pages,
      this.size,
      this.#index,
      (pages, size, index) => new StepTable(pages, size, index),
    );
  }
}

/** Changes to a `StepTable` under way. */
export interface StepTableEdit {
  get(path: string): StepResult | undefined;
  /** Replaces the row with the same `stepId`, or adds the row at the end. */
  set(row: StepResult): void;
  rows(): Iterable<StepResult>;
  end(): StepTable;
}

function editOf(
  base: readonly Page[],
  baseSize: number,
  shared: Map<string, number>,
  make: (pages: readonly Page[], size: number, index: Map<string, number>) => StepTable,
): StepTableEdit {
  const pages = base.slice();
  const owned = new Set<number>();
  let size = baseSize;
  let index = shared;

  const rowAt = (position: number): StepResult | undefined =>
    position < size ? pages[position >>> 6]?.[position & (PAGE - 1)] : undefined;

  const positionOf = (path: string): number | undefined => {
    const position = index.get(path);
    if (position === undefined || rowAt(position)?.stepId === path) return position;
    index = indexOf(pages);
    return index.get(path);
  };

  const ownPage = (number: number): StepResult[] => {
    if (!owned.has(number)) {
      owned.add(number);
      pages[number] = pages[number]?.slice() ?? [];
    }
    return pages[number] as StepResult[];
  };

  return {
    get(path) {
      const position = positionOf(path);
      return position === undefined ? undefined : rowAt(position);
    },
    set(row) {
      const position = positionOf(row.stepId) ?? size;
      ownPage(position >>> 6)[position & (PAGE - 1)] = row;
      if (position === size) {
        index.set(row.stepId, size);
        size += 1;
      }
    },
    *rows() {
      for (const page of pages) yield* page;
    },
    end: () => make(pages, size, index),
  };
}

function indexOf(pages: readonly Page[]): Map<string, number> {
  const index = new Map<string, number>();
  for (const page of pages) for (const row of page) index.set(row.stepId, index.size);
  return index;
}
