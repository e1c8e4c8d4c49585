/** The part of a terminal, or of any stream of text, that progress is written to. */
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

/** Its width; 80 when it does not say, as some terminals do by saying 0. */
export function columnsOf(screen: Screen): number {
  return screen.columns === undefined || screen.columns < 1 ? 80 : screen.columns;
}

/** Its height; 24 when it does not say. */
export function heightOf(screen: Screen): number {
  return screen.rows === undefined || screen.rows < 2 ? 24 : screen.rows;
}

const ignored = new WeakSet<Screen>();

/** A reader who has left (`| head`) is an `error` event that would end the process. */
export function ignoreErrorsOf(screen: Screen): void {
  if (ignored.has(screen)) return;
  ignored.add(screen);
  screen.on?.('error', () => undefined);
}
