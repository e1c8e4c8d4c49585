import { widthOf } from '../../../lib/report/columns';
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
  const painter = createPainter(screen);
  painters.set(screen, painter);
  return painter;
}

function createPainter(screen: Screen): Painter {
  const parts = new Set<(width: number, height: number) => readonly string[]>();
  let drawn: readonly number[] = [];
  let timer: NodeJS.Timeout | undefined;
  let isPainting = false;
  let paintedAt = 0;
  let isMidLine = false;
  /** Lines that are to stay above the picture and are not written yet. */
  let said = '';
  let release: (() => void) | undefined;

  const put = (text: string): void => {
    isPainting = true;
    try {
      screen.write(text);
    } finally {
      isPainting = false;
    }
  };
  /**
   * The codes that remove the picture; a line that the terminal wrapped, because it became narrower, counts for all its rows.
   *
   * The first row goes by itself: tmux keeps a screen that is erased as a whole in its history.
   */
  const erasing = (): string => {
    const width = columnsOf(screen);
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line / width)), 0);
    drawn = [];
    return rows === 0 ? '' : `\u001b[${rows}A\r\u001b[2K\n\u001b[0J\u001b[1A`;
  };
  const picture = (): string => {
    const width = columnsOf(screen);
    const height = Math.max(2, Math.floor((heightOf(screen) - 1) / Math.max(1, parts.size)));
    const lines: string[] = [];
    for (const draw of parts) lines.push(...draw(width, height));
    const room = Math.max(1, heightOf(screen) - 1);
    const fitting = lines.length > room ? lines.slice(-room) : lines;
    drawn = fitting.map(widthOf);
    return fitting.map((line) => `${line}\n`).join('');
  };
  /** Everything in one write, and the cursor hidden only within it: whatever ends the process, the cursor is there. */
  const paint = (): void => {
    // Somebody is in the middle of a line: it is not cut while there is time.
    if (isMidLine && parts.size > 0) return;
    const above = isMidLine && said !== '' ? `\n${said}` : said;
    if (said !== '') isMidLine = false;
    said = '';
    const text = `${erasing()}${above}${parts.size > 0 ? picture() : ''}`;
    paintedAt = performance.now();
    if (text !== '') put(`\u001b[?25l${text}\u001b[?25h`);
  };
  const tick = (): void => {
    timer = undefined;
    const begun = performance.now();
    quietly(() => {
      paint();
    });
    // A picture of very many steps takes its time: painting never gets more than a tenth of it.
    if (parts.size > 0) schedule(10 * (performance.now() - begun));
  };
  const schedule = (waitMs = 0): void => {
    timer ??= setTimeout(tick, Math.max(BETWEEN_MS, waitMs)).unref();
  };
  const stepAside = (): void => {
    if (isPainting || (drawn.length === 0 && said === '')) return;
    const above = isMidLine ? '' : said;
    if (!isMidLine) said = '';
    put(`${erasing()}${above}`);
  };
  /** What was said last would be lost with the timer. */
  const sayNow = (): void => {
    quietly(() => {
      if (said !== '') put(`${erasing()}${isMidLine ? '\n' : ''}${said}`);
      said = '';
    });
  };
  const comeBack = (text: unknown): void => {
    if (isPainting) return;
    const written =
      typeof text === 'string' ? text : text instanceof Uint8Array ? Buffer.from(text).toString() : '';
    if (written !== '') isMidLine = !written.endsWith('\n');
    if (parts.size > 0 && performance.now() - paintedAt >= BETWEEN_MS) paint();
  };

  return {
    add(draw) {
      if (parts.size === 0) {
        const restore = listenToOthers(screen, stepAside, comeBack);
        callAtExit(sayNow, true);
        release = () => {
          callAtExit(sayNow, false);
          restore();
        };
      }
      parts.add(draw);
      schedule();
      return () => {
        if (!parts.delete(draw) || parts.size > 0) return;
        clearTimeout(timer);
        timer = undefined;
        try {
          if (said === '') put(erasing());
          else paint();
        } finally {
          release?.();
        }
      };
    },
    say(draw) {
      said += draw(columnsOf(screen))
        .map((line) => `${line}\n`)
        .join('');
      // With thousands of runs a repaint for each that ends would take longer than they do.
      if (parts.size === 0 || performance.now() - paintedAt >= BETWEEN_MS) paint();
      else schedule();
    },
  };
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
