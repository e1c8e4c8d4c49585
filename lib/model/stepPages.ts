import { LentRows, SealedRows } from './sealedRows';
import type { StepResult } from './stepResult';

const PAGE = 64;

/**
 * The next 64 rows of a table, or what there is of them: as they are, packed because all of them have completed, or those of
 * another table with something changed.
 */
export type Page = readonly StepResult[] | SealedRows | LentRows;

/** Number of the page that holds this position. */
export function pageOf(position: number): number {
  return position >>> 6;
}

/** Where in its page a position lies. */
export function placeOf(position: number): number {
  return position & (PAGE - 1);
}

/** The row at this position, which is one of these pages'. */
export function rowAt(pages: readonly Page[], position: number): StepResult | undefined {
  const page = pages[pageOf(position)];
  return isPlain(page) ? page[placeOf(position)] : page?.at(placeOf(position));
}

/** Path of that row; of a packed one no row is made for it. */
export function pathAt(pages: readonly Page[], position: number): string | undefined {
  const page = pages[pageOf(position)];
  return isPlain(page) ? page[placeOf(position)]?.stepId : page?.pathAt(placeOf(position));
}

/** All rows of a page, in order. */
export function rowsOf(page: Page): readonly StepResult[] {
  return isPlain(page) ? page : page.all();
}

/** How many of the rows have ended, completed or skipped, and how many have failed. */
export function tallyOf(page: Page): { readonly done: number; readonly failed: number } {
  if (page instanceof SealedRows) return { done: PAGE, failed: 0 };
  let [done, failed] = [0, 0];
  for (const { status } of rowsOf(page)) {
    if (status === 'COMPLETED' || status === 'SKIPPED') done += 1;
    else if (status === 'FAILED') failed += 1;
  }
  return { done, failed };
}

function isPlain(page: Page | undefined): page is readonly StepResult[] {
  return Array.isArray(page);
}

/** The same rows as `change` gives them, each when it is first read. */
export function pageWith(page: Page, change: (row: StepResult) => StepResult): Page {
  return new LentRows(page, change);
}

/** The page that these rows become: packed when it is full and all of them have completed. */
export function pageFrom(rows: readonly StepResult[]): Page {
  // The last row is the least likely to have completed, and mostly settles the question.
  const isSealed =
    rows.length === PAGE && SealedRows.takes(rows[PAGE - 1]) && rows.every((row) => SealedRows.takes(row));
  return isSealed ? new SealedRows(rows) : rows;
}

/**
 * Where the paths of one version of a table stand.
 *
 * All versions share one index from path to position; a version trusts an entry only when the row at that position bears the
 * path, and makes an index of its own when a sibling version has put something else there. A row whose place whoever adds it
 * remembers is put in when somebody first asks for a path.
 */
export class StepPlaces {
  #index: Map<string, number>;
  /** Full pages of any version whose rows are in the index. */
  #covered: WeakSet<Page>;
  /** How many rows of this version, from the first, are in the index. */
  #indexed: number;
  #isTemplate: boolean;

  constructor(
    index = new Map<string, number>(),
    covered = new WeakSet<Page>(),
    indexed = 0,
    isTemplate = false,
  ) {
    this.#index = index;
    this.#covered = covered;
    this.#indexed = indexed;
    this.#isTemplate = isTemplate;
  }

  /** The same for a version that is made of this one. */
  copy(isTemplate = this.#isTemplate): StepPlaces {
    return new StepPlaces(this.#index, this.#covered, this.#indexed, isTemplate);
  }

  /** Position of the row of this path among `size` rows; undefined when there is none. */
  find(path: string, pages: readonly Page[], size: number): number | undefined {
    let position = this.#index.get(path);
    if (isAt(position, path, pages, size)) return position;
    if (this.#indexed < size) {
      this.#cover(pages, size);
      position = this.#index.get(path);
    }
    if (position === undefined || isAt(position, path, pages, size)) return position;
    this.#index = new Map();
    this.#covered = new WeakSet();
    this.#indexed = 0;
    this.#isTemplate = false;
    this.#cover(pages, size);
    return this.#index.get(path);
  }

  /** A row has been added at the end. */
  add(path: string, position: number): void {
    this.own();
    this.#index.set(path, position);
    if (this.#indexed === position) this.#indexed += 1;
  }

  #cover(pages: readonly Page[], size: number): void {
    this.own();
    for (let number = pageOf(this.#indexed); number < pages.length; number += 1) {
      const page = pages[number] as Page;
      if (this.#covered.has(page)) continue;
      const first = number * PAGE;
      for (let position = first; position < first + page.length; position += 1)
        this.#index.set(pathAt(pages, position) as string, position);
      // The paths of a full page stay, whatever becomes of its rows.
      if (page.length === PAGE) this.#covered.add(page);
    }
    this.#indexed = size;
  }

  /** What is added to one run does not stay in the index of all that begin with the same template: all its versions share another. */
  own(): void {
    if (!this.#isTemplate) return;
    this.#isTemplate = false;
    this.#index = new Map(this.#index);
    this.#covered = new WeakSet();
  }
}

function isAt(position: number | undefined, path: string, pages: readonly Page[], size: number): boolean {
  return position !== undefined && position < size && pathAt(pages, position) === path;
}
