import { widthOf } from '../../../lib/report/columns';
import type { Screen } from '../../../lib/report/screen';
import { columnsOf, ignoreErrorsOf, rowsOf } from '../../../lib/report/screen';

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
    const height = Math.max(2, Math.floor((rowsOf(screen) - 1) / Math.max(1, parts.size)));
    const lines: string[] = [];
    for (const draw of parts) lines.push(...draw(width, height));
    const room = Math.max(1, rowsOf(screen) - 1);
    const fitting = lines.length > room ? lines.slice(-room) : lines;
    drawn = fitting.map(widthOf);
    return fitting.map((line) => `${line}\n`).join('');
  };
  /** Everything in one write, and the cursor hidden only within it: whatever ends the process, the cursor is there. */
  const paint = (above = ''): void => {
    if (isMidLine && above === '') return;
    const text = `${erasing()}${above}${picture()}`;
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
    if (!isPainting && drawn.length > 0) put(erasing());
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
      if (parts.size === 0) release = listenToOthers(screen, stepAside, comeBack);
      parts.add(draw);
      schedule();
      return () => {
        if (!parts.delete(draw) || parts.size > 0) return;
        clearTimeout(timer);
        timer = undefined;
        try {
          put(erasing());
        } finally {
          release?.();
        }
      };
    },
    say(draw) {
      const text = draw(columnsOf(screen))
        .map((line) => `${line}\n`)
        .join('');
      paint(isMidLine ? `\n${text}` : text);
      isMidLine = false;
    },
  };
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
