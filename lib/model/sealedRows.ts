import type { StepResult } from './stepResult';

/** Cells of a row: path, agent, output, timestamp, attempts, number of the event, hash of the input. */
const WIDTH = 7;
/** Fields of a row, without the hash. */
const FIELDS = 9;

/**
 * Rows of steps that have completed, packed: two arrays for a page instead of an object for each step, 103 bytes instead of
 * 176. Hardly any of a million finished steps is read again, and the garbage collector copies each of them twice.
 *
 * A row is made when it is first read, and stays the same object from then on.
 */
export class SealedRows {
  readonly #cells: unknown[];
  readonly #durations: number[];
  #rows: StepResult[] | undefined;

  /** @param rows - Rows that `takes` has agreed to. */
  constructor(rows: readonly StepResult[]) {
    // As long as they become from the beginning: what grows leaves its shorter forms to the garbage collector.
    this.#cells = new Array<unknown>(rows.length * WIDTH);
    this.#durations = rows.map(({ duration }) => duration);
    let cell = 0;
    for (const { stepId, agent, output, timestamp, attempts, seq, inputHash } of rows) {
      this.#cells[cell] = stepId;
      this.#cells[cell + 1] = agent;
      this.#cells[cell + 2] = output;
      this.#cells[cell + 3] = timestamp;
      this.#cells[cell + 4] = attempts;
      this.#cells[cell + 5] = seq;
      this.#cells[cell + 6] = inputHash;
      cell += WIDTH;
    }
  }

  /** Whether a row holds what most completed rows hold, and nothing else: a field more, and it stays as it is. */
  static takes(row: StepResult | undefined): boolean {
    if (row?.status !== 'COMPLETED' || row.error !== null || !('output' in row) || !('seq' in row))
      return false;
    return Object.keys(row).length === ('inputHash' in row ? FIELDS + 1 : FIELDS);
  }

  /** Path of the step at this place of the page, counted from 0; no row is made for it. */
  pathAt(place: number): string | undefined {
    return this.#cells[place * WIDTH] as string | undefined;
  }

  /** The row at this place, counted from 0. */
  at(place: number): StepResult | undefined {
    if (place >= this.#durations.length) return undefined;
    this.#rows ??= [];
    return (this.#rows[place] ??= this.made(place));
  }

  get length(): number {
    return this.#durations.length;
  }

  /** All rows, in order. */
  all(): readonly StepResult[] {
    return this.#durations.map((_, place) => this.at(place) as StepResult);
  }

  /** The row at this place, which there is: made anew, and not kept. */
  made(place: number): StepResult {
    const [stepId, agent, output, timestamp, attempts, seq, inputHash] = this.#cells.slice(
      place * WIDTH,
      (place + 1) * WIDTH,
    ) as [string, string, unknown, string, number, number, string | undefined];
    return Object.freeze({
      stepId,
      agent,
      status: 'COMPLETED',
      duration: this.#durations[place] as number,
      error: null,
      timestamp,
      attempts,
      output,
      seq,
      ...(inputHash !== undefined && { inputHash }),
    });
  }
}

/**
 * Rows that are those of another page with something changed, each when it is first read: whoever looks at one step of a run
 * does not pay for all of them.
 */
export class LentRows {
  readonly #page: readonly StepResult[] | SealedRows | LentRows;
  readonly #change: (row: StepResult) => StepResult;
  readonly #rows: StepResult[] = [];

  /** @param change - Gives the row as it is to be read; the row itself where nothing is to change. */
  constructor(page: readonly StepResult[] | SealedRows | LentRows, change: (row: StepResult) => StepResult) {
    this.#page = page;
    this.#change = change;
  }

  get length(): number {
    return this.#page.length;
  }

  /** Path of the step at this place of the page, counted from 0; no row is made for it. */
  pathAt(place: number): string | undefined {
    return Array.isArray(this.#page)
      ? (this.#page as readonly StepResult[])[place]?.stepId
      : (this.#page as SealedRows | LentRows).pathAt(place);
  }

  /** The row at this place, counted from 0. */
  at(place: number): StepResult | undefined {
    if (place >= this.#page.length) return undefined;
    return (this.#rows[place] ??= Object.freeze(this.#change(this.#lent(place))));
  }

  /** All rows, in order. */
  all(): readonly StepResult[] {
    return Array.from({ length: this.length }, (_, place) => this.at(place) as StepResult);
  }

  #lent(place: number): StepResult {
    // A packed row that is only read to be changed is not kept twice.
    return (this.#page instanceof SealedRows ? this.#page.made(place) : this.#page.at(place)) as StepResult;
  }
}
