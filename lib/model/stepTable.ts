import type { Page } from './stepPages';
import { pageFrom, pageOf, pageWith, pathAt, placeOf, rowAt, rowsOf, StepPlaces, tallyOf } from './stepPages';
import type { StepResult } from './stepResult';
import { copiedStep } from './stepResult';

/** What Node asks a value for before it prints it. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/**
 * The steps of a run in order of first mention: immutable, found by path or by position, an array in JSON, printed as a Map.
 *
 * Rows are kept in pages of 64, so a change copies one page and the list of pages, never the whole table. A page whose steps
 * have all completed is packed, and its rows are made again when somebody reads them.
 *
 * A class, unlike the other records: thousands of versions share one prototype, and the pages stay private.
 */
export class StepTable implements Iterable<StepResult> {
  /** @internal A bundler calls the class `_StepTable`, and so would everything that prints one. */
  static readonly name = 'StepTable';

  /** How many steps there are. */
  readonly size: number;
  readonly #pages: readonly Page[];
  readonly #places: StepPlaces;

  private constructor(pages: readonly Page[], size: number, places: StepPlaces) {
    this.#pages = pages;
    this.size = size;
    this.#places = places;
  }

  /** A table of these rows. A later row replaces an earlier one with the same `stepId`. */
  static of(rows: Iterable<StepResult> = []): StepTable {
    const edit = new StepTable([], 0, new StepPlaces()).edit();
    for (const row of rows) edit.set(row);
    return edit.end();
  }

