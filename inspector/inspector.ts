import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import type { MonoTypeOperatorFunction } from 'rxjs';

import type { HttpApi, HttpApiOptions, StoresReply } from '../adapters/http/index';
import { bytesOf } from '../adapters/http/call';
import { baseOf } from '../adapters/http/httpApi';
import { httpApi, HttpRequestError, nodeListener, portGuard } from '../adapters/http/index';
import { InvalidArgumentError, MillraceError } from '../lib/model/failure';
import type { Transition } from '../lib/model/event';
import type { AssetName } from './assets';
import { asset, pageHtml } from './assets';
import { exportedFrom } from './exportHtml';
import type { Graph } from './graph';
import { MOST_NODES } from './graph';
import { placed } from './graphLayout';
import { WatchedRuns } from './watchedRuns';

/** What the inspector shows: what `httpApi()` takes. Without a store it shows what `watch()` has seen. */
export type InspectorOptions = HttpApiOptions;

/** Where the inspector listens. */
export interface ListenOptions {
  /** A free one is taken when it is 0 or left out. */
  readonly port?: number;
  /** 127.0.0.1 when left out: only this machine reaches it. */
  readonly host?: string;
  /** What whoever asks must know; a new one when left out. */
  readonly token?: string;
  /** Refuses everything that changes something. */
  readonly readOnly?: boolean;
}

