import type { MonoTypeOperatorFunction, TimestampProvider } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import type { Transition } from '../../lib/model/event';
import { isEnd } from '../../lib/model/event';
import { changeLine } from '../../lib/report/changeLine';
import { clipped, printable } from '../../lib/report/columns';
import { goOnLines, goOnText } from '../../lib/report/goOn';
import { runHead, runPicture, shortId } from '../../lib/report/runPicture';
import type { Screen } from '../../lib/report/screen';
import { ignoreErrorsOf } from '../../lib/report/screen';
import type { RunNotes, WatchedRun } from '../../lib/report/watchedRun';
import { runNotes } from '../../lib/report/watchedRun';
import type { Painter } from './internal/terminalPainter';
import { painterOf } from './internal/terminalPainter';
import type { TapOptions, Watcher } from './tap';
import { sideEffect } from './tap';

/** How progress is shown. */
export interface ProgressOptions extends TapOptions {
  /** A moving `picture` or one line a change; a picture on a terminal outside CI when left out. */
  readonly as?: 'picture' | 'lines';
  /** Whether the picture is coloured; on a terminal when left out, unless `NO_COLOR` is set. */
  readonly color?: boolean;
  /** Whose clock says how long running steps take: that of the runs; the system's when left out. */
  readonly scheduler?: TimestampProvider;
}

/**
 * Shows runs in the terminal while they go on: each step with its state, a bar, its duration, what it waits for or why it was
 * skipped; and after a failure how to go on.
 *
 * On a terminal it repaints at most ten times a second, below what the program writes meanwhile. Elsewhere, and in CI, it
 * writes one line a change.
 *
 * @param stream - `process.stderr` when left out, so that results on standard output stay clean.
 */
export function progress<O>(
  stream: Screen = process.stderr,
  options: ProgressOptions = {},
): MonoTypeOperatorFunction<Transition<O>> {
  const { as = isLive(stream) ? 'picture' : 'lines', scheduler = asyncScheduler } = options;
  const hasColor = options.color ?? (stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '');
  return sideEffect<Transition<O>>(
    'progress',
    () =>
      as === 'lines'
        ? lineByLine(stream)
        : onPainter(painterOf(stream), { hasColor, now: () => scheduler.now() }),
    options,
  );
}

function isLive(stream: Screen): boolean {
  const { CI: ci = '', TERM: term = '' } = process.env;
  return stream.isTTY === true && (ci === '' || ci === 'false') && term !== 'dumb';
}

function lineByLine(stream: Screen): Watcher<Transition> {
  const names = new Map<string, string>();
  ignoreErrorsOf(stream);
  return {
    next(transition) {
      const { event } = transition;
      const name =
        names.get(event.runId) ?? (event.type === 'run.started' ? event.name : transition.state.name);
      if (isEnd(event)) names.delete(event.runId);
      else names.set(event.runId, name);
      const line = changeLine(event, name);
      const lines = [...(line === undefined ? [] : [line]), ...goOnLines(event)];
      if (lines.length > 0) stream.write(`${lines.join('\n')}\n`);
    },
    end(how) {
      // Who leaves early hears no end.
      if (how !== 'unsubscribe') return;
      for (const [runId, name] of names)
        stream.write(`${printable(name)} ${shortId(runId)}  stopped\n${goOnText(runId)}\n`);
      names.clear();
    },
  };
}

interface Drawing {
  readonly hasColor: boolean;
  readonly now: () => number;
}

interface Shown {
  readonly notes: RunNotes;
  latest: Transition;
  readonly remove: () => void;
}

/** With more runs than this at once, each gets one line. */
const PICTURES = 8;
/** Most lines of the picture that stays behind. */
const LEFT_BEHIND = 60;

function onPainter(painter: Painter, { hasColor, now }: Drawing): Watcher<Transition> {
  const shown = new Map<string, Shown>();
  let begun = 0;

  const begin = (transition: Transition): Shown => {
    const one: Shown = {
      notes: runNotes(transition.event.at),
      latest: transition,
      remove: painter.add((width, height) =>
        shown.size > PICTURES
          ? [clipped(runHead(watched(one), now()), width)]
          : runPicture(watched(one), { now: now(), width, height, hasColor }),
      ),
    };
    shown.set(transition.event.runId, one);
    begun += 1;
    return one;
  };
  const leave = (one: Shown, at: number, isWhole: boolean, goOn: readonly string[]): void => {
    one.remove();
    painter.say((width) => [
      ...runPicture(watched(one), { now: at, width, height: isWhole ? LEFT_BEHIND : 1, hasColor }),
      ...goOn,
    ]);
  };

  return {
    next(transition) {
      const { event } = transition;
      const one = shown.get(event.runId) ?? begin(transition);
      one.latest = transition;
      one.notes.take(event);
      if (!isEnd(event)) return;
      shown.delete(event.runId);
      // Of many runs, those that went well leave only their head behind.
      leave(one, event.at, begun === 1 || event.type !== 'run.completed', goOnLines(event));
    },
    end() {
      // Who leaves early hears no end.
      for (const [runId, one] of shown) leave(one, now(), true, [`Stopped. ${goOnText(runId)}`]);
      shown.clear();
    },
  };
}

/** The state is read when the picture is drawn, not at every event: computing it costs. */
function watched({ notes, latest }: Shown): WatchedRun {
  return { state: latest.state, times: notes.times, notes: notes.notes, beganAt: notes.beganAt };
}
