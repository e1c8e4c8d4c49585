import { signal } from '@preact/signals-core';

import type {
  AgentsReply,
  AnswerBody,
  AnswerReply,
  CancelReply,
  ErrorReply,
  EventLine,
  ForkBody,
  ForkPreviewReply,
  ForkReply,
  GoneRun,
  LogsReply,
  MetricsReply,
  ResumeReply,
  RunReply,
  RunsReply,
  StateReply,
  StoresReply,
  StreamsReply,
  ValueKind,
  ValueReply,
} from '../../adapters/http/contract';
import type { RunSummary } from '../../lib/store/store';
import type { ErrorRecord } from '../../lib/model/failure';
import type { Graph, Placed } from '../graph';
import { addressPart, clockSkew } from './format';
import type { RunPlace } from './machine';
import type { Texts, TextSource } from './texts';

/** What a page in a file brings with it. */
export interface Enclosed {
  readonly store: string;
  readonly run: RunReply;
  readonly events: readonly EventLine[];
  /** By the scope that each shows. */
  readonly layouts: Readonly<Record<string, Placed>>;
  /** Epoch milliseconds. */
  readonly madeAt: number;
  /** The texts of the languages that are not in the script. */
  readonly texts: Readonly<Record<string, Texts>>;
}

/** How the page stands with its server. */
export const link = signal<'live' | 'lost' | 'refused' | 'file'>('live');

/** The request was refused, or cannot be sent now. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly status: number;
  readonly record: ErrorRecord;

  constructor(status: number, record: ErrorRecord) {
    super(record.message);
    this.status = status;
    this.record = record;
  }
}

/** Hears what is told of a run. */
export interface EventSink {
  /** What the server says beside the events. */
  reply(reply: RunReply): void;
  lines(lines: readonly EventLine[]): void;
  /** All that is there has been told; more may come. */
  caughtUp(): void;
  failed(error: RequestError): void;
  gone(): void;
}

/** Hears how runs change. */
export interface ChangeSink {
  /** What is listed may have changed in a way that is not told: list it again. */
  ready(): void;
  run(run: RunSummary): void;
  gone(runId: string): void;
}

/** What the page asks for; from a server, or from the file that it stands in. */
export interface Connection {
  stores(): Promise<StoresReply>;
  runs(store: string, query: Readonly<Record<string, string>>): Promise<RunsReply>;
  run(place: RunPlace): Promise<RunReply>;
  /** How a run stands of which no events are kept. */
  state(place: RunPlace): Promise<StateReply>;
  /** Tells the events of a run from this offset on, and those to come. Returns how to stop. */
  events(place: RunPlace, after: number, sink: EventSink): () => void;
  changes(store: string, sink: ChangeSink): () => void;
  value(
    place: RunPlace,
    at: { path: string; of: ValueKind; offset?: number | undefined },
    limit: number,
  ): Promise<ValueReply>;
  /** The address of a whole value as a file; undefined where there is none. */
  valueUrl(
    place: RunPlace,
    at: { path: string; of: ValueKind; offset?: number | undefined },
  ): string | undefined;
  logs(place: RunPlace, query: Readonly<Record<string, string>>): Promise<LogsReply>;
  layout(graph: Graph, scope: string): Promise<Placed>;
  metrics(): Promise<MetricsReply>;
  streams(store: string): Promise<StreamsReply>;
  agents(): Promise<AgentsReply>;
  preview(place: RunPlace, body: ForkBody): Promise<ForkPreviewReply>;
  fork(place: RunPlace, body: ForkBody): Promise<ForkReply>;
  resume(place: RunPlace): Promise<ResumeReply>;
  answer(place: RunPlace, body: AnswerBody): Promise<AnswerReply>;
  cancel(place: RunPlace, reason: string): Promise<CancelReply>;
  /** The address of the run as one page in a file; undefined where there is none. */
  exportUrl(place: RunPlace): string | undefined;
  readonly texts: TextSource;
}

