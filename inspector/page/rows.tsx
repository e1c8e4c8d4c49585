import { computed, effect, signal } from '@preact/signals-core';
import { useEffect, useRef } from 'preact/hooks';
import type { JSX } from 'preact';

import type { PlanStep } from '../../lib/model/plan';
import type { StepStatus } from '../../lib/model/stepResult';
import type { Axis, Stretch } from './axis';
import { axisOver, idleIn, loadOver, ticksOf } from './axis';
import { icons, now, numberText, spanText } from './format';
import { paintBars, paintMap } from './gantt';
import { act, view } from './machine';
import type { Row } from './rowList';
import { insideOf, treeRows, nodeStatus } from './rowList';
import type { PathNode, RunFold } from './runFold';
import { clock, openRun } from './pageState';
import { t } from './texts';
import { themeNow } from './theme';

/** Height of a line in pixels; that of the style sheet. */
export const ROW = 22;

/** Size of the place for the bars, in pixels. */
const place = signal({ width: 600, height: 400 });
const scrollTop = signal(0);

/** The lines of the run that is open. */
export const rows = computed<readonly Row[]>(() => {
  const fold = openRun.value?.fold;
  if (fold === undefined) return [];
  void fold.version.value;
  const { open, shut, whole, hidesDone, filter } = view.value;
  return treeRows(fold.root, {
    open: new Set(open),
    shut: new Set(shut),
    whole: new Set(whole),
    hidesDone,
    fits: filter === '' ? undefined : fitting(filter.toLowerCase(), fold),
  });
});

function fitting(text: string, fold: RunFold): (node: PathNode, status: StepStatus | undefined) => boolean {
  return (node, status) =>
    node.path.toLowerCase().includes(text) ||
    status?.toLowerCase() === text ||
    (status === 'FAILED' &&
      (fold.state.steps.get(node.path)?.error?.message.toLowerCase().includes(text) ?? false));
}

/** The stretch of time that the bars are about before any zoom, epoch milliseconds. */
function wholeStretch(fold: RunFold): Stretch {
  const [from, latest] = fold.range();
  const isMoving = fold.head.status === 'RUNNING';
  const to = isMoving ? Math.max(latest, clock.value) : latest;
  const { life } = view.value;
  if (life === 0 || fold.lifeStarts.length < 2) return [from, Math.max(to, from + 1)];
  const begins = fold.lifeStarts[life - 1] ?? from;
  const ends = fold.spans.reduce(
    (end, span) => (span.life === life ? Math.max(end, span.to ?? to) : end),
    begins + 1,
  );
  return [begins, ends];
}

interface Axes {
  readonly whole: Axis;
  readonly zoomed: Axis;
  /** The beginning of the run, epoch milliseconds. */
  readonly origin: number;
}

let axesKnown: { readonly of: string; readonly fold: RunFold; readonly axes: Axes } | undefined;

/** The axes of the run that is open: over all of it, and over what is zoomed to. The same ones as long as nothing of them changes. */
const axes = computed<Axes | undefined>(() => {
  const fold = openRun.value?.fold;
  if (fold === undefined) return undefined;
  void fold.version.value;
  const stretch = wholeStretch(fold);
  const [origin] = fold.range();
  const { zoom, cutsIdle } = view.value;
  const { width } = place.value;
  const of = JSON.stringify([stretch, origin, zoom, cutsIdle, cutsIdle && fold.size, width]);
  if (axesKnown?.fold === fold && axesKnown.of === of) return axesKnown.axes;
  const idle = cutsIdle ? idleIn(fold.spans, stretch) : [];
  const inset = Math.max(1, width - 8);
  const whole = axisOver(stretch, inset, idle);
  const zoomed =
    zoom === undefined
      ? whole
      : axisOver([origin + zoom[0], Math.max(origin + zoom[1], origin + zoom[0] + 0.5)], inset, idle);
  axesKnown = { of, fold, axes: { whole, zoomed, origin } };
  return axesKnown.axes;
});

