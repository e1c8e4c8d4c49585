import type { Observable } from 'rxjs';
import { catchError, EMPTY, filter, map } from 'rxjs';

import { RunError } from '../../../lib/errors/runErrors';
import type { RunEvent, Transition } from '../../../lib/model/event';
import { InvalidArgumentError } from '../../../lib/model/failure';
import { checkedEvents } from '../../../lib/store/events/keptForm';
import type { EventsOptions, KeptEvent } from '../../../lib/store/store';

/**
 * The events of a life as a store would have kept them: without partial results, numbered from 1, and folded they give how the
 * run stands. A later life begins with `run.imported`, because the server keeps none of those before it.
 *
 * @throws InvalidArgumentError for `live`, in the stream.
 */
export function keptEvents<O>(
  runId: string,
  wanted: EventsOptions,
  follow: () => Observable<Transition<O>>,
): Observable<KeptEvent> {
  const { after, live } = checkedEvents(wanted);
  if (live)
    throw new InvalidArgumentError(
      `Cannot follow the lives to come of run "${runId}" on Restate: the server tells of no life before it begins`,
      'leave out "live", and ask again when the run has been answered or resumed',
    );
  return follow().pipe(
    filter(({ event }) => event.type !== 'step.emitted'),
    map(foldable),
    map((event, index) => ({ offset: index + 1, event })),
    filter(({ offset }) => offset > after),
    catchError((error: unknown) => {
      // Its last event has said so.
      if (error instanceof RunError) return EMPTY;
      throw error;
    }),
  );
}

function foldable({ event, state }: Transition, index: number): RunEvent {
  if (index > 0 || event.type === 'run.started') return event;
  const { runId, seq, at } = event;
  return { type: 'run.imported', runId, seq, at, state };
}

/** What stores do and the server does not, and what to do in its place. */
const NOT_THERE = {
  changes: ['tell how runs change', 'ask listRuns() again, or follow a run with attach()'],
  prune: [
    'forget runs',
    'what has ended is forgotten after the retentionMs of serveRestate(), and deleteRun() forgets one that has failed',
  ],
  request: ['ask whoever serves', 'call run(), resume(), fork() or cancel() with { engine }'],
} as const;

/** Refuses by name what is not there, for programs without types; returns the engine. */
export function refusingStoreCalls<E extends object>(engine: E): E {
  for (const [name, [what, next]] of Object.entries(NOT_THERE))
    Object.defineProperty(engine, name, {
      value: (): never => {
        throw new InvalidArgumentError(`Cannot ${what} on Restate: an engine is no store`, next);
      },
    });
  return engine;
}
