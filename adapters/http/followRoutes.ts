import type { Observable } from 'rxjs';
import {
  concatMap,
  defaultIfEmpty,
  EMPTY,
  filter,
  firstValueFrom,
  from,
  map,
  merge,
  share,
  take,
  takeWhile,
  tap,
  timeout,
  timer,
  toArray,
} from 'rxjs';

import type { LogLevel, StepLogged } from '../../lib/model/event';
import { isWithin } from '../../lib/model/stepPath';
import type { KeptEvent, RunChange } from '../../lib/store/store';
import type { Api, Call, Route } from './call';
import { countIn, flagIn, malformedQuery, placeIn, reply, runOf } from './call';
import type { EndOfEvents, ErrorReply, EventLine, GoneRun, LogLineReply, LogsReply } from './contract';
import { EventHub } from './eventHub';
import type { Piece, StreamSource } from './eventStream';
import { eventStream, sseOf } from './eventStream';
import type { RunPlace } from './runPlace';

export const followRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/runs/{id}/events',
    summary: 'What happens in a run, as server-sent events, or lines of JSON by Accept: application/x-ndjson',
    needs: 'read',
    query: {
      after: 'Only those with a larger offset; the header Last-Event-ID wins',
      live: 'Goes on with the lives to come',
    },
    handle: events,
  },
  {
    method: 'GET',
    path: '/runs/{id}/logs',
    summary: 'What the steps of a run have logged',
    needs: 'read',
    query: {
      level: 'Only this level and above',
      path: 'Only this step and those below it',
      q: 'Only lines with this text',
      after: 'Only those with a larger offset',
      limit: 'At most so many, 1000 when left out, 10000 at most',
    },
    handle: logs,
  },
  {
    method: 'GET',
    path: '/changes',
    summary: 'How runs stand whenever they have changed, as server-sent events',
    needs: 'read',
    handle: changes,
  },
];

const NDJSON = /application\/(x-ndjson|ndjson|jsonl|x-jsonlines)/i;

async function events(call: Call): Promise<Response> {
  const { api, request, query } = call;
  const live = flagIn(query, 'live');
  const isLines = NDJSON.test(request.headers.get('accept') ?? '');
  const lastId = request.headers.get('last-event-id') ?? '';
  const [, offset, of] = /^(\d{1,15})(?:\.(\w+))?$/.exec(lastId) ?? [];
  const after =
    offset === undefined ? (countIn(query, 'after', 0, Number.MAX_SAFE_INTEGER) ?? 0) : Number(offset);
  const place = placeIn(call);
  if (live && place.kind === 'engine') place.store('follow the lives to come');
  const { runId, status, incarnation } = await runOf(call);
  // What was followed is forgotten; its offsets mean nothing in another run of that id.
  if (of !== undefined && of !== incarnation) return streamed(isLines ? '' : endText('gone'), isLines);
  // An EventSource that has missed the end connects again and again; only this answer stops it.
  const isAgain = lastId !== '' && !isLines && !live && status !== 'RUNNING';
  if (isAgain && !(await hasMore(place.events(runId, { after })))) return new Response(null, { status: 204 });
  const hub = eventHubOf(call, place, { runId, incarnation, live, isLines });
  const source: StreamSource = {
    pieces: (from_) => hub.follow(from_),
    end: async () => {
      const isGone = live || (await place.loadRun(runId)) === undefined;
      return isLines ? '' : endText(isGone ? 'gone' : 'rest');
    },
    fault: (error) => faultOf(call, error, isLines),
    heartbeats: isLines ? EMPTY : api.heartbeats.pipe(map(() => ': \n\n')),
  };
  return streamed(eventStream(source, after), isLines);
}

function endText(why: EndOfEvents['why']): string {
  return sseOf(JSON.stringify({ why } satisfies EndOfEvents), { event: 'end' });
}

async function hasMore(kept: Observable<KeptEvent>): Promise<boolean> {
  return firstValueFrom(
    kept.pipe(
      take(1),
      map(() => true),
      defaultIfEmpty(false),
    ),
  );
}

function streamed(body: ReadableStream<Uint8Array> | string, isLines: boolean): Response {
  const type = isLines ? 'application/x-ndjson' : 'text/event-stream';
  return new Response(body, {
    headers: {
      'content-type': `${type}; charset=utf-8`,
      // Proxies would collect it.
      'x-accel-buffering': 'no',
    },
  });
}

/** A failure in the middle of a body: the status has been sent. */
function faultOf({ api: { shown } }: Call, error: unknown, isLines: boolean): string {
  const body: ErrorReply = { error: shown.record(error) };
  const text = JSON.stringify(body);
  return isLines ? `${text}\n` : sseOf(text, { event: 'fault' });
}

const eventHubs = new WeakMap<RunPlace, Map<string, EventHub>>();
const MOST_HUBS = 256;

/** A run, and how it is followed. */
interface FollowedRun {
  readonly runId: string;
  readonly incarnation: string | undefined;
  readonly live: boolean;
  readonly isLines: boolean;
}

