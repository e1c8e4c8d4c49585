/** What every tap accepts. */
export interface TapOptions {
  /**
   * Told every failure of the tap and how many there have been. When left out, the first one becomes a process warning and
   * the others are only counted.
   */
  readonly onTapError?: (error: unknown, failures: number) => void;
}
