import { wrappedRows } from '../../../lib/report/columns';
import type { Screen } from '../../../lib/report/screen';
import { columnsOf, heightOf, ignoreErrorsOf } from '../../../lib/report/screen';

/** Keeps a picture at the bottom of a terminal, below what others write there; repaints at most ten times a second. */
export interface Painter {
  /** Adds a part to the picture; `draw` gives its lines for this width and height. Gives the function that removes it. */
  add(draw: (width: number, height: number) => readonly string[]): () => void;
  /** Writes lines that stay, above the picture. */
  say(draw: (width: number) => readonly string[]): void;
}

const BETWEEN_MS = 100;
const painters = new WeakMap<Screen, Painter>();

/** The painter of this screen: there is one, however many runs are drawn on it. */
export function painterOf(screen: Screen): Painter {
  const known = painters.get(screen);
  if (known !== undefined) return known;
  ignoreErrorsOf(screen);
  const painter = new TerminalPainter(screen);
  painters.set(screen, painter);
  return painter;
}

type Draw = (width: number, height: number) => readonly string[];

/** Whatever it changes goes out in one write: what is removed, what is to stay, and the picture anew. */
class TerminalPainter implements Painter {
  readonly #screen: Screen;
  readonly #parts = new Set<Draw>();
  /** The lines of the picture on the screen. */
  #drawn: readonly string[] = [];
  /** Lines that are to stay above the picture and are not written yet. */
  #said = '';
  /** Somebody else has begun a line on the screen and not ended it. */
  #isMidLine = false;
  #isPainting = false;
  #paintedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #release: (() => void) | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  add(draw: Draw): () => void {
    if (this.#parts.size === 0) this.#watchScreen();
    this.#parts.add(draw);
    this.#schedule();
    return () => {
      if (this.#parts.delete(draw) && this.#parts.size === 0) this.#leaveScreen();
    };
  }

  say(draw: (width: number) => readonly string[]): void {
    this.#said += asLines(draw(columnsOf(this.#screen)));
    // With thousands of runs a repaint for each that ends would take longer than they do.
    if (this.#parts.size === 0 || this.#isDue()) this.#paint();
    else this.#schedule();
  }

  #watchScreen(): void {
    const restore = listenToOthers(
      this.#screen,
      () => {
        this.#stepAside();
      },
      (text) => {
        this.#comeBack(text);
      },
    );
    callAtExit(this.#sayNow, true);
    this.#release = () => {
      callAtExit(this.#sayNow, false);
      restore();
    };
  }

  #leaveScreen(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    try {
      if (this.#said === '') this.#put(this.#erasing());
      else this.#paint();
    } finally {
      this.#release?.();
    }
  }

  /** Somebody else is about to write. */
  #stepAside(): void {
    if (this.#isPainting || (this.#drawn.length === 0 && this.#said === '')) return;
    const above = this.#isMidLine ? '' : this.#said;
    if (!this.#isMidLine) this.#said = '';
    this.#put(`${this.#erasing()}${above}`);
  }

  /** Somebody else has written this. */
  #comeBack(text: unknown): void {
    if (this.#isPainting) return;
    const written =
      typeof text === 'string' ? text : text instanceof Uint8Array ? Buffer.from(text).toString() : '';
    if (written !== '') this.#isMidLine = !written.endsWith('\n');
    if (this.#parts.size > 0 && this.#isDue()) this.#paint();
  }

  /** The process ends: what was said last would be lost with the timer. */
  readonly #sayNow = (): void => {
    quietly(() => {
      if (this.#said !== '') this.#put(`${this.#erasing()}${this.#isMidLine ? '\n' : ''}${this.#said}`);
      this.#said = '';
    });
  };

  #schedule(waitMs = 0): void {
    this.#timer ??= setTimeout(
      () => {
        this.#tick();
      },
      Math.max(BETWEEN_MS, waitMs),
    ).unref();
  }

  #tick(): void {
    this.#timer = undefined;
    const begun = performance.now();
    quietly(() => {
      this.#paint();
    });
    // A picture of very many steps takes its time: painting never gets more than a tenth of it.
    if (this.#parts.size > 0) this.#schedule(10 * (performance.now() - begun));
  }

  #isDue(): boolean {
    return performance.now() - this.#paintedAt >= BETWEEN_MS;
  }