/** Changes the zoom around a moment: `factor` below 1 goes closer. */
export function zoomAround(factor: number, moment?: number): void {
  const both = axes.peek();
  if (both === undefined) return;
  const { zoomed, whole, origin } = both;
  const center = moment ?? momentOfSelection() ?? (zoomed.from + zoomed.to) / 2;
  const from = Math.max(whole.from, center - (center - zoomed.from) * factor);
  const to = Math.min(whole.to, center + (zoomed.to - center) * factor);
  setZoom(from - origin, to - origin);
}

/** Moves the zoom by a part of its length. */
export function pan(part: number): void {
  const both = axes.peek();
  if (both === undefined || view.peek().zoom === undefined) return;
  const { zoomed, whole, origin } = both;
  const length = zoomed.to - zoomed.from;
  const from = Math.min(whole.to - length, Math.max(whole.from, zoomed.from + length * part));
  setZoom(from - origin, from + length - origin);
}

/** Zooms to the selected step. */
export function zoomToSelection(): void {
  const fold = openRun.peek()?.fold;
  const both = axes.peek();
  const { step } = view.peek();
  const node = step === undefined ? undefined : fold?.node(step);
  const extent = node === undefined ? undefined : extentOf(node, now());
  if (both === undefined || extent === undefined) return;
  const margin = Math.max(1, (extent[1] - extent[0]) * 0.15);
  setZoom(extent[0] - margin - both.origin, extent[1] + margin - both.origin);
}

/** Milliseconds after the beginning; all of the run where that is as much. */
function setZoom(from: number, to: number): void {
  const both = axes.peek();
  if (both === undefined) return;
  const { whole, origin } = both;
  const isAll = from + origin <= whole.from && to + origin >= whole.to;
  const isTooSmall = to - from < 0.2;
  if (!isTooSmall) act({ type: 'show', change: { zoom: isAll ? undefined : [Math.max(0, from), to] } });
}

function momentOfSelection(): number | undefined {
  const { step } = view.peek();
  const node = step === undefined ? undefined : openRun.peek()?.fold.node(step);
  const extent = node === undefined ? undefined : extentOf(node, now());
  return extent === undefined ? undefined : (extent[0] + extent[1]) / 2;
}

/** From when to when a step, or something below it, was at work; without the wait for its turn. */
export function extentOf(node: PathNode, until: number): Stretch | undefined {
  let from = Infinity;
  let to = -Infinity;
  for (const span of node.spans) {
    if (span.kind === 'waited') continue;
    from = Math.min(from, span.from);
    to = Math.max(to, span.to ?? until);
  }
  if (from === Infinity)
    for (const step of node.steps) {
      const inside = extentOf(step, until);
      if (inside === undefined) continue;
      from = Math.min(from, inside[0]);
      to = Math.max(to, inside[1]);
    }
  return from === Infinity ? undefined : [from, to];
}

/** Brings the selected line into sight. */
export function reveal(path: string): void {
  const index = rows.peek().findIndex((row) => row.kind === 'step' && row.node.path === path);
  const box = document.querySelector('.rows');
  if (index < 0 || box === null) return;
  const top = index * ROW;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW - box.clientHeight;
}

