import type { IncomingMessage, ServerResponse } from 'node:http';

import { Hono } from 'hono/tiny';
import { asyncScheduler, interval, NEVER } from 'rxjs';
import type { SchedulerLike } from 'rxjs';

import { notAnAgent } from '../../lib/definition/checks';
import { definitionOf } from '../../lib/definition/definition';
import { newRunId } from '../../lib/engine/newRunId';
import type { MetricsStore } from '../../lib/metrics/metricsStore';
import type { Monitor } from '../../lib/metrics/monitor';
import { LONGEST_DELAY_MS } from '../../lib/model/backoff';
import { InvalidArgumentError, MillraceError, toFailure } from '../../lib/model/failure';
import type { Store } from '../../lib/store/store';
import { actRoutes } from './actRoutes';
import { archiveRoutes } from './archiveRoutes';
import type { Api, Route } from './call';
import { reply } from './call';
import type { Access, ErrorReply } from './contract';
import { followRoutes } from './followRoutes';
import { HttpRequestError, statusOf } from './httpRequestError';
import { nodeListener } from './nodeListener';
import { openApi } from './openApi';
import { readRoutes } from './readRoutes';
import type { AnyAgent, RunPlace, ShowingEngine } from './runPlace';
import { enginePlace, storePlace } from './runPlace';
import type { Redact } from './shown';
import { Shown } from './shown';

/** What the API shows, and to whom. */
export interface HttpApiOptions {
  /** Several stores by their names, the first of which is meant when nobody says which. */
  readonly stores?: Readonly<Record<string, Store>>;
  /** One store, named `main`. */
  readonly store?: Store;
  /** An engine, named `engine`: runs, events, answers and cancels, as far as it has them. */
  readonly engine?: ShowingEngine;
  /** The agents that can be started, and by which inputs and answers are checked. */
  readonly agents?: readonly AnyAgent[];
  /**
   * What whoever asks may do; false refuses. When left out everybody may read, and nobody may do anything else.
   */
  readonly authorize?: (request: Request) => Access | false | Promise<Access | false>;
  /** Refuses everything but reading, whoever asks; false when left out. */
  readonly readOnly?: boolean;
  /** What stands before the paths of the API where whoever mounts it does not take it away, such as `/api/millrace`. */
  readonly basePath?: string;
  /** What `GET /metrics` and `GET /alerts` show: a monitor, or a metrics file opened for this. */
  readonly metrics?: Monitor | MetricsStore;
  /** What is kept out besides what is known to be secret. */
  readonly redact?: Redact;
  /** Largest body of a request, in bytes; 1 MiB when left out. */
  readonly maxBodyBytes?: number;
  /** How often a body that lasts says that it still does, in milliseconds; 15,000 when left out. */
  readonly heartbeatMs?: number;
  /** The clock; the async scheduler when left out. */
  readonly scheduler?: SchedulerLike;
  /** Makes the ids of runs; monotonic ULIDs when left out. */
  readonly newRunId?: () => string;
  /** Hears of errors that are no answer to whoever asked; a process warning when left out. */
  readonly onError?: (error: unknown) => void;
}

