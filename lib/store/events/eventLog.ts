import { deflateRawSync, inflateRawSync } from 'node:zlib';

import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import { Count, Json, listOf } from '../../codec/plainCodecs';
import { recordCodec } from '../../codec/recordCodec';
import { explain } from '../../codec/validate';
import type { RunEvent } from '../../model/event';
import { reduceRun } from '../../model/reduce';
import type { RunState } from '../../model/state';
import { idleState } from '../../model/state';
import { isWithin } from '../../model/stepPath';
import type { StepResult } from '../../model/stepResult';
import type { KeptEvent } from '../store';
import { EventReader } from './eventReader';

/** Some events of a run, one after another: as base64 of deflated JSON lines, or few of them as they are. */
interface Pack {
  readonly events: number;
  readonly deflated?: string;
  readonly plain?: readonly Readonly<Record<string, unknown>>[];
}

/** What stands in the file of a run beside its state. */
interface EventsJson {
  /** How many events were kept; the number of the latest is the same. */
  readonly count: number;
  readonly packed: readonly Pack[];
  /** Large values that stand in the events, and no more in the state, by their names there. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** Where a large value of an event stands in the state. */
interface Place {
  readonly holder: 'input' | 'run' | 'step';
  /** Path of the step; absent for values of the run itself. */
  readonly path?: string;
  readonly seq: number;
}

/** Characters of events that are packed together. */
const PACKED = 65_536;
/** A pack of fewer characters takes in what comes next; events of fewer characters are not worth deflating. */
const SMALL_PACK = 4_096;
/** Characters from which a value is left out of an event, because the state has it. */
const LARGE = 1_024;
/** No pack unfolds to more: what is larger was not made here. */
const MOST_UNPACKED = 1 << 29;

/**
 * The events that are kept of one run, in order: those of late as JSON text, those before packed.
 *
 * A large value is not written twice: the event leaves it out as long as the state has it at the same place, and gets it back
 * when it is read. What an event takes out of the state is kept here from then on.
 */
export class EventLog {
  #count = 0;
  readonly #packed: Pack[] = [];
  #rows: string[] = [];
  #rowChars = 0;
  /** Values that were left out, by name. */
  readonly #leftOut = new Map<string, Place>();
  /** Those of them that the state has lost, as JSON text. */
  readonly #saved = new Map<string, string>();

  /** A log that begins with how the run stands: nothing is known of what was before, unless the events are given that led there. */
  static since(state: RunState, events?: readonly RunEvent[]): EventLog {
    const log = new EventLog();
    if (events === undefined) log.#addImported(stateJson(state));
    else log.#addAll(events);
    return log;
  }

  /** The log in the file of a run. @param refuse - Throws, because it is not as written. */
  static read(json: unknown, refuse: (why: string) => never): EventLog {
    const decoded = Events.decode(json);
    if (isLeft(decoded)) return refuse(explain(decoded.left)[0] ?? 'no events');
    const { count, packed, values } = decoded.right;
    const log = new EventLog();
    log.#count = count;
    log.#packed.push(...packed);
    for (const [name, value] of Object.entries(values)) log.#saved.set(name, JSON.stringify(value));
    let known = 0;
    for (const { events } of packed) known += events;
    if (known !== count) return refuse(`it has ${String(known)} of ${String(count)} events`);
    return log;
  }

  /** Number of the latest event. */
  get count(): number {
    return this.#count;
  }