/** Tree and bars of the run that is open, on the same lines. */
export function StepRows({ plan }: { readonly plan: ReadonlyMap<string, PlanStep> }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const bars = useRef<HTMLCanvasElement>(null);
  const fold = openRun.value?.fold;
  const all = rows.value;
  useEffect(() => followSize(box.current), []);
  useEffect(
    () =>
      effect(() => {
        paint(bars.current);
      }),
    [],
  );
  const { height } = place.value;
  // A shorter list ends above where the longer one was scrolled to.
  const most = Math.max(0, all.length * ROW - height);
  const top = Math.min(scrollTop.value, most);
  const first = Math.max(0, Math.floor(top / ROW) - 2);
  const last = Math.min(all.length, Math.ceil((top + height) / ROW) + 2);
  const critical = criticalNow();
  const { step } = view.value;
  return (
    <div class="steps">
      <TimeHead />
      <div
        class="rows"
        ref={box}
        role="tree"
        aria-label={t('steps')}
        tabIndex={0}
        aria-activedescendant={step === undefined ? undefined : `row-${step}`}
        onScroll={({ currentTarget }) => {
          scrollTop.value = currentTarget.scrollTop;
        }}
        onWheel={zoomByWheel}
      >
        <div class="space" style={{ height: `${all.length * ROW}px` }}>
          {all.slice(first, last).map((row, index) => (
            <Line
              key={row.kind === 'step' ? row.node.path : `${row.node.path} more`}
              row={row}
              top={(first + index) * ROW}
              isSelected={row.kind === 'step' && row.node.path === step}
              isCritical={row.kind === 'step' && critical.has(row.node.path)}
              note={row.kind === 'step' && fold !== undefined ? noteOf(row, fold, plan) : ''}
            />
          ))}
        </div>
        {all.length === 0 && fold?.isCaughtUp.value === true ? <p class="empty">{t('noSteps')}</p> : null}
      </div>
      <canvas class="bars" ref={bars} aria-hidden="true" />
      <Legend />
    </div>
  );
}

let criticalAt = 0;
let criticalKnown: ReadonlySet<string> = new Set();

/** The critical path; of a large run that is under way not more often than once in two seconds. */
function criticalNow(): ReadonlySet<string> {
  const fold = openRun.value?.fold;
  if (fold === undefined) return new Set();
  void fold.version.value;
  const isLarge = fold.size > 2_000 && fold.head.status === 'RUNNING';
  const at = performance.now();
  if (!fold.isCaughtUp.value || (isLarge && at - criticalAt < 2_000)) return criticalKnown;
  criticalAt = at;
  criticalKnown = fold.critical();
  return criticalKnown;
}

function Line({
  row,
  top,
  isSelected,
  isCritical,
  note,
}: {
  readonly row: Row;
  readonly top: number;
  readonly isSelected: boolean;
  readonly isCritical: boolean;
  readonly note: string;
}): JSX.Element {
  const style = { top: `${top}px` };
  const isLeaf = row.kind === 'more' || !row.isGroup;
  const indent = { paddingLeft: `${8 + row.depth * 14 + (isLeaf ? 19 : 0)}px` };
  if (row.kind === 'more')
    return (
      <div class="row more" style={style} role="treeitem" aria-level={row.depth + 1}>
        <div class="name" style={indent}>
          <button
            class="link"
            onClick={() => {
              const { whole } = view.value;
              act({ type: 'show', change: { whole: [...whole, row.node.path], hidesDone: false } });
            }}
          >
            {t('doneNotShown', { n: numberText(row.count) })}
          </button>
        </div>
      </div>
    );
  const { node, label, status = 'PENDING', isGroup, isOpen } = row;
  return (
    <div
      id={`row-${node.path}`}
      class={`row${isSelected ? ' selected' : ''}`}
      style={style}
      role="treeitem"
      aria-level={row.depth + 1}
      aria-selected={isSelected}
      aria-expanded={isGroup ? isOpen : undefined}
      onClick={() => {
        act({ type: 'show', change: { step: node.path } });
      }}
      onDblClick={() => {
        if (isGroup) act({ type: 'fold', path: node.path, isOpen: !isOpen });
      }}
    >
      <div class="name" style={indent} title={node.path}>
        {isGroup ? (
          <button
            class="caret"
            tabIndex={-1}
            aria-label={isOpen ? t('close') : t('open')}
            onClick={(event) => {
              event.stopPropagation();
              act({ type: 'fold', path: node.path, isOpen: !isOpen });
            }}
          >
            {isOpen ? '▾' : '▸'}
          </button>
        ) : null}
        <span class={`state ${status}`} title={t(status)}>
          {icons[status]}
        </span>
        <span class="label">{label}</span>
        {isGroup ? <InsideCount node={node} /> : null}
      </div>
      {note === '' ? null : <div class="note">{note}</div>}
      <div class={isCritical ? 'took critical' : 'took'} title={isCritical ? t('onCriticalPath') : undefined}>
        {tookOf(node, status)}
        {isCritical ? ' ★' : ''}
      </div>
    </div>
  );
}