/** A connection to the server that the page came from. */
export function serverConnection(): Connection {
  const at = (path: string, store: string, query: Readonly<Record<string, string>> = {}): string => {
    const search = new URLSearchParams({ ...(store === '' ? {} : { store }), ...query }).toString();
    return `api/${path}${search === '' ? '' : `?${search}`}`;
  };
  const ofRun = (
    { store, runId }: RunPlace,
    rest = '',
    query: Readonly<Record<string, string>> = {},
  ): string => at(`runs/${addressPart(runId)}${rest === '' ? '' : `/${rest}`}`, store, query);
  const valueQuery = ({
    path,
    of,
    offset,
  }: {
    path: string;
    of: ValueKind;
    offset?: number | undefined;
  }): Record<string, string> => ({
    path,
    of,
    ...(offset === undefined ? {} : { offset: String(offset) }),
  });

  return {
    stores: async () => {
      const reply = await asked<StoresReply>('api/stores');
      // eslint-disable-next-line no-restricted-properties -- what the clock of this machine says is the question
      clockSkew.value = reply.now - Date.now();
      return reply;
    },
    runs: (store, query) => asked(at('runs', store, query)),
    run: (place) => asked(ofRun(place)),
    state: (place) => asked(ofRun(place, 'state')),
    events: (place, after, sink) => {
      const follower = new EventFollower(place, after, sink, ofRun);
      follower.begin();
      return () => {
        follower.end();
      };
    },
    changes: (store, sink) => followChanges(at('changes', store), sink),
    value: (place, where, limit) =>
      asked(ofRun(place, 'values', { ...valueQuery(where), limit: String(limit) })),
    valueUrl: (place, where) => ofRun(place, 'values', { ...valueQuery(where), raw: '1' }),
    logs: (place, query) => asked(ofRun(place, 'logs', query)),
    layout: (graph) => asked('layout', graph),
    metrics: () => asked('api/metrics'),
    streams: (store) => asked(at('streams', store)),
    agents: () => asked('api/agents'),
    preview: (place, body) => asked(ofRun(place, 'fork'), { ...body, dryRun: true }),
    fork: (place, body) => asked(ofRun(place, 'fork'), body),
    resume: (place) => asked(ofRun(place, 'resume'), {}),
    answer: (place, body) => asked(ofRun(place, 'answer'), body),
    cancel: (place, reason) => asked(ofRun(place, 'cancel'), reason === '' ? {} : { reason }),
    exportUrl: ({ store, runId }) => `export?${new URLSearchParams({ store, run: runId }).toString()}`,
    texts: (code) => asked(`texts.${code}.json`),
  };
}

async function asked<T>(url: string, body?: object): Promise<T> {
  let reply: Response;
  try {
    reply = await fetch(
      url,
      body === undefined
        ? { headers: { accept: 'application/json' } }
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
    );
  } catch (error) {
    link.value = 'lost';
    throw new RequestError(0, {
      code: 'NOT_REACHED',
      name: 'RequestError',
      message: `Cannot reach the inspector: ${String(error)}`,
      next: 'start it again: npx millrace inspect',
    });
  }
  if (reply.status === 401) link.value = 'refused';
  else if (link.value !== 'live') link.value = 'live';
  const json: unknown = await reply.json().catch(() => undefined);
  if (reply.ok) return json as T;
  const record = (json as ErrorReply | undefined)?.error;
  throw new RequestError(
    reply.status,
    record ?? {
      code: 'HTTP',
      name: 'RequestError',
      message: `The inspector answered ${reply.status}`,
      next: '',
    },
  );
}

type RunUrl = (place: RunPlace, rest?: string, query?: Readonly<Record<string, string>>) => string;

/**
 * The events that are there come as lines, which is quicker; those to come as server-sent events. An EventSource that loses its
 * server comes back by itself, with the offset of the latest event; one that is refused is made anew.
 *
 * A class, because what is read and what is heard go on from the same offset.
 */