  /**
   * Adds an event, as the text that stands in the journal.
   *
   * @param before - The state before the event; asked only where the event takes something out of it.
   */
  add(text: string, type: RunEvent['type'] | 'store.imported', before: () => RunState | undefined): void {
    if (type === 'store.imported') {
      const record = JSON.parse(text) as {
        readonly runId: string;
        readonly state: StateJson;
        readonly events?: readonly object[];
      };
      if (record.events === undefined) this.#addImported(record.state);
      else {
        const reader = new EventReader(record.runId);
        this.#addAll(record.events.map((event) => reader.read(event, 0)));
      }
      return;
    }
    if (this.#leftOut.size > 0 && takesOut(text, type)) this.#saveEndangered(text, before());
    const isLarge = text.length >= LARGE && holders[type] !== undefined;
    this.#push(isLarge ? this.#without(JSON.parse(text) as EventJson) : withoutRun(text));
  }

  /** The log as JSON text, for the file that has the state as of the latest event. */
  text(): string {
    const saved = [...this.#saved].map(([name, text]) => `${JSON.stringify(name)}:${text}`);
    const packed = this.#packed.map((pack) => JSON.stringify(pack));
    const rows = this.#rows;
    if (rows.length > 0)
      packed.push(
        this.#rowChars < SMALL_PACK
          ? `{"events":${String(rows.length)},"plain":[\n${rows.join(',\n')}\n]}`
          : JSON.stringify({ events: rows.length, deflated: deflated(rows) }),
      );
    return `{"count":${String(this.#count)},"packed":[\n${packed.join(',\n')}\n],"values":{${saved.join(',')}}}`;
  }

  /**
   * The events behind number `after`, whole.
   *
   * @param state - The state that the log belongs to.
   * @param reader - Reads on with what comes later; without it no event may build on one before it, as in memory.
   * @throws RangeError, SyntaxError when they cannot be made whole.
   */
  *read(
    after: number,
    runId: string,
    state: RunState | undefined,
    readsOn?: EventReader,
  ): Generator<KeptEvent> {
    // More may be added while this is read.
    const upTo = this.#count;
    const reader = readsOn ?? new EventReader(runId);
    let offset = 0;
    const runChars = `"runId":${JSON.stringify(runId)},`.length;
    const valueOf = (name: string, place: Place): unknown => {
      const saved = this.#saved.get(name);
      if (saved !== undefined) return JSON.parse(saved) as unknown;
      const value = state === undefined ? undefined : valueAt(state, place);
      if (value === undefined) throw new RangeError(`value ${name} of an event is missing`);
      return JSON.parse(JSON.stringify(value)) as unknown;
    };
    const skipped = readsOn === undefined ? after : 0;
    for (const row of this.#allRows(skipped)) {
      offset += 1;
      if (offset <= skipped) continue;
      const json = JSON.parse(row) as EventJson;
      const length = json.leftOut === undefined ? row.length + runChars : Number.POSITIVE_INFINITY;
      const event = reader.read(filled(json, valueOf), length);
      if (offset > after) yield { offset, event };
      if (offset === upTo) return;
    }
  }

  /** The rows in order; those of packs that are skipped whole are empty. */
  *#allRows(skipped: number): Generator<string> {
    let offset = 0;
    for (const pack of this.#packed.slice()) {
      offset += pack.events;
      if (offset <= skipped) for (let left = pack.events; left > 0; left -= 1) yield '';
      else yield* rowsIn(pack);
    }
    yield* this.#rows;
  }

  #push(row: string): void {
    const latest = this.#packed.at(-1);
    if (this.#rows.length === 0 && latest !== undefined && (latest.deflated ?? '').length < SMALL_PACK) {
      // Each life would leave a small pack otherwise.
      this.#packed.pop();
      this.#rows = rowsIn(latest);
      for (const { length } of this.#rows) this.#rowChars += length;
    }
    this.#count += 1;
    this.#rows.push(row);
    this.#rowChars += row.length;
    if (this.#rowChars < PACKED) return;
    this.#packed.push({ events: this.#rows.length, deflated: deflated(this.#rows) });
    this.#rows = [];
    this.#rowChars = 0;
  }

  #addAll(events: readonly RunEvent[]): void {
    let known: RunState | undefined;
    let folded = 0;
    for (const [index, event] of events.entries()) {
      if (event.type === 'run.imported') {
        this.#addImported(stateJson(event.state), event);
        continue;
      }
      this.add(JSON.stringify(event), event.type, () => {
        for (; folded < index; folded += 1) {
          const next = events[folded] as RunEvent;
          known = reduceRun(known ?? idleState(next.runId, '', []), next);
        }
        return known;
      });
    }
  }

  #addImported(
    state: StateJson,
    { seq, at }: Pick<RunEvent, 'seq' | 'at'> = { seq: state.seq, at: state.endedAt ?? state.startedAt },
  ): void {
    const { runId: _, ...rest } = state;
    const steps = state.steps.map((row) =>
      row.status === 'COMPLETED' && row.seq !== undefined
        ? this.#strip(row, 'output', { holder: 'step', path: row.stepId, seq: row.seq })
        : row,
    );
    let left: object = { ...rest, steps };
    left = this.#strip(left, 'input', { holder: 'input', seq: state.seq });
    left = this.#strip(left, 'output', { holder: 'run', seq: state.seq });
    this.#push(JSON.stringify({ type: 'run.imported', seq, at, state: left }));
  }

  /** The event as text without what is large and stands in the state. */
  #without({ runId: _, ...event }: EventJson): string {
    const holder = holders[event.type];
    if (holder === undefined || 'patches' in event) return JSON.stringify(event);
    const place: Place = { holder, ...(holder === 'step' && { path: event.path ?? '' }), seq: event.seq };
    return JSON.stringify(this.#strip(event, holder === 'input' ? 'input' : 'output', place));
  }

  #strip<T extends object>(from: T, field: 'input' | 'output', place: Place): T {
    const value = (from as Readonly<Record<string, unknown>>)[field];
    const isLarge =
      typeof value === 'string'
        ? value.length >= LARGE
        : typeof value === 'object' && value !== null && JSON.stringify(value).length >= LARGE;
    if (!isLarge) return from;
    this.#leftOut.set(nameOf(place), place);
    const { [field as never]: __, ...rest } = from;
    return { ...rest, leftOut: place };
  }

