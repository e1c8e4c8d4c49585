import type { Span } from '../../lib/history/timeline';
import type { Axis, loadOver, Stretch } from './axis';
import type { Row } from './rowList';
import type { PathNode } from './runFold';
import { colorOf } from './theme';

/** What the bars are drawn from. */
export interface Bars {
  readonly width: number;
  readonly height: number;
  readonly rows: readonly Row[];
  /** Where the first of these lines begins, pixels. */
  readonly offset: number;
  readonly rowHeight: number;
  readonly axis: Axis;
  /** The beginning of the run, epoch milliseconds. */
  readonly origin: number;
  /** How far what lasts reaches, epoch milliseconds. */
  readonly now: number;
  /** The moment that is looked at; what came later is pale. */
  readonly moment: number | undefined;
  /** The only life that is shown; 0 for all. */
  readonly life: number;
  readonly extentOf: (node: PathNode, until: number) => Stretch | undefined;
}

/** Draws the times of the lines that are in sight: waited ░, ran █, between attempts ╌, asked ▒. */
export function paintBars(canvas: HTMLCanvasElement, bars: Bars): void {
  const pen = penOf(canvas, bars.width, bars.height);
  if (pen === undefined) return;
  const { axis, rows, offset, rowHeight, moment } = bars;
  pen.fillStyle = colorOf('line');
  for (const cut of axis.cuts) pen.fillRect(Math.round(cut), 0, 1, bars.height);
  rows.forEach((row, index) => {
    if (row.kind !== 'step') return;
    const top = offset + index * rowHeight;
    const { node } = row;
    if (node.spans.length === 0) {
      const extent = node.steps.length === 0 ? undefined : bars.extentOf(node, bars.now);
      if (extent !== undefined) paintExtent(pen, axis, extent, top + rowHeight / 2);
      return;
    }
    node.spans.forEach((span, place) => {
      if (bars.life !== 0 && span.life !== bars.life) return;
      const next = node.spans[place + 1];
      const hasFailed = next === undefined ? row.status === 'FAILED' : next.kind === 'gap';
      paintSpan(pen, bars, span, top, spanColor(span, hasFailed, row.status));
    });
  });
  if (moment === undefined) return;
  const x = Math.round(axis.x(moment));
  pen.globalAlpha = 0.72;
  pen.fillStyle = colorOf('ground');
  pen.fillRect(x, 0, bars.width - x, bars.height);
  pen.globalAlpha = 1;
  pen.fillStyle = colorOf('accent');
  pen.fillRect(x, 0, 1, bars.height);
}

function spanColor({ to }: Span, hasFailed: boolean, status: string | undefined): string {
  if (hasFailed) return colorOf('FAILED');
  if (to === undefined) return colorOf('RUNNING');
  return colorOf(
    status === 'SUSPENDED' || status === 'FAILED'
      ? 'COMPLETED'
      : status === 'RUNNING'
        ? 'RUNNING'
        : 'COMPLETED',
  );
}

function paintSpan(
  pen: CanvasRenderingContext2D,
  bars: Bars,
  span: Span,
  rowTop: number,
  color: string,
): void {
  const { axis, width, now } = bars;
  const from = Math.max(-2, axis.x(span.from));
  const to = Math.min(width + 2, axis.x(span.to ?? now));
  if (to < 0 || from > width) return;
  const top = rowTop + 6;
  const height = bars.rowHeight - 12;
  const length = Math.max(2, to - from);
  switch (span.kind) {
    case 'ran':
      pen.fillStyle = color;
      pen.beginPath();
      pen.roundRect(from, top, length, height, Math.min(2, length / 2));
      pen.fill();
      break;
    case 'waited':
      pen.globalAlpha = 0.45;
      hatch(pen, from, top + 1, length, height - 2, colorOf('PENDING'), 4);
      pen.globalAlpha = 1;
      break;
    case 'asked':
      hatch(pen, from, top, length, height, colorOf('SUSPENDED'), 3);
      pen.strokeStyle = colorOf('SUSPENDED');
      pen.strokeRect(from + 0.5, top + 0.5, Math.max(1, length - 1), height - 1);
      break;
    case 'gap':
      pen.strokeStyle = colorOf('FAILED');
      pen.setLineDash([3, 3]);
      pen.beginPath();
      pen.moveTo(from, top + height / 2);
      pen.lineTo(from + length, top + height / 2);
      pen.stroke();
      pen.setLineDash([]);
      break;
  }
}

/** A place without times of its own: from the first to the last below it. */
function paintExtent(pen: CanvasRenderingContext2D, axis: Axis, [from, to]: Stretch, middle: number): void {
  const [a, b] = [axis.x(from), Math.max(axis.x(from) + 2, axis.x(to))];
  pen.fillStyle = colorOf('muted');
  pen.fillRect(a, middle - 1, b - a, 2);
  pen.fillRect(a, middle - 4, 1, 8);
  pen.fillRect(b - 1, middle - 4, 1, 8);
}

function hatch(
  pen: CanvasRenderingContext2D,
  x: number,
  y: number,
  width: number,
  height: number,
  color: string,
  gap: number,
): void {
  pen.save();
  pen.beginPath();
  pen.rect(x, y, width, height);
  pen.clip();
  pen.strokeStyle = color;
  pen.lineWidth = 1;
  pen.beginPath();
  const end = Math.min(x + width, 4_000);
  for (let at = Math.max(x, -10) - height; at < end; at += gap) {
    pen.moveTo(at, y + height);
    pen.lineTo(at + height, y);
  }
  pen.stroke();
  pen.restore();
}

/** Draws how much ran when, over the whole run, and where the zoom lies in it. */
export function paintMap(
  canvas: HTMLCanvasElement,
  width: number,
  {
    load,
    whole,
    zoomed,
  }: { readonly load: ReturnType<typeof loadOver>; readonly whole: Axis; readonly zoomed: Axis },
): void {
  const height = 26;
  const pen = penOf(canvas, width, height);
  if (pen === undefined) return;
  const most = Math.max(1, ...load.running);
  const step = (width - 8) / load.running.length;
  pen.fillStyle = colorOf('map');
  load.running.forEach((count, index) => {
    const tall = count === 0 ? 0 : Math.max(2, (count / most) * (height - 6));
    pen.fillRect(index * step, height - 2 - tall, Math.max(1, step - 0.5), tall);
  });
  pen.fillStyle = colorOf('FAILED');
  load.retries.forEach((count, index) => {
    if (count > 0) pen.fillRect(index * step, 0, Math.max(2, step - 0.5), 3);
  });
  if (zoomed === whole) return;
  const [a, b] = [whole.x(zoomed.from), whole.x(zoomed.to)];
  pen.globalAlpha = 0.6;
  pen.fillStyle = colorOf('ground');
  pen.fillRect(0, 0, a, height);
  pen.fillRect(b, 0, width - b, height);
  pen.globalAlpha = 1;
  pen.strokeStyle = colorOf('accent');
  pen.strokeRect(Math.max(0.5, a), 0.5, Math.max(3, b - a), height - 1);
}

/** A pen for a canvas of this size in the pixels of the screen; its places are those of the page. */
function penOf(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
): CanvasRenderingContext2D | undefined {
  const density = window.devicePixelRatio;
  const [pixels, lines] = [Math.round(width * density), Math.round(height * density)];
  if (canvas.width !== pixels || canvas.height !== lines) {
    canvas.width = pixels;
    canvas.height = lines;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext('2d') ?? undefined;
  pen?.setTransform(density, 0, 0, density, 0, 0);
  pen?.clearRect(0, 0, width, height);
  return pen;
}
