import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { EngineContext } from '../../../adapters/restate/client/engineContext';
import { paceOf } from '../../../adapters/restate/client/engineContext';
import type { AskOptions, Ingress } from '../../../adapters/restate/protocol/ingress';
import { IngressError } from '../../../adapters/restate/protocol/ingress';
import type {
  EventsReply,
  EventsRequest,
  LifeFate,
  LifeResult,
  StartRequest,
} from '../../../adapters/restate/protocol/protocol';

/** What a client knows that asks a server by this function, and has no admin. */
export function askingBy(request: Ingress['request'], patienceMs = 15_000): EngineContext {
  return { admin: undefined, patienceMs, pace: undefined as never, ingress: { request } };
}

/** One life as the server knows it. */
export interface FakeLife {
  /** With what it was begun. */
  readonly request: StartRequest;
  /** How it stands; a life that was killed is `killed`. */
  end: LifeResult | 'under way' | 'killed';
  readonly told?: EventsReply['events'];
  /** What functions have given, by the order in which the journal has it. */
  readonly calls?: readonly { readonly path: string; readonly result: unknown }[];
  /** Whether its journal fits the code no more. */
  isMisfit?: boolean;
  /** Whether it is under way for the server alone: no worker has begun it. */
  isUnbegun?: boolean;
  /** Milliseconds after which the server is to begin it. */
  dueMs?: number;
  fate?: LifeFate;
}

/** A server of Restate with the lives of one service, as clients see it, by their keys. */
export interface FakeServer {
  readonly context: EngineContext;
  /** What has been asked that changes something, in order. */
  readonly asked: string[];
  readonly lives: Map<string, FakeLife>;
}

const NO_FATE: LifeFate = { isReplaced: false, isCancelAsked: false };

/**
 * @param begun - How a life ends that is begun here.
 * @param hasAdmin - Whether whoever asks has the address of the admin.
 */
export function fakeServer(
  lives: Readonly<Record<string, FakeLife>>,
  begun: (request: StartRequest) => FakeLife['end'] = () => ({
    status: 'CANCELLED',
    from: 0,
    events: [{ type: 'run.cancelled', at: 9, duration: 0 }],
    parts: 0,
  }),
  hasAdmin = true,
): FakeServer {
  const known = new Map(Object.entries(lives));
  const asked: string[] = [];
  const lifeAt = (key: string, path: string): FakeLife => {
    const life = known.get(key);
    if (life === undefined) throw new IngressError(404, path, 'no such life');
    return life;
  };
  const endOf = ({ end }: FakeLife, path: string): LifeResult => {
    if (end === 'under way') throw new IngressError(470, path, 'not ready');
    if (end === 'killed') throw new IngressError(409, path, 'killed');
    return end;
  };
  const begin = (key: string, request: StartRequest): 'known' | 'begun' => {
    if (known.has(key)) return 'known';
    known.set(key, { request, end: begun(request) });
    asked.push(`begin ${key}`);
    return 'begun';
  };
  const answer = (path: string, { body, answers, signal }: AskOptions): unknown => {
    const [, first = '', second = '', third = '', what = ''] = path.split('/').map(decodeURIComponent);
    if (first === 'restate' && second === 'invocation') {
      if (answers?.has(404) === true) return 404;
      throw new IngressError(404, path, 'not kept');
    }
    if (first === 'restate') return endOf(lifeAt(what, path), path);
    if (third === 'run') {
      if (what === 'send')
        return {
          status: begin(second, body as StartRequest) === 'begun' ? 'Accepted' : 'PreviouslyAccepted',
        };
      if (begin(second, body as StartRequest) === 'known') throw new IngressError(409, path, 'known');
      return endOf(lifeAt(second, path), path);
    }
    const life = lifeAt(second, path);
    if (third === 'events') {
      const { from, parts, waitMs } = body as EventsRequest;
      const events = (life.told ?? []).slice(from);
      const reply: EventsReply = { events, parts: [], nextFrom: from + events.length, nextParts: parts };
      if (events.length > 0 || waitMs === 0) return reply;
      return new Promise((_, reject) => {
        signal?.addEventListener('abort', () => {
          reject(new Error('left'));
        });
      });
    }
    if (third === 'fate') return life.fate ?? NO_FATE;
    if (third === 'cancel' && (life.isUnbegun === true || life.dueMs !== undefined)) return false;
    asked.push(`${third} ${second}`);
    if (third === 'replace') life.fate = { ...(life.fate ?? NO_FATE), isReplaced: true };
    if (third === 'cancel') {
      life.fate = { ...(life.fate ?? NO_FATE), isCancelAsked: true };
      return true;
    }
    return undefined;
  };
  const ingress: Ingress = {
    request: (path, options = {}) =>
      new Promise((resolve) => {
        resolve(answer(path, options));
      }),
  };
  return {
    asked,
    lives: known,
    context: {
      ingress,
      admin: hasAdmin ? fakeAdmin(known, asked) : undefined,
      patienceMs: 5_000,
      pace: paceOf(),
    },
  };
}