function InsideCount({ node }: { readonly node: PathNode }): JSX.Element {
  const { done, total } = insideOf(node);
  const { FAILED: failed } = node.below;
  return (
    <span class="inside">
      {numberText(done)}/{numberText(total)}
      {failed > 0 ? <b class="FAILED"> {t('failedCount', { n: numberText(failed) })}</b> : null}
    </span>
  );
}

function tookOf(node: PathNode, status: StepStatus): string {
  if (status === 'PENDING' || status === 'SKIPPED') return '';
  const isMoving = status === 'RUNNING' || status === 'SUSPENDED';
  const extent = extentOf(node, isMoving ? clock.value : 0);
  return extent === undefined ? '' : spanText(Math.max(0, extent[1] - extent[0]));
}

/** Why a step that has not begun waits, in words; it takes the place of the bar that it does not have. */
function noteOf(
  { node, status }: Row & { kind: 'step' },
  fold: RunFold,
  plan: ReadonlyMap<string, PlanStep>,
): string {
  if (status !== 'PENDING' && status !== undefined) return '';
  const missing = waitsFor(node.path, fold, plan);
  return missing.length === 0 ? '' : t('waitsFor', { what: missing.join(', ') });
}

/** The paths of the sources of a step that are not there yet. */
export function waitsFor(path: string, fold: RunFold, plan: ReadonlyMap<string, PlanStep>): string[] {
  const within = path.slice(0, path.lastIndexOf('/') + 1);
  return (plan.get(path)?.sources ?? [])
    .flatMap((source) => source.split(/[(),\s]+/))
    .filter((source) => {
      const node = source === '' || source === 'input' ? undefined : fold.node(`${within}${source}`);
      const status = node === undefined ? undefined : nodeStatus(node);
      return node !== undefined && status !== 'COMPLETED' && status !== 'SKIPPED';
    });
}

/** The map of the whole run, and the scale of what is zoomed to. */
function TimeHead(): JSX.Element {
  const map = useRef<HTMLCanvasElement>(null);
  const both = axes.value;
  useEffect(
    () =>
      effect(() => {
        const fold = openRun.value?.fold;
        const canvas = map.current;
        if (fold === undefined || canvas === null || axes.value === undefined) return;
        void fold.version.value;
        void themeNow.value;
        const { whole, zoomed } = axes.value;
        const { width } = place.value;
        paintMap(canvas, width, { load: loadNow(fold, whole, width), whole, zoomed });
      }),
    [],
  );
  return (
    <div class="head">
      <div class="name">{t('steps')}</div>
      <div class="time">
        <canvas class="map" ref={map} role="img" aria-label={t('map')} onPointerDown={brush} />
        <div class="scale" aria-hidden="true">
          {both === undefined
            ? null
            : ticksOf(both.zoomed, place.value.width - 8, both.origin).map(({ x, ms }) => (
                <span key={ms} style={{ left: `${x}px` }}>
                  {spanText(ms)}
                </span>
              ))}
        </div>
      </div>
      <div class="took">{t('took')}</div>
    </div>
  );
}

let loadAt = 0;
let loadKnown: { fold: RunFold; whole: Axis; size: number; load: ReturnType<typeof loadOver> } | undefined;

