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