  #saveEndangered(text: string, state: RunState | undefined): void {
    const event = JSON.parse(text) as EventJson;
    const paths = [...(event.dropped ?? []), ...(event.reset ?? [])];
    const isEndangered = ({ holder, path = '' }: Place): boolean => {
      if (event.type === 'run.resumed') {
        if (holder === 'run' || event.plan !== undefined) return true;
        if (holder === 'input') return 'input' in event;
      }
      return holder === 'step' && paths.some((above) => isWithin(path, above));
    };
    for (const [name, place] of this.#leftOut) {
      if (!isEndangered(place)) continue;
      const value = state === undefined ? undefined : valueAt(state, place);
      if (value !== undefined) this.#saved.set(name, JSON.stringify(value));
      this.#leftOut.delete(name);
    }
  }
}

interface EventJson {
  readonly type: RunEvent['type'];
  readonly runId?: string;
  readonly seq: number;
  readonly path?: string;
  readonly dropped?: readonly string[];
  readonly reset?: readonly string[];
  readonly plan?: unknown;
  readonly state?: StateJson;
  readonly leftOut?: Place;
}

interface StateJson extends Omit<RunState, 'steps'> {
  readonly steps: readonly StepJson[];
}

type StepJson = StepResult & { readonly leftOut?: Place };

function stateJson(state: RunState): StateJson {
  return JSON.parse(JSON.stringify({ ...state, steps: [...state.steps] })) as StateJson;
}

/** Events that have a value which the state has too. */
const holders: Readonly<Partial<Record<string, Place['holder']>>> = {
  'run.started': 'input',
  'run.resumed': 'input',
  'run.completed': 'run',
  'step.completed': 'step',
};

/** Whether the event may take values out of the state. */
function takesOut(text: string, type: string): boolean {
  if (type === 'run.resumed') return true;
  return (
    (type === 'step.started' && text.includes('"dropped":')) ||
    (type === 'step.retrying' && text.includes('"reset":'))
  );
}

function nameOf({ holder, seq }: Place): string {
  return `${holder}.${String(seq)}`;
}

function valueAt(state: RunState, { holder, path, seq }: Place): unknown {
  if (holder === 'input') return state.input;
  if (holder === 'run') return state.output;
  const row = state.steps.get(path ?? '');
  return row?.status === 'COMPLETED' && row.seq === seq ? row.output : undefined;
}

/** The event with the values that were left out of it. */
function filled(event: EventJson, valueOf: (name: string, place: Place) => unknown): object {
  const fill = <T extends { readonly leftOut?: Place }>(holder: T): T => {
    const { leftOut: place, ...rest } = holder;
    if (place === undefined) return holder;
    const field = place.holder === 'input' ? 'input' : 'output';
    return { ...rest, [field]: valueOf(nameOf(place), place) } as unknown as T;
  };
  if (event.state === undefined) return fill(event);
  const state = fill(event.state as StateJson & { readonly leftOut?: Place });
  return { ...event, state: { ...state, steps: state.steps.map(fill) } };
}

/** The text of an event without the id of its run, which all of them share. */
function withoutRun(text: string): string {
  const [whole = '', type = ''] = RUN.exec(text) ?? [];
  if (whole !== '') return `{${type}${text.slice(whole.length)}`;
  const { runId: _, ...event } = JSON.parse(text) as EventJson;
  return JSON.stringify(event);
}

const RUN = /^\{("type":"[a-z.]+"),"runId":"(?:[^"\\]|\\.)*"/;

function rowsIn({ events, deflated: text, plain }: Pack): string[] {
  const rows = plain?.map((event) => JSON.stringify(event)) ?? inflated(text ?? '').split('\n');
  if (rows.length !== events) throw new RangeError('a pack of events is not as written');
  return rows;
}

function inflated(text: string): string {
  return inflateRawSync(Buffer.from(text, 'base64'), { maxOutputLength: MOST_UNPACKED }).toString();
}

function deflated(rows: readonly string[]): string {
  // Level 1 takes a quarter of the time of the default, for 5 % more bytes.
  return deflateRawSync(Buffer.from(rows.join('\n')), { level: 1 }).toString('base64');
}

const Values = new t.Type<Readonly<Record<string, unknown>>>(
  'values',
  (value): value is Readonly<Record<string, unknown>> => isValues(value),
  (value, context) => (isValues(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);

function isValues(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every(Json.is)
  );
}

const Events: t.Type<EventsJson> = recordCodec<EventsJson>(
  'events',
  {
    count: Count,
    packed: listOf(
      recordCodec<Pack>('Pack', { events: Count }, { deflated: t.string, plain: listOf(t.UnknownRecord) }),
    ),
    values: Values,
  },
  {},
);
