import type { Span } from '../../lib/history/timeline';

/** Time on a line of pixels; the same for the bars and for the map above them. */
export interface Axis {
  /** Epoch milliseconds at the left and at the right end. */
  readonly from: number;
  readonly to: number;
  /** Where a moment lies, in pixels from the left; outside of the line for one that is not on it. */
  x(at: number): number;
  /** The moment at a place. */
  at(x: number): number;
  /** Where time was left out, in pixels. */
  readonly cuts: readonly number[];
}

/** A stretch of time, epoch milliseconds. */
export type Stretch = readonly [from: number, to: number];

/** Shorter rests are not worth a cut. */
const SHORTEST_CUT_MS = 500;

/** An axis over a stretch of time. With `idle`, the time in which nothing happened takes almost no room. */
export function axisOver([from, to]: Stretch, width: number, idle: readonly Stretch[] = []): Axis {
  const end = Math.max(to, from + 1);
  const gaps = idle
    .map(([a, b]): Stretch => [Math.max(a, from), Math.min(b, end)])
    .filter(([a, b]) => b - a > Math.max(SHORTEST_CUT_MS, (end - from) / 50));
  const left = gaps.reduce((sum, [a, b]) => sum + (b - a), 0);
  const each = gaps.length === 0 ? 0 : (end - from - left) * 0.02;
  const total = end - from - left + each * gaps.length;
  const squeezed = (at: number): number => {
    let time = at - from;
    for (const [a, b] of gaps) {
      if (at <= a) break;
      const inside = Math.min(at, b) - a;
      time -= inside - (inside / (b - a)) * each;
    }
    return time;
  };
  const stretched = (time: number): number => {
    let at = from + time;
    for (const [a, b] of gaps) {
      if (at <= a) return at;
      const inside = at - a;
      if (inside < each) return a + (inside / each) * (b - a);
      at += b - a - each;
    }
    return at;
  };
  const scale = width / total;
  return {
    from,
    to: end,
    x: (at) => squeezed(at) * scale,
    at: (x) => stretched(x / scale),
    cuts: gaps.map(([a, b]) => squeezed((a + b) / 2) * scale),
  };
}

/** When nothing ran and nobody waited for a turn: between the lives of a run, and while it waits for a person. */
export function idleIn(spans: readonly Span[], [from, to]: Stretch): Stretch[] {
  const busy = spans
    .filter(({ kind }) => kind !== 'asked')
    .map((span): Stretch => [span.from, span.to ?? to])
    .sort((a, b) => a[0] - b[0]);
  const idle: Stretch[] = [];
  let until = from;
  for (const [begins, ends] of busy) {
    if (begins > until) idle.push([until, begins]);
    until = Math.max(until, ends);
  }
  if (to > until) idle.push([until, to]);
  return idle;
}

/** Round moments for the ticks of an axis, at most one every 90 pixels. */
export function ticksOf(
  axis: Axis,
  width: number,
  origin: number,
): readonly { readonly x: number; readonly ms: number }[] {
  const most = Math.max(1, Math.floor(width / 90));
  const length = axis.to - axis.from;
  const step =
    steps.find((each) => length / each <= most) ?? Math.ceil(length / most / 86_400_000) * 86_400_000;
  const ticks: { x: number; ms: number }[] = [];
  for (let ms = Math.ceil((axis.from - origin) / step) * step; ms <= axis.to - origin; ms += step) {
    const x = axis.x(origin + ms);
    const last = ticks.at(-1);
    if (last === undefined || x - last.x > 60) ticks.push({ x, ms });
  }
  return ticks;
}

const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500]
  .concat([1, 2, 5, 10, 15, 30].map((s) => s * 1_000))
  .concat([1, 2, 5, 10, 15, 30].map((m) => m * 60_000))
  .concat([1, 2, 3, 6, 12, 24].map((h) => h * 3_600_000));

/** How many steps ran at once, in so many equal parts of the line, and where attempts failed. */
export function loadOver(
  spans: readonly Span[],
  axis: Axis,
  width: number,
  parts: number,
  now: number,
): { readonly running: readonly number[]; readonly retries: readonly number[] } {
  const running = new Array<number>(parts).fill(0);
  const retries = new Array<number>(parts).fill(0);
  const partOf = (at: number): number =>
    Math.min(parts - 1, Math.max(0, Math.floor((axis.x(at) / width) * parts)));
  const changes = new Array<number>(parts + 1).fill(0);
  for (const { kind, from, to = now } of spans) {
    if (to < axis.from || from > axis.to) continue;
    const first = partOf(from);
    if (kind === 'gap') retries[first] = (retries[first] ?? 0) + 1;
    if (kind !== 'ran') continue;
    const last = partOf(to);
    changes[first] = (changes[first] ?? 0) + 1;
    changes[last + 1] = (changes[last + 1] ?? 0) - 1;
  }
  let sum = 0;
  for (let part = 0; part < parts; part += 1) {
    sum += changes[part] ?? 0;
    running[part] = sum;
  }
  return { running, retries };
}