  /** The same rows, to begin many runs with: what is added to one of them does not stay in the index of all. */
  asTemplate(): StepTable {
    return new StepTable(this.#pages, this.size, this.#places.copy(true));
  }

  /** The row of this path; undefined when the path was never mentioned. */
  get(path: string): StepResult | undefined {
    const position = this.#places.find(path, this.#pages, this.size);
    return position === undefined ? undefined : this.at(position);
  }

  /** The row at this position, counted from 0. */
  at(position: number): StepResult | undefined {
    return position < this.size ? rowAt(this.#pages, position) : undefined;
  }

  /** The steps in the order in which they were first told. */
  *[Symbol.iterator](): Iterator<StepResult> {
    for (const page of this.#pages) yield* rowsOf(page);
  }

  /** How many steps have ended, completed or skipped, how many have failed, and how many there are. */
  tally(): { readonly done: number; readonly failed: number; readonly total: number } {
    let [done, failed] = [0, 0];
    for (const page of this.#pages) {
      const counts = tallyOf(page);
      done += counts.done;
      failed += counts.failed;
    }
    return { done, failed, total: this.size };
  }

  /** The steps as a list, as they are shown: `output` is null where there is none. Stores save the rows themselves. */
  toJSON(): StepResult[] {
    return this.#pages.flatMap((page) => rowsOf(page).map(shown));
  }

  /** @internal The rows by their paths, as `console.log` prints them; where it prints no more, none is read. */
  [INSPECT](depth: number | null): ReadonlyMap<string, StepResult> | string {
    if (depth !== null && depth < 0) return '[StepTable]';
    return new PrintedTable(Array.from(this, (row) => [row.stepId, row]));
  }

  /** The same steps as `change` gives them, each when it is first read; the path stays. */
  withRows(change: (row: StepResult) => StepResult): StepTable {
    const pages = this.#pages.map((page) => pageWith(page, change));
    return new StepTable(pages, this.size, this.#places.copy());
  }

  /** Collects changes and makes one new table of them, copying each touched page once. */
  edit(): StepTableEdit {
    return new StepTableEdit(this.#pages, this.size, this.#places.copy(), StepTable.#make);
  }

  static readonly #make: Make = (pages, size, places) => new StepTable(pages, size, places);
}

/** A Map under the name of the table. */
class PrintedTable extends Map<string, StepResult> {
  static override readonly name = StepTable.name;
}

/** JSON leaves out what is undefined: all six fields of a result stand in it, whether or not there is an output. */
function shown(row: StepResult): StepResult {
  if (row.output !== undefined) return row;
  const { stepId, agent, status, output: _, ...rest } = row;
  return { stepId, agent, status, output: null, ...rest };
}

/** A row under change. */
export type StepDraft = { -readonly [K in keyof StepResult]: StepResult[K] };

/**
 * Where the row of a path stands, for whoever adds and changes it: a record that the table writes to when the row is added. It belongs to one
 * run as it goes on, not to a state.
 */
export interface RowPlace {
  /** The position; -1 before the row is added, when there is surely none of its path. */
  position: number;
}

/** Changes to a `StepTable` under way. A class, because there is one for every batch of events, often for every event. */
export class StepTableEdit {
  readonly #make: Make;
  readonly #pages: Page[];
  readonly #ownPages = new Set<number>();
  readonly #drafts: StepDraft[] = [];
  readonly #draftPages: number[] = [];
  readonly #places: StepPlaces;
  #size: number;
  // Who looks a step up is about to change it.
  #latestPath: string | undefined;
  #latestPosition: number | undefined;
  /** Where the latest path stands for whoever told of it, and remembers it. */
  #latestPlace: RowPlace | undefined;

  /** @param make - Makes the table of what has come of the changes. */
  constructor(base: readonly Page[], size: number, places: StepPlaces, make: Make) {
    this.#make = make;
    this.#pages = base.slice();
    this.#size = size;
    this.#places = places;
  }

  get(path: string): StepResult | undefined {
    const position = this.#positionOf(path);
    return position === undefined ? undefined : this.#rowAt(position);
  }

  /** The next change is to the row of this path, which stands at this place: nobody has to look for it. */
  expect(path: string, place: RowPlace): void {
    const { position } = place;
    const isAdded = position >= 0 && position < this.#size;
    if (isAdded && this.#pathAt(position) !== path) return;
    this.#latestPath = path;
    this.#latestPosition = isAdded ? position : undefined;
    this.#latestPlace = isAdded ? undefined : place;
  }

  /** The row of this path, to be changed in place until `end()`; where there is none, what `absent` makes is added. */
  draft(path: string, absent: (path: string) => StepDraft): StepDraft {
    const position = this.#positionOf(path);
    const row = position === undefined ? undefined : (this.#rowAt(position) as StepResult);
    // Rows of tables are frozen: one that is not is a draft of this edit.
    if (row !== undefined && Object.isExtensible(row)) return row;
    const draft: StepDraft = row === undefined ? absent(path) : copiedStep(row);
    this.#drafts.push(draft);
    this.#draftPages.push(pageOf(this.#put(draft, position)));
    return draft;
  }

  /** Replaces the row with the same `stepId`, or adds the row at the end. Freezes it. */
  set(row: StepResult): void {
    this.#put(Object.freeze(row), this.#positionOf(row.stepId));
  }

  *rows(): Generator<StepResult, void> {
    for (const page of this.#pages) yield* rowsOf(page);
  }

  end(): StepTable {
    for (const number of this.#ownPages) {
      this.#pages[number] = pageFrom(this.#pages[number] as readonly StepResult[]);
    }
    const { length } = this.#drafts;
    for (let position = 0; position < length; position += 1) {
      if (Array.isArray(this.#pages[this.#draftPages[position] as number]))
        Object.freeze(this.#drafts[position]);
    }
    return this.#make(this.#pages, this.#size, this.#places);
  }

  /** Returns the position. */
  #put(row: StepResult, known: number | undefined): number {
    const position = known ?? this.#size;
    this.#ownPage(pageOf(position))[placeOf(position)] = row;
    if (known !== undefined) return position;
    if (this.#latestPlace === undefined) this.#places.add(row.stepId, position);
    else {
      this.#places.own();
      this.#latestPlace.position = position;
      this.#latestPlace = undefined;
    }
    this.#size += 1;
    this.#latestPath = row.stepId;
    this.#latestPosition = position;
    return position;
  }

  #ownPage(number: number): StepResult[] {
    if (!this.#ownPages.has(number)) {
      this.#ownPages.add(number);
      const page = this.#pages[number];
      this.#pages[number] = page === undefined ? [] : rowsOf(page).slice();
    }
    return this.#pages[number] as StepResult[];
  }

  #positionOf(path: string): number | undefined {
    if (this.#latestPath === path) return this.#latestPosition;
    this.#latestPlace = undefined;
    // Steps mostly begin in the order of the table: a look at the next row spares one into a large index.
    const next = this.#latestPosition === undefined ? 0 : this.#latestPosition + 1;
    const position = this.#pathAt(next) === path ? next : this.#places.find(path, this.#pages, this.#size);
    this.#latestPath = path;
    this.#latestPosition = position;
    return position;
  }

  #rowAt(position: number): StepResult | undefined {
    return position < this.#size ? rowAt(this.#pages, position) : undefined;
  }

  #pathAt(position: number): string | undefined {
    return position < this.#size ? pathAt(this.#pages, position) : undefined;
  }
}

type Make = (pages: readonly Page[], size: number, places: StepPlaces) => StepTable;