class EventFollower {
  readonly #stop = new AbortController();
  readonly #place: RunPlace;
  readonly #sink: EventSink;
  readonly #urlOf: RunUrl;
  #latest: number;
  /** Number of the event that was the latest when the run was asked for. */
  #upTo = Infinity;
  #batch: EventLine[] = [];

  constructor(place: RunPlace, after: number, sink: EventSink, urlOf: RunUrl) {
    this.#place = place;
    this.#latest = after;
    this.#sink = sink;
    this.#urlOf = urlOf;
  }

  begin(): void {
    const after = this.#latest;
    this.#read().catch((error: unknown) => {
      if (this.#stop.signal.aborted) return;
      const isBroken = !(error instanceof RequestError);
      if (isBroken) link.value = 'lost';
      if (isBroken && this.#latest > after) this.#listen();
      else this.#sink.failed(isBroken ? new RequestError(0, notReached(error)) : error);
    });
  }

  end(): void {
    this.#stop.abort();
  }

  async #read(): Promise<void> {
    const reply = await asked<RunReply>(this.#urlOf(this.#place));
    this.#sink.reply(reply);
    // While a life is under way the lines would not end before it does.
    if (reply.run.status === 'RUNNING') this.#upTo = reply.seq;
    else {
      await this.#readLines();
      this.#sink.caughtUp();
    }
    this.#listen();
  }

  async #readLines(): Promise<void> {
    const reply = await fetch(this.#urlOf(this.#place, 'events', { after: String(this.#latest) }), {
      headers: { accept: 'application/x-ndjson' },
      signal: this.#stop.signal,
    });
    if (!reply.ok || reply.body === null) {
      const json = (await reply.json().catch(() => undefined)) as ErrorReply | undefined;
      const unknown = { code: 'HTTP', name: 'RequestError', message: `HTTP ${reply.status}`, next: '' };
      throw new RequestError(reply.status, json?.error ?? unknown);
    }
    await forEachLines(reply.body, (texts) => {
      const lines = texts.map((text) => JSON.parse(text) as EventLine & Partial<ErrorReply>);
      const good = lines.filter(({ error }) => error === undefined);
      this.#latest = good.at(-1)?.offset ?? this.#latest;
      this.#sink.lines(good);
      const fault = lines.find(({ error }) => error !== undefined)?.error;
      if (fault !== undefined) throw new RequestError(500, fault);
    });
  }

  #listen(): void {
    if (this.#stop.signal.aborted) return;
    const source = new EventSource(
      this.#urlOf(this.#place, 'events', { after: String(this.#latest), live: '1' }),
    );
    this.#stop.signal.addEventListener('abort', () => {
      source.close();
    });
    source.onopen = () => {
      link.value = 'live';
    };
    source.onmessage = ({ data }: MessageEvent<string>) => {
      this.#take(JSON.parse(data) as EventLine);
    };
    source.addEventListener('end', ({ data }: MessageEvent<string>) => {
      source.close();
      if ((JSON.parse(data) as { why: string }).why === 'gone') this.#sink.gone();
      else this.#listenAgain(1_000);
    });
    source.addEventListener('fault', ({ data }: MessageEvent<string>) => {
      source.close();
      this.#sink.failed(new RequestError(500, (JSON.parse(data) as ErrorReply).error));
    });
    source.onerror = () => {
      if (this.#stop.signal.aborted) return;
      link.value = 'lost';
      if (source.readyState === EventSource.CLOSED) this.#listenAgain(2_000);
    };
  }

  #take(line: EventLine): void {
    this.#latest = line.offset;
    if (link.peek() !== 'live') link.value = 'live';
    this.#batch.push(line);
    // What comes in one piece is handed on in one piece.
    if (this.#batch.length === 1)
      queueMicrotask(() => {
        this.#sink.lines(this.#batch);
        this.#batch = [];
      });
    if (line.event.seq < this.#upTo) return;
    this.#upTo = Infinity;
    queueMicrotask(() => {
      this.#sink.caughtUp();
    });
  }

  #listenAgain(delayMs: number): void {
    const timer = setTimeout(() => {
      this.#listen();
    }, delayMs);
    this.#stop.signal.addEventListener('abort', () => {
      clearTimeout(timer);
    });
  }
}