/** The hub of all who follow the run in the same way. */
function eventHubOf(
  { api: { shown } }: Call,
  place: RunPlace,
  { runId, incarnation, live, isLines }: FollowedRun,
): EventHub {
  const known = eventHubs.get(place) ?? new Map<string, EventHub>();
  eventHubs.set(place, known);
  const key = `${String(live)} ${String(isLines)} ${incarnation ?? ''} ${runId}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  // That of a run that was put in may be any text.
  const mark = incarnation !== undefined && /^\w+$/.test(incarnation) ? `.${incarnation}` : '';
  const hub = new EventHub((after) =>
    place.events(runId, { after, live }).pipe(
      map(({ offset, event }) => {
        const line: EventLine = { offset, event: shown.event(event, offset) };
        const data = JSON.stringify(line);
        return { offset, text: isLines ? `${data}\n` : sseOf(data, { id: `${String(offset)}${mark}` }) };
      }),
    ),
  );
  known.set(key, hub);
  // Those who follow an older one go on; it is shared with nobody new.
  if (known.size > MOST_HUBS) known.delete(known.keys().next().value as string);
  return hub;
}

function changes(call: Call): Promise<Response> {
  const { api } = call;
  const place = placeIn(call);
  const hub = hubOf(call, place);
  const source: StreamSource = {
    pieces: () =>
      merge(
        // Told when whatever changes behind it is told too.
        from(hub.isReady()).pipe(map((): Piece => ({ text: sseOf('', { event: 'ready' }) }))),
        hub.changes$.pipe(map((text): Piece => ({ text }))),
      ),
    end: () => Promise.resolve(''),
    fault: (error) => faultOf(call, error, false),
    heartbeats: api.heartbeats.pipe(map(() => ': \n\n')),
  };
  return Promise.resolve(streamed(eventStream(source), false));
}

/** The changes of one store, for all who follow them. */
interface Hub {
  readonly changes$: Observable<string>;
  isReady(): Promise<void>;
}

const hubs = new WeakMap<RunPlace, Hub>();
/** How long a store is followed on after the last has left: a page that is loaded anew finds it warm. */
const LINGER_MS = 1_000;
/** A look of the store at what is new takes less. */
const SETTLE_MS = 200;

function hubOf({ api: { shown } }: Call, place: RunPlace): Hub {
  const before = hubs.get(place);
  if (before !== undefined) return before;
  const store = place.store('follow changes');
  let settled: Promise<void> | undefined;
  const changes$ = store.changes().pipe(
    map((change) => changeText(change, (run) => JSON.stringify(shown.summary(run)))),
    tap({
      finalize: () => {
        settled = undefined;
      },
    }),
    share({ resetOnRefCountZero: () => timer(LINGER_MS) }),
  );
  const hub: Hub = {
    changes$,
    // A store tells what changes from its first look on, and does not say when that was.
    isReady: () =>
      (settled ??= store
        .listRuns({ limit: 1 })
        .then(() => firstValueFrom(timer(SETTLE_MS)))
        .then(() => undefined)),
  };
  hubs.set(place, hub);
  return hub;
}

function changeText(
  change: RunChange,
  textOf: (run: Exclude<RunChange, { gone: string }>) => string,
): string {
  if (!('gone' in change)) return sseOf(textOf(change), { event: 'run' });
  const gone: GoneRun = { runId: change.gone };
  return sseOf(JSON.stringify(gone), { event: 'gone' });
}

const LEVELS: readonly LogLevel[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];

async function logs(call: Call): Promise<Response> {
  const { query } = call;
  const level = (query.get('level') ?? 'DEBUG').toUpperCase();
  const least = LEVELS.findIndex((each) => each === level);
  if (least === -1) throw malformedQuery('level', level, LEVELS.join(', '));
  const after = countIn(query, 'after', 0, Number.MAX_SAFE_INTEGER) ?? 0;
  const limit = countIn(query, 'limit', 1, 10_000) ?? 1_000;
  const { runId, status, seq, steps } = await runOf(call);
  const path = query.get('path') ?? '';
  const text = (query.get('q') ?? '').toLowerCase();
  const soFar = { runId, after, ...(status === 'RUNNING' && { seq }) };
  const found = eventsSoFar(call.api, placeIn(call), soFar).pipe(
    concatMap((kept) => lineOf(call.api, kept)),
    filter((line) => LEVELS.indexOf(line.level) >= least && isWithin(line.path, path, steps)),
    filter(({ message }) => message.toLowerCase().includes(text)),
    take(limit + 1),
    toArray(),
  );
  const all = await firstValueFrom(found);
  const lines = all.slice(0, limit);
  const last = lines.at(-1);
  const body: LogsReply = { lines, ...(all.length > limit && last !== undefined && { next: last.offset }) };
  return reply(200, body);
}

function lineOf({ shown }: Api, { offset, event }: KeptEvent): readonly LogLineReply[] {
  if (event.type !== 'step.logged') return [];
  const { at, seq, level, path, message, data } = shown.event(event, offset) as StepLogged;
  return [{ offset, at, seq, level, path, message, ...(data !== undefined && { data }) }];
}

/** For so long nothing has come of a run under way: that was all so far. */
const QUIET_MS = 300;
/** A long run is not read at once. */
const FIRST_MS = 1_500;

/**
 * The events that are kept of a run up to now.
 *
 * @param seq - Of a run that is under way, the latest that is part of its state.
 */
function eventsSoFar(
  api: Api,
  place: RunPlace,
  { runId, after, seq }: { readonly runId: string; readonly after: number; readonly seq?: number },
): Observable<KeptEvent> {
  const kept = place.events(runId, { after });
  if (seq === undefined) return kept;
  const now = api.now();
  return kept.pipe(
    // Where the clock was set back, what has happened is dated later than now.
    takeWhile(({ event }) => event.seq < seq || event.at <= now),
    timeout({ first: FIRST_MS, each: QUIET_MS, with: () => EMPTY }),
  );
}
