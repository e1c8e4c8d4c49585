import type { Observable } from 'rxjs';
import { concatMap, EMPTY, filter, lastValueFrom, map, scan, takeUntil, tap } from 'rxjs';

import type { RunEvent, StepLogged, Transition } from '../../lib/model/event';
import { reduceRun } from '../../lib/model/reduce';
import type { RunState } from '../../lib/model/state';
import { idleState } from '../../lib/model/state';
import { padded, printable } from '../../lib/report/columns';
import type { KeptEvent, Store } from '../../lib/store/store';
import { progress } from '../../operators/taps/progress';
import { eventText } from './eventText';
import { timeText } from './moments';
import type { Output } from './output';
import { paint } from './output';
import { abortOf } from '../signals';
import { clippedLine } from './table';

/** What is shown of a run while it goes on. */
export interface Following {
  /** Events up to this number are not shown. */
  readonly since?: number;
  /** Partial results too. */
  readonly withPartials?: boolean;
  /** Lines of the log too. */
  readonly withLogs?: boolean;
  readonly signal: AbortSignal;
}

/**
 * Shows a run until it comes to rest: as a picture on a terminal, else a line an event, with `--json` one event a line.
 *
 * @returns How it stands then; undefined when it was forgotten or nobody listens any more.
 */
export function watchRun(
  store: Pick<Store, 'events'>,
  runId: string,
  options: Following,
  output: Output,
): Promise<RunState | undefined> {
  const { since = 0, signal } = options;
  const shown$ = store.events(runId).pipe(
    scan(
      (before: Seen | undefined, kept): Seen => ({
        kept,
        state: reduceRun(before?.state ?? idleState(runId, '', []), kept.event),
      }),
      undefined,
    ),
    filter((seen) => seen !== undefined),
    takeUntil(abortOf(signal)),
  );
  const isPicture = hasPicture(output) && output.isTerminal && !output.isJson && since === 0;
  return lastValueFrom(
    isPicture
      ? shown$.pipe(asPicture)
      : shown$.pipe(
          tap((seen) => {
            if (seen.kept.offset > since) show(seen, options, output);
          }),
          map(({ state }) => state),
        ),
    { defaultValue: undefined },
  );
}

interface Seen {
  readonly kept: KeptEvent;
  readonly state: RunState;
}

/** Whether a run can be drawn while it goes on: the picture of the library has English words only. */
export function hasPicture({ lang }: Pick<Output, 'lang'>): boolean {
  return lang === 'en';
}

/** The picture is that of the library; it goes to standard output here: it is what was asked for. */
function asPicture(seen$: Observable<Seen>): Observable<RunState> {
  return seen$.pipe(
    map(({ kept, state }): Transition => ({ event: kept.event, state })),
    // Logged lines and partial results move no picture.
    concatMap((transition) => (transition.event.type === 'step.logged' ? EMPTY : [transition])),
    progress(process.stdout),
    map(({ state }) => state),
  );
}

function show(
  { kept, state }: Seen,
  { withPartials = false, withLogs = false }: Following,
  output: Output,
): void {
  const { event } = kept;
  if (event.type === 'step.emitted' && !withPartials) return;
  const isLeftOut = output.isJson || ownWarning({ event, state }) === undefined;
  if (event.type === 'step.logged' && !withLogs && isLeftOut) return;
  if (output.isJson) output.json(kept);
  else output.print(clippedLine(followedLine(event, output), output.width));
}

/** What the engine itself warns of, and not a step: the run as a whole, or an answer that a step could not take. */
export function ownWarning(seen: Pick<Transition, 'event' | 'state'>): StepLogged | undefined {
  const { event } = seen;
  if (event.type !== 'step.logged' || event.level !== 'WARNING') return undefined;
  // The state of a transition is worked out when it is read.
  const isOwn = event.path === '' || seen.state.steps.get(event.path)?.status === 'SUSPENDED';
  return isOwn ? event : undefined;
}

/** `13:09:45.550 load  completed in 62 ms` */
function followedLine(event: RunEvent, output: Output): string {
  const path = 'path' in event ? printable(event.path) : '';
  const isBad = event.type === 'step.failed' || event.type === 'run.failed';
  const text = printable(sayingOf(event, output));
  return `${timeText(event.at)} ${padded(path, 10)} ${paint(text, isBad ? 'red' : undefined, output)}`;
}

function sayingOf(event: RunEvent, output: Output): string {
  if (event.type === 'step.logged') return `${event.level} ${event.message}`;
  if (event.type === 'step.emitted') return event.value === undefined ? '' : JSON.stringify(event.value);
  return eventText(event, output) ?? event.type;
}