/** The API as a server takes it. It listens nowhere by itself. */
export interface HttpApi {
  /** For whoever has `Request` and `Response`: Hono, route handlers of Next, Bun, Deno. Never rejects. */
  fetch(request: Request): Promise<Response>;
  /** For whoever has requests of Node: `node:http`, Express, Fastify. */
  node(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

/**
 * Runs over HTTP: list, follow, start, answer, cancel, resume, fork, delete. `GET /openapi.json` describes it, docs/http.md
 * shows it. What goes out is without secrets, what comes in is checked by the codecs of the agents, and every refusal is
 * `{ error: { code, name, message, next } }`.
 *
 * It asks the store, so that a process that serves the runs does what is asked for; where nobody does, the answer says so.
 *
 * @throws InvalidArgumentError when there is nothing to show, or two agents, or two stores, have one name.
 * @example
 * ```ts
 * const api = httpApi({ store, agents: [report], authorize: (request) => isAdmin(request) && 'write' });
 * express().use('/millrace', api.node).listen(3000);
 * ```
 */
export function httpApi(options: HttpApiOptions): HttpApi {
  const { readOnly = false, authorize, basePath = '', onError = warn } = options;
  const api = apiOf(options);
  const handle = router(api, { readOnly: readOnly || authorize === undefined, authorize, basePath, onError });
  const answer = async (request: Request): Promise<Response> => {
    // A body that nobody reads would never end.
    const isHead = request.method === 'HEAD';
    const response = await handle(isHead ? asGet(request) : request);
    for (const [name, value] of Object.entries(COMMON)) response.headers.set(name, value);
    if (!isHead) return response;
    await response.body?.cancel();
    return new Response(null, response);
  };
  return { fetch: answer, node: nodeListener(answer) };
}

/** Not `new Request(request)`: servers give requests that only look like one. */
function asGet({ url, headers, signal }: Request): Request {
  return new Request(url, { headers, signal });
}

/** Nothing of this is to be kept, or taken for something else. */
const COMMON = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

const LARGEST_BODY = 1_048_576;
const HEARTBEAT_MS = 15_000;

function apiOf(options: HttpApiOptions): Api {
  const { scheduler = asyncScheduler, maxBodyBytes = LARGEST_BODY, heartbeatMs = HEARTBEAT_MS } = options;
  if (!(maxBodyBytes > 0)) throw outOfRange('maxBodyBytes', maxBodyBytes);
  if (!(heartbeatMs > 0)) throw outOfRange('heartbeatMs', heartbeatMs);
  const agents = agentsByName(options.agents ?? []);
  return {
    places: placesOf(options, agents),
    agents,
    metrics: options.metrics,
    shown: new Shown(options.redact),
    maxBodyBytes,
    // Node turns longer delays, and Infinity, into 1 ms.
    heartbeats: heartbeatMs > LONGEST_DELAY_MS ? NEVER : interval(heartbeatMs, scheduler),
    now: () => scheduler.now(),
    newRunId: options.newRunId ?? newRunId,
  };
}

function outOfRange(name: string, value: number): InvalidArgumentError {
  return new InvalidArgumentError(
    `Cannot make an API with ${name} ${String(value)}`,
    'give a number above 0',
  );
}

function agentsByName(agents: readonly AnyAgent[]): ReadonlyMap<string, AnyAgent> {
  const byName = new Map<string, AnyAgent>();
  for (const agent of agents) {
    if (definitionOf(agent) === undefined) throw notAnAgent('show', agent);
    const { name } = agent;
    if (byName.has(name) && byName.get(name) !== agent)
      throw new InvalidArgumentError(
        `Cannot show two agents named "${name}"`,
        'give them names of their own',
      );
    byName.set(name, agent);
  }
  return byName;
}

function placesOf(
  { stores = {}, store, engine }: HttpApiOptions,
  agents: ReadonlyMap<string, AnyAgent>,
): ReadonlyMap<string, RunPlace> {
  const places = new Map<string, RunPlace>();
  const add = (place: RunPlace): void => {
    if (places.has(place.name))
      throw new InvalidArgumentError(`Cannot show two stores named "${place.name}"`, 'give one another name');
    places.set(place.name, place);
  };
  if (store !== undefined && stores['main'] !== store) add(storePlace('main', store));
  for (const [name, each] of Object.entries(stores)) add(storePlace(name, each));
  if (engine !== undefined) add(enginePlace('engine', engine, agents));
  if (places.size > 0) return places;
  throw new InvalidArgumentError('Cannot make an API of nothing', 'give { store }, { stores } or { engine }');
}

interface Rules {
  readonly readOnly: boolean;
  readonly authorize: HttpApiOptions['authorize'];
  readonly basePath: string;
  readonly onError: (error: unknown) => void;
}

function router(api: Api, rules: Rules): (request: Request) => Promise<Response> {
  const routes: Route[] = [...readRoutes, ...followRoutes, ...actRoutes, ...archiveRoutes];
  routes.push({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This description',
    needs: 'read',
    handle: () => Promise.resolve(reply(200, openApi(api, routes))),
  });
  const base = baseOf(rules.basePath);
  const app = new Hono({ strict: false });
  const mounted = base === '' ? app : app.basePath(base);
  for (const route of routes) {
    mounted.on(route.method, route.path.replace(/\{(\w+)\}/g, ':$1'), async (context) => {
      const request = context.req.raw;
      const access = await accessOf(request, rules);
      checkAccess(route, access, rules);
      const query = new URL(request.url).searchParams;
      return route.handle({ api, request, query, access, param: (name) => context.req.param(name) ?? '' });
    });
  }
  const allowed = (path: string): string | undefined =>
    path.startsWith(`${base}/`) ? allowedMethods(routes, path.slice(base.length)) : undefined;
  app.notFound(async ({ req: { raw, path, method } }) => {
    // Nobody learns what there is who may not read it.
    await accessOf(raw, rules);
    const methods = allowed(path);
    if (methods === undefined)
      throw new HttpRequestError('NO_ROUTE', `Cannot find ${path}`, 'GET /openapi.json names all');
    const headers = { allow: methods };
    const refusal = new HttpRequestError('METHOD_NOT_ALLOWED', `Cannot ${method} ${path}`, `use ${methods}`);
    return reply(405, { error: api.shown.record(refusal) } satisfies ErrorReply, headers);
  });
  app.onError((error, context) => refused(error, context.req.raw, api, rules));
  return async (request) => {
    try {
      return await app.fetch(request);
    } catch (thrown) {
      // Hono hands on what is thrown and no Error.
      return refused(thrown, request, api, rules);
    }
  };
}

/** A base path as it stands before the paths below it: `/api`, or nothing. */
export function baseOf(basePath: string): string {
  const bare = basePath.replace(/^\/+|\/+$/g, '');
  return bare === '' ? '' : `/${bare}`;
}

async function accessOf(request: Request, { authorize }: Rules): Promise<Access> {
  const access = authorize === undefined ? 'read' : await authorize(request);
  if (access === 'read' || access === 'write') return access;
  throw new HttpRequestError(
    'NOT_AUTHORIZED',
    'Cannot answer this request: nobody knows who asks',
    'say who you are',
  );
}

function checkAccess({ needs, path }: Route, access: Access, { readOnly }: Rules): void {
  if (needs === 'read') return;
  if (readOnly)
    throw new HttpRequestError(
      'READ_ONLY',
      `Cannot POST ${path}: this is read-only`,
      'give httpApi() an authorize()',
    );
  if (access !== 'write')
    throw new HttpRequestError(
      'FORBIDDEN',
      `Cannot POST ${path}: whoever asks may only read`,
      'ask for the right to write',
    );
}

/** What may be done at a path; undefined where there is nothing. */
function allowedMethods(routes: readonly Route[], path: string): string | undefined {
  const depth = path.replace(/\/$/, '').split('/');
  const here = routes.filter((route) => {
    const parts = route.path.split('/');
    return (
      parts.length === depth.length && parts.every((part, at) => part.startsWith('{') || part === depth[at])
    );
  });
  if (here.length === 0) return undefined;
  return [...new Set(here.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))].join(
    ', ',
  );
}

function refused(error: unknown, { signal }: Request, api: Api, { onError }: Rules): Response {
  const status = error instanceof MillraceError ? statusOf(error) : 500;
  // What breaks off when somebody leaves is no error of this side.
  if (status === 500 && !signal.aborted) tell(error, onError);
  const body: ErrorReply = { error: api.shown.record(error) };
  const headers: Record<string, string> = {};
  if (status === 405) headers['allow'] = 'GET, HEAD';
  if (status === 429 || status === 503) headers['retry-after'] = '1';
  return reply(status, body, headers);
}

function tell(error: unknown, onError: Rules['onError']): void {
  try {
    onError(error);
  } catch {
    // Whoever is told of an error must not become the next one.
  }
}

function warn(error: unknown): void {
  process.emitWarning(`A request was not answered: ${toFailure(error).message}`, 'MillraceWarning');
}
