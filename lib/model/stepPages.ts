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

/** Positions by path. */
export function indexOf(pages: readonly Page[]): Map<string, number> {
  const index = new Map<string, number>();
  for (const page of pages) for (const row of rowsOf(page)) index.set(row.stepId, index.size);
  return index;
}

/** The page that these rows become: packed when it is full and all of them have completed. */
export function pageFrom(rows: readonly StepResult[]): Page {
  // The last row is the least likely to have completed, and mostly settles the question.
  const isSealed =
    rows.length === PAGE && SealedRows.takes(rows[PAGE - 1]) && rows.every((row) => SealedRows.takes(row));
  return isSealed ? new SealedRows(rows) : rows;
}
