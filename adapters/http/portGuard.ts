import { createHash, timingSafeEqual } from 'node:crypto';

import { InvalidArgumentError } from '../../lib/model/failure';
import type { ErrorReply } from './contract';
import { HttpRequestError } from './httpRequestError';

/** Who may ask a server that listens on a port of its own. */
export interface PortGuardOptions {
  /** What whoever asks has to know: at least 16 characters. Without it everybody who reaches the port may ask. */
  readonly token?: string;
  /** The port that it listens on: a function, because 0 becomes another one. */
  readonly port: () => number;
  /** Names and addresses under which it is asked besides those of loopback, such as that of `--host`. */
  readonly hosts?: readonly string[];
}

/** Stands before a handler and lets nobody through but a page of its own, and who knows the token. */
export type PortGuard = (
  request: Request,
  handle: (request: Request) => Promise<Response>,
) => Promise<Response>;

/** No script, style, picture or connection but those of the server itself. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

const SHORTEST_TOKEN = 16;

/**
 * Protects a server on a port of its own, as one that only its user should reach: pages of others that run in the browser of
 * that user can reach it too.
 *
 * Refused are a `Host` that is not its own (403: a name of somebody else that leads here), an `Origin` that is not its own and a
 * `Sec-Fetch-Site` other than `same-origin` and `none` (403: pages of others), bodies that are not JSON (415: what a form can send
 * without asking), and who does not know the token (401). The token comes as `Authorization: Bearer …`, or once as `?t=…`,
 * which sets a cookie of this port and leads to the same address without it. Every answer has the headers that keep a page
 * from loading anything else, and from being shown in another page.
 *
 * @throws InvalidArgumentError when the token is too short.
 */
export function portGuard({ token, port, hosts = [] }: PortGuardOptions): PortGuard {
  if (token !== undefined && token.length < SHORTEST_TOKEN)
    throw new InvalidArgumentError('Cannot guard a port with so short a token', 'give 16 characters or more');
  const own = new Set(['127.0.0.1', 'localhost', '[::1]', ...hosts.map(inHeader)]);
  const digest = token === undefined ? undefined : digestOf(token);
  const guarded = async (
    request: Request,
    handle: (request: Request) => Promise<Response>,
  ): Promise<Response> => {
    checkSource(request, own, port());
    const cookie = `millrace-${String(port())}`;
    if (digest !== undefined) {
      const entry = entryWith(request, digest, cookie);
      if (entry !== undefined) return entry;
      if (!knowsToken(request, digest, cookie)) throw unknownCaller();
    }
    checkBody(request);
    return handle(request);
  };
  return async (request, handle) => withHeaders(await guarded(request, handle).catch(refusedBy));
}

/** An address of IPv6 stands in brackets there. */
function inHeader(host: string): string {
  const name = host.toLowerCase();
  return name.includes(':') && !name.startsWith('[') ? `[${name}]` : name;
}

/** @throws HttpRequestError */
function checkSource({ headers }: Request, own: ReadonlySet<string>, port: number): void {
  const host = headers.get('host');
  if (host === null || !isOwn(host, own, port))
    throw forbidden(`it asks for host ${quoted(host)}`, 'use the address that was printed');
  const origin = headers.get('origin');
  if (origin !== null && !(origin.startsWith('http://') && isOwn(origin.slice('http://'.length), own, port)))
    throw forbidden(`it comes from a page of ${quoted(origin)}`, 'use the page of this server');
  const site = headers.get('sec-fetch-site');
  if (site !== null && site !== 'same-origin' && site !== 'none')
    throw forbidden(`it comes from another site (${quoted(site)})`, 'type or paste the address');
}

function isOwn(host: string, own: ReadonlySet<string>, port: number): boolean {
  const [, name = '', given = '80'] = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(host.toLowerCase()) ?? [];
  return own.has(name) && Number(given) === port;
}

/** Who comes with the token in the address gets a cookie, so that it leaves the address bar. */
function entryWith({ method, url }: Request, digest: Buffer, cookie: string): Response | undefined {
  const { pathname, searchParams, search } = new URL(url);
  const given = searchParams.get('t');
  if (given === null || (method !== 'GET' && method !== 'HEAD')) return undefined;
  if (!isSame(given, digest)) throw unknownCaller();
  // However it is written there: an address that still had it would lead to itself for ever.
  const rest = search
    .slice(1)
    .split('&')
    .filter((pair) => !new URLSearchParams(pair).has('t'))
    .join('&');
  return new Response(null, {
    status: 303,
    headers: {
      // Two slashes would name another host.
      location: `${pathname.replace(/^\/+/, '/')}${rest === '' ? '' : `?${rest}`}`,
      'set-cookie': `${cookie}=${encodeURIComponent(given)}; HttpOnly; SameSite=Strict; Path=/`,
      'cache-control': 'no-store',
    },
  });
}

function knowsToken({ headers }: Request, digest: Buffer, cookie: string): boolean {
  const [, bearer] = /^Bearer\s+(\S+)\s*$/i.exec(headers.get('authorization') ?? '') ?? [];
  if (bearer !== undefined) return isSame(bearer, digest);
  return (headers.get('cookie') ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${cookie}=`))
    .some((pair) => isSame(decoded(pair.slice(cookie.length + 1)), digest));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return ''; // Not what was set.
  }
}

/** Digests are of one length: how long it takes tells nothing of the token. */
function isSame(given: string, digest: Buffer): boolean {
  return timingSafeEqual(digestOf(given), digest);
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A form of another page can send texts, and nothing that says that it is JSON. */
function checkBody({ method, headers }: Request): void {
  if (method === 'GET' || method === 'HEAD') return;
  const type = headers.get('content-type') ?? '';
  if (!/^application\/(([\w.+-]+\+)?json|gzip)\s*(;|$)/i.test(type))
    throw new HttpRequestError(
      'NOT_JSON',
      `Cannot read a body of type ${quoted(type)}`,
      'send JSON with content-type: application/json',
    );
}

function forbidden(why: string, next: string): HttpRequestError {
  return new HttpRequestError('FORBIDDEN', `Cannot answer this request: ${why}`, next);
}

function unknownCaller(): HttpRequestError {
  return new HttpRequestError(
    'NOT_AUTHORIZED',
    'Cannot answer this request: it does not have the token',
    'use the address that was printed, or Authorization: Bearer <token>',
  );
}

function quoted(text: string | null): string {
  return text === null ? 'none' : JSON.stringify(text.slice(0, 100));
}

function refusedBy(error: unknown): Response {
  if (!(error instanceof HttpRequestError)) throw error;
  const body: ErrorReply = { error: error.toJSON() };
  return new Response(JSON.stringify(body), {
    status: error.status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      ...(error.status === 401 && { 'www-authenticate': 'Bearer' }),
    },
  });
}

function withHeaders(response: Response): Response {
  for (const [name, value] of Object.entries(HEADERS)) response.headers.set(name, value);
  return response;
}
