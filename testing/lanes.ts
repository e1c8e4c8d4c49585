import type { ObservableNotification } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';

import type { RunEvent } from '../lib/model/event';

/** Something that happened to a step: `s` started, `r` failed and tries again, `|` completed, `#` failed, `k` skipped, `x` cancelled, `w` waits for an answer, `a` answered. */
export type Mark = 's' | 'r' | '|' | '#' | 'k' | 'x' | 'w' | 'a';

/** A mark and its moment, in milliseconds since the run began. */
export interface Point {
  readonly at: number;
  readonly mark: string;
}

/** What a marble diagram says happens when, in milliseconds. */
export function messagesOf(
  marbles: string,
  values?: Readonly<Record<string, unknown>>,
  error?: unknown,
): readonly { readonly atMs: number; readonly notification: ObservableNotification<unknown> }[] {
  const parse = (text: string) => TestScheduler.parseMarbles(text, values, error, false, true);
  // Outside of TestScheduler.run a frame is 10 ms; one run within another would end the virtual time of the outer one.
  const isWithin = parse('-|')[0]?.frame === 1;
  const messages = isWithin ? parse(marbles) : new TestScheduler(() => undefined).run(() => parse(marbles));
  return messages.map(({ frame, notification }) => ({ atMs: frame, notification }));
}

/** The points of a marble diagram, in which a frame is a millisecond. */
export function pointsOf(marbles: string): readonly Point[] {
  return messagesOf(marbles).map(({ atMs, notification }) => ({
    at: atMs,
    mark: notification.kind === 'N' ? String(notification.value) : notification.kind === 'E' ? '#' : '|',
  }));
}

const markOf: Readonly<Partial<Record<RunEvent['type'], Mark>>> = {
  'step.started': 's',
  'step.retrying': 'r',
  'step.completed': '|',
  'step.failed': '#',
  'step.skipped': 'k',
  'step.cancelled': 'x',
  'step.suspended': 'w',
  'step.answered': 'a',
};

/** What happened to each step, in whole milliseconds since the run began. */
export function lanesOf(events: readonly RunEvent[]): ReadonlyMap<string, readonly Point[]> {
  const lanes = new Map<string, Point[]>();
  let startedAt = events[0]?.at ?? 0;
  for (const event of events) {
    if (event.type === 'run.started') {
      // A run that was forgotten and begun anew under the same id.
      lanes.clear();
      startedAt = event.at;
    }
    const mark = markOf[event.type];
    // What has no path concerns the run, not one of its steps.
    if (mark === undefined || !('path' in event) || event.path === '') continue;
    const lane = lanes.get(event.path) ?? [];
    lanes.set(event.path, lane);
    lane.push({ at: Math.max(0, Math.round(event.at - startedAt)), mark });
  }
  return lanes;
}

/**
 * A marble diagram of these points, short where nothing happens: `s 19ms |`.
 *
 * A group takes as many milliseconds as it has characters; a point that falls into it is drawn behind it.
 */
export function marblesOf(points: readonly Point[]): string {
  let text = '';
  let reached = 0;
  const waitUntil = (at: number): void => {
    const gap = at - reached;
    if (gap <= 0) return;
    text += gap <= 4 ? '-'.repeat(gap) : `${text === '' || text.endsWith(' ') ? '' : ' '}${gap}ms `;
    reached = at;
  };
  for (let index = 0; index < points.length;) {
    const at = points[index]?.at ?? 0;
    const together = points.slice(index).filter((point) => point.at === at);
    waitUntil(at);
    const marks = together.map(({ mark }) => mark).join('');
    const drawn = marks.length === 1 ? marks : `(${marks})`;
    text += drawn;
    reached += drawn.length;
    index += together.length;
  }
  return text;
}