/** How much ran when; of a large run that is under way not more often than twice a second. */
function loadNow(fold: RunFold, whole: Axis, width: number): ReturnType<typeof loadOver> {
  const at = performance.now();
  const isFresh = loadKnown?.fold === fold && loadKnown.size === fold.size && loadKnown.whole === whole;
  const isEnough = loadKnown?.fold === fold && fold.size > 4_000 && at - loadAt < 500;
  if (loadKnown !== undefined && (isFresh || isEnough)) return loadKnown.load;
  loadAt = at;
  const load = loadOver(fold.spans, whole, width, Math.max(20, Math.floor(width / 4)), clock.value);
  loadKnown = { fold, whole, size: fold.size, load };
  return load;
}

/** Drawing over the map zooms to what is drawn over; a click shows all again. */
function brush(event: PointerEvent): void {
  const canvas = event.currentTarget as HTMLCanvasElement;
  const left = canvas.getBoundingClientRect().left;
  const begin = event.clientX - left;
  canvas.setPointerCapture(event.pointerId);
  const zoomTo = (end: number): void => {
    const both = axes.peek();
    if (both === undefined || Math.abs(end - begin) < 4) return;
    const { whole, origin } = both;
    const [a, b] = [whole.at(Math.min(begin, end)), whole.at(Math.max(begin, end))];
    setZoom(Math.max(a, whole.from) - origin, Math.min(b, whole.to) - origin);
  };
  const move = (moved: PointerEvent): void => {
    zoomTo(moved.clientX - left);
  };
  canvas.addEventListener('pointermove', move);
  canvas.addEventListener(
    'pointerup',
    (up) => {
      canvas.removeEventListener('pointermove', move);
      if (Math.abs(up.clientX - left - begin) < 4) act({ type: 'show', change: { zoom: undefined } });
    },
    { once: true },
  );
}

function zoomByWheel(event: WheelEvent): void {
  const canvas = document.querySelector('.bars');
  const both = axes.peek();
  if (!(event.ctrlKey || event.altKey || event.shiftKey) || canvas === null || both === undefined) return;
  event.preventDefault();
  if (event.shiftKey) {
    pan(Math.sign(event.deltaY === 0 ? event.deltaX : event.deltaY) * 0.1);
    return;
  }
  const x = event.clientX - canvas.getBoundingClientRect().left;
  zoomAround(event.deltaY > 0 ? 1.25 : 0.8, both.zoomed.at(x));
}

function followSize(box: HTMLDivElement | null): (() => void) | undefined {
  if (box === null) return undefined;
  const measure = (): void => {
    const time = document.querySelector('.steps .head .time');
    place.value = { width: Math.max(80, time?.clientWidth ?? 600), height: box.clientHeight };
  };
  const observer = new ResizeObserver(measure);
  observer.observe(box);
  measure();
  return () => {
    observer.disconnect();
  };
}

function paint(canvas: HTMLCanvasElement | null): void {
  const fold = openRun.value?.fold;
  const both = axes.value;
  const all = rows.value;
  const { width, height } = place.value;
  void themeNow.value;
  if (canvas === null || fold === undefined || both === undefined) return;
  const top = Math.min(scrollTop.value, Math.max(0, all.length * ROW - height));
  const first = Math.max(0, Math.floor(top / ROW));
  const event = view.value.at === undefined ? undefined : fold.event(view.value.at);
  paintBars(canvas, {
    width,
    height,
    rows: all.slice(first, Math.ceil((top + height) / ROW)),
    offset: first * ROW - top,
    rowHeight: ROW,
    axis: both.zoomed,
    origin: both.origin,
    now: Math.max(clock.value, fold.range()[1]),
    moment: event?.at,
    life: view.value.life,
    extentOf,
  });
}

function Legend(): JSX.Element {
  return (
    <div class="legend">
      <span class="key waited">{t('waited')}</span>
      <span class="key ran">{t('ran')}</span>
      <span class="key gap">{t('gap')}</span>
      <span class="key asked">{t('asked')}</span>
      <span>★ {t('onCriticalPath')}</span>
    </div>
  );
}
