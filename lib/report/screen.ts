/** What progress needs of a terminal, or of any stream of text, to write to it. */
export interface Screen {
  /** Writes a text. */
  write: (text: string) => unknown;
  /** Listens to errors. */
  on?(event: 'error', listener: (error: unknown) => void): unknown;
  /** Whether a person is likely to look at it. */
  readonly isTTY?: boolean;
  /** How many columns it has. */
  readonly columns?: number;
  /** How many rows it has. */
  readonly rows?: number;
}

/** Its width in columns; 80 when it is unknown, which some terminals report as 0. */
export function columnsOf(screen: Screen): number {
  return screen.columns === undefined || screen.columns < 1 ? 80 : screen.columns;
}

/** Its height in rows; 24 when it is unknown. */
export function heightOf(screen: Screen): number {
  return screen.rows === undefined || screen.rows < 2 ? 24 : screen.rows;
}

const ignored = new WeakSet<Screen>();

/** A reader that has left (`| head`) causes an `error` event, which would end the process. */
export function ignoreErrorsOf(screen: Screen): void {
  if (ignored.has(screen)) return;
  ignored.add(screen);
  screen.on?.('error', () => undefined);
}
