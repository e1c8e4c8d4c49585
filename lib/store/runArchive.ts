import { isDeepStrictEqual } from 'node:util';
import { gunzipSync, gzipSync } from 'node:zlib';

import { isLeft } from 'fp-ts/lib/Either';
import { lastValueFrom, map, takeWhile, toArray } from 'rxjs';

import { RunState as RunStateCodec } from '../codec/stateCodec';
import { explain } from '../codec/validate';
import { EventsNotKeptError, RunArchiveError, UnknownRunError } from '../errors/storageErrors';
import type { RunEvent } from '../model/event';
import { isJournaled } from '../model/event';
import { reduceRun } from '../model/reduce';
import type { RunState } from '../model/state';
import { idleState } from '../model/state';
import { EventReader } from './events/eventReader';
import type { Store } from './store';

/** A run as it is carried from store to store. */
export interface ArchivedRun {
  /** How it stands. */
  readonly state: RunState;
  /** The events that are kept of it, which lead to the state; undefined where none are. */
  readonly events: readonly RunEvent[] | undefined;
}

const FORMAT = 1;

/**
 * A run with its events as the content of one file, `<run>.millrace.gz`: `importRun` makes the same run of it, in any store. Of a run that
 * is under way it has what is written down now.
 *
 * The file is gzip of JSON lines: what it is, the state, the events.
 *
 * @throws UnknownRunError
 */
export async function exportRun(
  runId: string,
  { store }: { readonly store: Pick<Store, 'loadRun' | 'events'> },
): Promise<Uint8Array> {
  const { state, events } = await archivedRun(runId, store);
  return packRun({ state, events });
}

/** A run and its events as of one moment. @throws UnknownRunError */
export async function archivedRun(
  runId: string,
  store: Pick<Store, 'loadRun' | 'events'>,
): Promise<ArchivedRun> {
  const state = await store.loadRun(runId);
  if (state === undefined) throw new UnknownRunError(runId);
  const isLatest = (event: RunEvent): boolean => isJournaled(event) && event.seq >= state.seq;
  // A run that is under way goes on meanwhile, and so do its events.
  const isMoving = state.status === 'RUNNING';
  const events = lastValueFrom(
    store.events(runId).pipe(
      map(({ event }) => event),
      takeWhile((event) => !isMoving || !isLatest(event), true),
      toArray<RunEvent>(),
    ),
  );
  return { state, events: await orNone(events) };
}

/** Undefined where no events are kept. */
async function orNone<T>(events: Promise<T>): Promise<T | undefined> {
  try {
    return await events;
  } catch (error) {
    if (error instanceof EventsNotKeptError) return undefined;
    throw error;
  }
}

/** The content of the file of a run. */
export function packRun({ state, events }: ArchivedRun): Uint8Array {
  const head = { millrace: 'run', format: FORMAT, runId: state.runId, events: events?.length };
  // Like this a text beyond the longest string is never made.
  const lines = [head, plainState(state), ...(events ?? []).map(plainEvent)].map((line) =>
    Buffer.from(`${JSON.stringify(line)}\n`),
  );
  return gzipSync(Buffer.concat(lines));
}

/**
 * Puts the run of a file into a store, with its events where the store keeps any. It is the same run: its answers and the keys of its calls
 * are as before. Gives its id.
 *
 * @param runId - The id that it gets; the one that it had when left out.
 * @throws RunArchiveError when the file is not as written, or was written by a newer release.
 * @throws RunExistsError when the store has a run with this id.
 */
export async function importRun(
  file: Uint8Array,
  { store, runId }: { readonly store: Pick<Store, 'importRun'>; readonly runId?: string },
): Promise<string> {
  const { state, events } = unpackRun(file);
  const id = runId ?? state.runId;
  await store.importRun(
    { ...state, runId: id },
    events?.map((event) => renamed(event, id)),
  );
  return id;
}

function renamed(event: RunEvent, runId: string): RunEvent {
  return event.type === 'run.imported'
    ? { ...event, runId, state: { ...event.state, runId } }
    : { ...event, runId };
}

/** The run in the content of a file. @throws RunArchiveError */
export function unpackRun(file: Uint8Array): ArchivedRun {
  const [head, stateJson, ...eventsJson] = linesOf(file);
  const { millrace, format, runId, events: count } = (head ?? {}) as Readonly<Record<string, unknown>>;
  if (millrace !== 'run' || typeof format !== 'number' || typeof runId !== 'string')
    throw new RunArchiveError('it is not the file of a run');
  if (format > FORMAT)
    throw new RunArchiveError(
      `it has format ${format}, this release reads up to ${FORMAT}`,
      'update millrace',
    );
  const decoded = RunStateCodec.decode(stateJson);
  if (isLeft(decoded)) throw new RunArchiveError(explain(decoded.left)[0] ?? 'it holds no state');
  const state = decoded.right;
  if (count === undefined) return { state, events: undefined };
  if (eventsJson.length !== count)
    throw new RunArchiveError(`it holds ${eventsJson.length} of ${JSON.stringify(count)} events`);
  const events = readEvents(eventsJson, runId);
  if (!isDeepStrictEqual(asJson(fold(events, runId)), asJson(state)))
    throw new RunArchiveError('its events do not lead to its state');
  return { state, events };
}

/** With rows as they are: a table in JSON has an output of null where a row has none. */
function plainState(state: RunState): object {
  return { ...state, steps: [...state.steps] };
}

function plainEvent(event: RunEvent): object {
  return event.type === 'run.imported' ? { ...event, state: plainState(event.state) } : event;
}

/** How a run stands after these events. */
function fold(events: readonly RunEvent[], runId: string): RunState {
  return events.reduce<RunState>(reduceRun, idleState(runId, '', []));
}

function asJson(state: RunState): unknown {
  return JSON.parse(JSON.stringify(state));
}

function readEvents(lines: readonly unknown[], runId: string): readonly RunEvent[] {
  const reader = new EventReader(runId);
  try {
    return lines.map((line) => reader.read(line as object, 0));
  } catch (error) {
    throw new RunArchiveError((error as Error).message);
  }
}

function linesOf(file: Uint8Array): readonly unknown[] {
  try {
    const bytes = gunzipSync(file, { maxOutputLength: MOST_BYTES });
    const lines: unknown[] = [];
    for (let at = 0, end = bytes.indexOf(0x0a); end !== -1; at = end + 1, end = bytes.indexOf(0x0a, at))
      lines.push(JSON.parse(bytes.subarray(at, end).toString()));
    return lines;
  } catch (error) {
    throw new RunArchiveError((error as Error).message);
  }
}

/** No file that was made here unfolds to more: whoever sends one must not fill the memory. */
const MOST_BYTES = 1 << 30;