function notReached(error: unknown): ErrorRecord {
  return {
    code: 'NOT_REACHED',
    name: 'RequestError',
    message: String(error),
    next: 'is the inspector still running?',
  };
}

/** Calls with the whole lines of each piece that comes. */
async function forEachLines(
  body: ReadableStream<Uint8Array>,
  told: (lines: string[]) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + decoder.decode(value, { stream: !done })).split('\n');
    rest = lines.pop() ?? '';
    const whole = lines.filter((line) => line !== '');
    if (whole.length > 0) told(whole);
    if (!done) continue;
    if (rest !== '') told([rest]);
    return;
  }
}

function followChanges(url: string, sink: ChangeSink): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const listen = (): void => {
    source = new EventSource(url);
    source.addEventListener('ready', () => {
      link.value = 'live';
      sink.ready();
    });
    source.addEventListener('run', ({ data }: MessageEvent<string>) => {
      sink.run(JSON.parse(data) as RunSummary);
    });
    source.addEventListener('gone', ({ data }: MessageEvent<string>) => {
      sink.gone((JSON.parse(data) as GoneRun).runId);
    });
    source.addEventListener('fault', () => source?.close());
    source.onerror = () => {
      link.value = 'lost';
      if (source?.readyState === EventSource.CLOSED) timer = setTimeout(listen, 2_000);
    };
  };
  listen();
  return () => {
    source?.close();
    clearTimeout(timer);
  };
}

/** A connection to what the file of the page encloses: one run, at rest, and nothing can be done with it. */
export function fileConnection({ store, run, events, layouts, madeAt, texts }: Enclosed): Connection {
  link.value = 'file';
  const refused = (): Promise<never> =>
    Promise.reject(
      new RequestError(0, {
        code: 'READ_ONLY',
        name: 'RequestError',
        message: 'This page is a file: nothing can be done from here',
        next: 'open it by npx millrace inspect',
      }),
    );
  return {
    stores: () =>
      Promise.resolve({
        stores: [{ name: store, kind: 'store', isServed: false, queued: 0, abilities: [] }],
        access: 'read',
        agents: [],
        alerts: [],
        now: madeAt,
      }),
    runs: () =>
      Promise.resolve({
        runs: [run.run],
        damaged: [],
        counts: { ...noCounts, [run.run.status]: 1 },
        total: 1,
        now: madeAt,
      }),
    run: () => Promise.resolve(run),
    state: refused,
    events(_place, after, sink) {
      sink.reply(run);
      sink.lines(after === 0 ? events : events.filter(({ offset }) => offset > after));
      sink.caughtUp();
      return () => undefined;
    },
    changes: () => () => undefined,
    value: refused,
    valueUrl: () => undefined,
    logs: () => Promise.resolve({ lines: [] }),
    layout: (_graph, scope) =>
      Promise.resolve(layouts[scope] ?? { nodes: [], edges: [], width: 0, height: 0 }),
    metrics: refused,
    streams: refused,
    agents: () => Promise.resolve({ agents: [] }),
    preview: refused,
    fork: refused,
    resume: refused,
    answer: refused,
    cancel: refused,
    exportUrl: () => undefined,
    texts: (code) => {
      const known = texts[code];
      return known === undefined ? refused() : Promise.resolve(known);
    },
  };
}

const noCounts = { IDLE: 0, RUNNING: 0, SUSPENDED: 0, COMPLETED: 0, FAILED: 0, CANCELLED: 0 };

/** How a run stands that has no events: one event that puts it in. */
export function stateAsEvent(state: StateReply, place: RunPlace): EventLine {
  const at = state.endedAt ?? state.startedAt;
  return {
    offset: 1,
    event: { type: 'run.imported', runId: place.runId, seq: state.seq, at, state: state as never },
  };
}
