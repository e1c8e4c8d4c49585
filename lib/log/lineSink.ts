/** Where finished lines go. Nothing here throws: what could not be written is counted. */
export interface LineSink {
  /** Takes a line without its line feed. */
  write(line: string): void;
  /** Writes at once what is waiting, as far as that is possible without waiting. */
  flush(): void;
  /** Writes what is waiting and gives back what was opened; resolves when that is done. */
  close(): Promise<void>;
}

/** Told how many lines were lost, and why. */
export type OnLost = (lines: number, reason: unknown) => void;