  /** The cursor is hidden only within the one write: whatever ends the process, the cursor is there. */
  #paint(): void {
    // Somebody is in the middle of a line: it is not cut while there is time.
    if (this.#isMidLine && this.#parts.size > 0) return;
    const above = this.#isMidLine && this.#said !== '' ? `\n${this.#said}` : this.#said;
    if (this.#said !== '') this.#isMidLine = false;
    this.#said = '';
    const text = `${this.#erasing()}${above}${this.#parts.size > 0 ? this.#picture() : ''}`;
    this.#paintedAt = performance.now();
    if (text !== '') this.#put(`\u001b[?25l${text}\u001b[?25h`);
  }

  /**
   * The codes that remove the picture; a line that the terminal wrapped, because it became narrower, counts for all its rows.
   *
   * The first row goes by itself: tmux keeps a screen that is erased as a whole in its history.
   */
  #erasing(): string {
    const width = columnsOf(this.#screen);
    const rows = this.#drawn.reduce((sum, line) => sum + wrappedRows(line, width), 0);
    this.#drawn = [];
    return rows === 0 ? '' : `\u001b[${rows}A\r\u001b[2K\n\u001b[0J\u001b[1A`;
  }

  #picture(): string {
    const width = columnsOf(this.#screen);
    const room = Math.max(1, heightOf(this.#screen) - 1);
    const height = Math.max(2, Math.floor(room / Math.max(1, this.#parts.size)));
    const lines: string[] = [];
    for (const draw of this.#parts) lines.push(...draw(width, height));
    const fitting = lines.length > room ? lines.slice(-room) : lines;
    this.#drawn = fitting;
    return asLines(fitting);
  }

  #put(text: string): void {
    this.#isPainting = true;
    try {
      this.#screen.write(text);
    } finally {
      this.#isPainting = false;
    }
  }
}

function asLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

const atExit = new Set<() => void>();

function exiting(): void {
  for (const call of atExit) call();
}

/** One listener for all screens: Node warns about the eleventh. */
function callAtExit(call: () => void, isWanted: boolean): void {
  if (isWanted && atExit.size === 0) process.on('exit', exiting);
  if (isWanted) atExit.add(call);
  else if (atExit.delete(call) && atExit.size === 0) process.off('exit', exiting);
}

/** Lets the picture step aside while others write to the same terminal, until the function it gives is called. */
function listenToOthers(screen: Screen, before: () => void, after: (text: unknown) => void): () => void {
  const screens = new Set<Screen>([screen]);
  if (screen === process.stdout || screen === process.stderr) {
    for (const other of [process.stdout, process.stderr]) if (other.isTTY) screens.add(other);
  }
  const restores = [...screens].map((one) => {
    const original = one.write;
    const wasOwn = Object.hasOwn(one, 'write');
    const aside = function (this: unknown, ...args: unknown[]): unknown {
      quietly(before);
      const answer: unknown = Reflect.apply(original, one, args);
      quietly(() => {
        after(args[0]);
      });
      return answer;
    };
    one.write = aside;
    return () => {
      // Somebody else may have wrapped it since: then ours stays below theirs, and does nothing.
      if (one.write !== aside) return;
      if (wasOwn) one.write = original;
      else Reflect.deleteProperty(one, 'write');
    };
  });
  return () => {
    for (const restore of restores) restore();
  };
}

/** What others write matters more than the picture. */
function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // The screen is gone; whoever writes to it will hear so.
  }
}
