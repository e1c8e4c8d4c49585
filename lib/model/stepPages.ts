import { SealedRows } from './sealedRows';
import type { StepResult } from './stepResult';

const PAGE = 64;

/** The next 64 rows of a table, or what there is of them: as they are, or packed because all of them have completed. */
export type Page = readonly StepResult[] | SealedRows;

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
  return page instanceof SealedRows ? page.at(placeOf(position)) : page?.[placeOf(position)];
}

/** Path of that row; of a packed one no row is made for it. */
export function pathAt(pages: readonly Page[], position: number): string | undefined {
  const page = pages[pageOf(position)];
  return page instanceof SealedRows ? page.pathAt(placeOf(position)) : page?.[placeOf(position)]?.stepId;
}

/** All rows of a page, in order. */
export function rowsOf(page: Page): readonly StepResult[] {
  return page instanceof SealedRows ? page.all() : page;
}

/** The same rows with other values: `output` changes the outputs of packed rows, `row` every other row. */
export function pageWith(
  page: Page,
  output: (value: unknown) => unknown,
  row: (row: StepResult) => StepResult,
): Page {
  return page instanceof SealedRows ? page.withOutputs(output) : page.map(row);
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