/** An inspector that listens. */
export interface Listening {
  /** To be opened in a browser: it bears the token, and loses it there. */
  readonly url: string;
  /** The one that it was given. */
  readonly port: number;
  /** What whoever asks must know. */
  readonly token: string;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** A page on runs, and the API below it. */
export interface Inspector {
  /** For whoever has `Request` and `Response`. Without `authorize` it is read-only. Never rejects. */
  fetch(request: Request): Promise<Response>;
  /** For `node:http`, Express, Fastify: mount it under a path of its own. */
  node(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /**
   * Listens on a port of its own, where whoever has the token may do everything.
   *
   * @throws InvalidArgumentError when others than this machine would reach it, and neither a token nor `readOnly` was given; when the port
   * is taken, or cannot be listened on.
   */
  listen(options?: ListenOptions): Promise<Listening>;
  /**
   * A tap behind `run()`, for runs without a store: what passes is kept in memory, as the store `watched`.
   *
   * @throws InvalidArgumentError when another store has that name.
   */
  watch<O>(): MonoTypeOperatorFunction<Transition<O>>;
}

/**
 * A page that shows runs: how they stand, which step failed and why, what ran when, how the state was at any moment, and what a
 * rerun would repeat. It starts nothing and listens nowhere until it is told to.
 *
 * docs/inspector.md shows it.
 *
 * @example
 * ```ts
 * const { url } = await inspector({ store, agents: [report] }).listen();
 * ```
 */
export function inspector(options: InspectorOptions = {}): Inspector {
  const { store, stores, engine } = options;
  const basePath = baseOf(options.basePath ?? '');
  const watched = new WatchedRuns();
  const hasOther = store !== undefined || stores !== undefined || engine !== undefined;
  let isWatching = !hasOther;
  const apiOf = (more: Partial<HttpApiOptions>): HttpApi => {
    const { basePath: _basePath, ...rest } = options;
    const all = isWatching ? { ...stores, watched: watched.store } : stores;
    return httpApi({ ...rest, ...(all !== undefined && { stores: all }), ...more });
  };
  let mounted: HttpApi | undefined;
  const answer = async (request: Request): Promise<Response> => {
    const response = await answered(request, basePath, (mounted ??= apiOf({})));
    response.headers.set('content-security-policy', POLICY);
    response.headers.set('x-content-type-options', 'nosniff');
    return response;
  };
  const listener = nodeListener(answer);
  return {
    fetch: answer,
    node: async (request, response) => {
      const moved = withSlash(request);
      if (moved === undefined) await listener(request, response);
      else response.writeHead(308, { location: moved }).end();
    },
    listen: (where = {}) => listening(where, apiOf),
    watch: () => {
      if (!isWatching) {
        if (stores !== undefined && Object.hasOwn(stores, 'watched'))
          throw new InvalidArgumentError(
            'Cannot show two stores named "watched"',
            'give the other one another name: this one is of what watch() sees',
          );
        isWatching = true;
        mounted = undefined;
      }
      return watched.tap();
    },
  };
}

/** The page asks for what lies beside it, so its own place must end with a slash. Express takes the place out of `url`. */
function withSlash(request: IncomingMessage): string | undefined {
  const { originalUrl } = request as { readonly originalUrl?: unknown };
  if (typeof originalUrl !== 'string' || request.method !== 'GET') return undefined;
  const [path = '', query] = originalUrl.split('?');
  const isRoot = (request.url ?? '').split('?')[0] === '/';
  if (!isRoot || path.endsWith('/')) return undefined;
  // A relative address: what looks like a host in it is none.
  return `./${path.slice(path.lastIndexOf('/') + 1)}/${query === undefined ? '' : `?${query}`}`;
}

async function listening(
  { port = 0, host = '127.0.0.1', token, readOnly = false }: ListenOptions,
  apiOf: (more: Partial<HttpApiOptions>) => HttpApi,
): Promise<Listening> {
  if (!isLoopback(host) && token === undefined && !readOnly)
    throw new InvalidArgumentError(
      `Cannot listen on ${host}: others than this machine would reach it`,
      'give a token, or readOnly: true',
    );
  if (!isLoopback(host))
    process.emitWarning(
      `The inspector can be reached from other machines: it listens on ${host}`,
      'MillraceWarning',
    );
  // Whoever has come past the guard knows the token.
  const api = apiOf({ authorize: () => (readOnly ? 'read' : 'write'), readOnly });
  const server = createServer();
  const known = token ?? randomBytes(24).toString('base64url');
  const guard = portGuard({ token: known, port: () => portOf(server), hosts: namesOf(host) });
  const listener = nodeListener((request) => guard(request, (passed) => answered(passed, '', api)));
  server.on('request', (request, response) => void listener(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const what = `Cannot listen on port ${String(port)} of ${host}: ${error.message}`;
      reject(
        new InvalidArgumentError(what, 'name another port, or none: then a free one is taken', {
          cause: error,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
  const name = host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${name}:${portOf(server)}/?t=${encodeURIComponent(known)}`,
    port: portOf(server),
    token: known,
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => {
          if (error === undefined) resolve();
          else reject(error);
        });
        server.closeAllConnections();
      }),
  };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Whether only this machine reaches a host. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
}

/** What others call this machine, where it listens to others. */
function namesOf(host: string): readonly string[] {
  if (isLoopback(host)) return [host];
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return [host, hostname(), ...addresses.map(({ address }) => address)];
}

/** The page loads nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const types: Readonly<Record<AssetName, string>> = {
  'page.js': 'text/javascript; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'texts.ko.json': 'application/json',
};

/** The page, what it is made of, and the API below `api/`. Never rejects. */
async function answered(request: Request, basePath: string, api: HttpApi): Promise<Response> {
  const url = new URL(request.url);
  // Where the mount takes its path away, there is none.
  const isBelow = `${url.pathname}/`.startsWith(`${basePath}/`);
  const path = isBelow ? url.pathname.slice(basePath.length) : url.pathname;
  if (path === '')
    return new Response(null, { status: 308, headers: { location: `${url.pathname}/${url.search}` } });
  if (path.startsWith('/api/')) {
    const inner = new URL(request.url);
    inner.pathname = path.slice('/api'.length);
    return api.fetch(movedTo(inner, request));
  }
  try {
    return await pageAnswer(request, url, path, api);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const status = error instanceof HttpRequestError ? error.status : 500;
    return Response.json({ error: error.toJSON() }, { status });
  }
}

async function pageAnswer(request: Request, url: URL, path: string, api: HttpApi): Promise<Response> {
  const { method } = request;
  if (path === '/layout' && method === 'POST')
    return (await refusalOf(request, api)) ?? (await layoutFor(request));
  if (method !== 'GET' && method !== 'HEAD')
    throw new HttpRequestError('METHOD_NOT_ALLOWED', `Cannot ${method} ${path}`, 'use GET');
  if (path === '/') return fileOf(pageHtml, 'text/html; charset=utf-8');
  const name = path.slice(1);
  if (Object.hasOwn(types, name)) return fileOf(asset(name as AssetName), types[name as AssetName]);
  if (path === '/export') return exported(url, request, api);
  throw new HttpRequestError('NO_ROUTE', `Cannot find ${path}`, 'open the page at /');
}

/** Not `new Request(url, request)`: servers give requests that only look like one. */
function movedTo(url: URL, { method, headers, body, signal }: Request): Request {
  const hasBody = body !== null && method !== 'GET' && method !== 'HEAD';
  return new Request(url, {
    method,
    headers,
    signal,
    ...(hasBody && { body, duplex: 'half' }),
  });
}

function fileOf(body: string | Buffer, type: string): Response {
  return new Response(typeof body === 'string' ? body : new Uint8Array(body), {
    headers: { 'content-type': type, 'cache-control': 'no-cache' },
  });
}

/** What the API says to somebody who may not read; undefined for who may. */
async function refusalOf({ headers }: Request, api: HttpApi): Promise<Response | undefined> {
  const answer = await api.fetch(new Request('http://inspector/', { headers: new Headers(headers) }));
  // There is nothing at its root.
  return answer.status === 404 ? undefined : answer;
}

/** Of a graph, in bytes: more than 20,000 edges take. */
const LARGEST_GRAPH = 8 * 1_048_576;

async function layoutFor(request: Request): Promise<Response> {
  const graph = jsonIn(await bytesOf(request, LARGEST_GRAPH));
  if (!isGraph(graph))
    throw new HttpRequestError('BODY_MALFORMED', 'Cannot lay out what is no graph', 'send { nodes, edges }');
  return Response.json(placed(graph));
}

function jsonIn(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

function isGraph(value: unknown): value is Graph {
  if (!isRecord(value)) return false;
  const { nodes, edges } = value;
  if (!Array.isArray(nodes) || nodes.length > MOST_NODES + 1) return false;
  if (!Array.isArray(edges) || edges.length > 20_000) return false;
  const isNode = (node: unknown): boolean =>
    isRecord(node) && isText(node['id']) && Number.isFinite(node['width']) && Number.isFinite(node['height']);
  const isEdge = (edge: unknown): boolean => isRecord(edge) && isText(edge['from']) && isText(edge['to']);
  return nodes.every(isNode) && edges.every(isEdge);
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

async function exported(url: URL, request: Request, api: HttpApi): Promise<Response> {
  const runId = url.searchParams.get('run') ?? '';
  let refused: Response | undefined;
  // The API hears who asks.
  const asSame: Pick<HttpApi, 'fetch'> = {
    fetch: async (asked) => {
      const headers = new Headers(request.headers);
      headers.set('accept', asked.headers.get('accept') ?? 'application/json');
      const answer = await api.fetch(new Request(asked.url, { headers }));
      if (!answer.ok) refused = answer.clone();
      return answer;
    },
  };
  let html: string;
  try {
    html = await exportedFrom(asSame, url.searchParams.get('store') ?? (await firstStore(asSame)), runId);
  } catch (error) {
    if (refused === undefined) throw error;
    return refused;
  }
  const file = `millrace-${runId.replaceAll(/[^\w.-]+/g, '-')}.html`;
  return new Response(html, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-disposition': `attachment; filename="${file}"`,
      'cache-control': 'no-store',
    },
  });
}

async function firstStore(api: Pick<HttpApi, 'fetch'>): Promise<string> {
  const answer = await api.fetch(new Request('http://inspector/stores'));
  const { stores = [] } = (await answer.json()) as Partial<StoresReply>;
  return stores[0]?.name ?? '';
}