/** Lets others ask it over HTTP, as ingress and admin at one address. */
export async function listening({
  context,
}: FakeServer): Promise<{ readonly uri: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const path = request.url ?? '';
      const text = Buffer.concat(parts).toString();
      const asked = /^\/(query|invocations)/.test(path) ? (context.admin as Ingress) : context.ingress;
      const left = new AbortController();
      response.on('close', () => {
        left.abort();
      });
      asked
        .request(path, { ...(text !== '' && { body: JSON.parse(text) as unknown }), signal: left.signal })
        .then(
          (answer) => {
            response.end(answer === undefined ? '' : JSON.stringify(answer));
          },
          (error: unknown) => {
            response.statusCode = error instanceof IngressError ? error.status : 500;
            response.end(JSON.stringify({ message: (error as Error).message }));
          },
        );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    uri: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

/** The admin of such a server: it answers about lives and their journals, and kills. */
function fakeAdmin(lives: Map<string, FakeLife>, asked: string[]): Ingress {
  const rowsOf = (sql: string): readonly object[] => {
    if (sql.includes('RT0010')) return [];
    const isOfLost = sql.includes('completion_failure');
    const [, soonS] =
      /scheduled_at is not null and scheduled_start_at > now\(\) \+ interval '(\d+) seconds'/.exec(sql) ?? [];
    const [, id] = /id = 'inv_([^']*)'/.exec(sql) ?? [];
    if (sql.includes('sys_journal')) return journalOf(lives.get(id ?? '') as FakeLife, sql);
    const [, key] = /target_service_key = '([^']*)'/.exec(sql) ?? [];
    const isOfOpen = sql.includes("status <> 'completed'");
    return [...lives].flatMap(([other, { end, isMisfit, dueMs }]) => {
      const isRow = sql.includes('ends_with') || key === undefined || key === other;
      if (!isRow || (id !== undefined && id !== other) || (isOfOpen && end !== 'under way')) return [];
      if (soonS !== undefined && (dueMs ?? 0) <= Number(soonS) * 1_000) return [];
      const isStuck = isMisfit === true && end === 'under way';
      if (isOfLost && !isStuck && end !== 'killed') return [];
      return [
        {
          id: `inv_${other}`,
          target_service_key: other,
          status:
            end !== 'under way'
              ? 'completed'
              : isStuck
                ? 'backing-off'
                : dueMs === undefined
                  ? 'running'
                  : 'scheduled',
          completed_at: new Date().toISOString(),
          completion_retention: 'PT86400S',
          ...(isStuck && { last_failure: '(570)', last_failure_error_code: 'RT0016' }),
        },
      ];
    });
  };
  const answer = (path: string, body: unknown): unknown => {
    const [, , id = '', what] = path.split('/');
    if (what === 'kill') {
      const key = id.slice('inv_'.length);
      asked.push(`kill ${key}`);
      (lives.get(key) as FakeLife).end = 'killed';
      return undefined;
    }
    if (what === 'cancel') {
      const key = id.slice('inv_'.length);
      asked.push(`take back ${key}`);
      // As the server does with what it has not begun: nothing is left of it.
      lives.delete(key);
      return undefined;
    }
    return { rows: rowsOf((body as { readonly query: string }).query) };
  };
  return {
    request: (path, options = {}) =>
      new Promise((resolve) => {
        resolve(answer(path, options.body));
      }),
  };
}

/** The rows of a journal as the server of version 1.7.12 gives them. */
function journalOf({ request, calls = [] }: FakeLife, sql: string): readonly object[] {
  const bytes = (value: unknown): readonly number[] => [...Buffer.from(JSON.stringify(value))];
  const entries = [
    {
      entry_type: 'Command: Input',
      lite: { Command: { Input: {} } },
      json: { Command: { Input: { headers: [], payload: bytes(request), name: '' } } },
    },
    ...calls.flatMap(({ path, result }, index) => {
      const run = { Command: { Run: { completion_id: index + 1, name: path } } };
      const done = { completion_id: index + 1, result: { Success: bytes(result) } };
      const lite = { ty: { Completion: 'Run' }, id: { CompletionId: index + 1 }, result: 'Success' };
      return [
        { entry_type: 'Command: Run', lite: run, json: run },
        {
          entry_type: 'Notification: Run',
          lite: { Notification: lite },
          json: { Notification: { Completion: { Run: done } } },
        },
      ];
    }),
  ];
  const [, one, several = one] = /and "index" (?:= (\d+)|in \(([\d, ]+)\))/.exec(sql) ?? [];
  const only = several === undefined ? undefined : new Set(several.split(', ').map(Number));
  return entries.flatMap(({ entry_type, lite, json }, index) => {
    if (only !== undefined && !only.has(index)) return [];
    const entry_json = JSON.stringify(json);
    return [
      {
        index,
        entry_type,
        entry_lite_json: JSON.stringify(lite),
        raw_length: Math.ceil(entry_json.length / 4),
        appended_at: new Date(index * 1_000).toISOString(),
        ...((only !== undefined || index === 0) && { entry_json }),
      },
    ];
  });
}
