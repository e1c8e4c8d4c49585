import type * as t from 'io-ts';
import type { Observable } from 'rxjs';

import { jsonSchemaOf } from '../../lib/codec/jsonSchema';
import { validate } from '../../lib/codec/validate';
import type { Definition } from '../../lib/definition/definition';
import { definitionOf, isStructure } from '../../lib/definition/definition';
import { checkRunId, InvalidRunIdError, UnknownRunError } from '../../lib/errors/storageErrors';
import { ValidationError } from '../../lib/errors/runErrors';
import type { MetricsStore } from '../../lib/metrics/metricsStore';
import type { Monitor } from '../../lib/metrics/monitor';
import type { RunState } from '../../lib/model/state';
import type { Access } from './contract';
import { HttpRequestError } from './httpRequestError';
import type { AnyAgent, RunPlace } from './runPlace';
import type { Shown } from './shown';

/** What all requests share. */
export interface Api {
  readonly places: ReadonlyMap<string, RunPlace>;
  readonly agents: ReadonlyMap<string, AnyAgent>;
  readonly metrics: Monitor | MetricsStore | undefined;
  readonly shown: Shown;
  readonly maxBodyBytes: number;
  /** Tells that time has passed in which a body that lasts may have had nothing to say. */
  readonly heartbeats: Observable<unknown>;
  now(): number;
  newRunId(): string;
}

/** One request. */
export interface Call {
  readonly api: Api;
  readonly request: Request;
  readonly query: URLSearchParams;
  readonly access: Access;
  /** Parts of the path that are named in its route. */
  param(name: string): string;
}

/** One route: who may use it, and what it does. */
export interface Route {
  readonly method: 'GET' | 'POST';
  /** As in OpenAPI, such as `/runs/{id}`. */
  readonly path: string;
  /** One sentence, for OpenAPI. */
  readonly summary: string;
  /** What may stand behind the `?`, with what it means. */
  readonly query?: Readonly<Record<string, string>>;
  /** What the body looks like. */
  readonly body?: t.Any;
  readonly needs: Access;
  handle(call: Call): Promise<Response>;
}

/** An answer in JSON. */
export function reply(
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  });
}

/** The place that a request is about. @throws HttpRequestError */
export function placeIn({ api: { places }, query }: Call): RunPlace {
  const name = query.get('store') ?? [...places.keys()][0] ?? '';
  const place = places.get(name);
  if (place !== undefined) return place;
  throw new HttpRequestError(
    'UNKNOWN_STORE',
    `Cannot find store ${JSON.stringify(name)}`,
    `there are: ${[...places.keys()].map((each) => JSON.stringify(each)).join(', ')}`,
  );
}

/** How the run of a request stands. @throws UnknownRunError */
export async function runOf(call: Call): Promise<RunState> {
  const runId = call.param('id');
  const state = await placeIn(call).loadRun(runId);
  if (state === undefined) throw new UnknownRunError(runId);
  return state;
}

/** The path of a step as the run has it, by the path as it is shown. */
export function realPath({ api: { shown } }: Call, { steps, plan }: RunState, path: string): string {
  if (path === '' || steps.get(path) !== undefined || plan.some((step) => step.path === path)) return path;
  if (path.includes('redacted-'))
    for (const { stepId } of steps) if (shown.path(stepId) === path) return stepId;
  return path;
}

/** The definition of an agent that is known here. */
export function definitionNamed({ agents }: Api, name: string): Definition | undefined {
  const agent = agents.get(name);
  return agent && definitionOf(agent);
}

/** What checks the input of an agent: its own codec, or that of the first agent that is given it as it is. */
export function inputCodecOf(definition: Definition): Definition['input'] {
  if (definition.input !== undefined || !isStructure(definition) || !HAND_ON.has(definition.kind))
    return definition.input;
  const [first] = definition.parts;
  const inner = first?.isConditional === false ? definitionOf(first.agent) : undefined;
  return inner && inputCodecOf(inner);
}

const HAND_ON: ReadonlySet<string> = new Set(['chain', 'saga', 'loop']);

/** A whole number of the query. @throws HttpRequestError */
export function countIn(
  query: URLSearchParams,
  name: string,
  least: number,
  most: number,
): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const count = Number(text);
  if (/^\d{1,15}$/.test(text) && count >= least) return Math.min(count, most);
  throw malformedQuery(name, text, `a whole number from ${String(least)} on`);
}

/** Whether a flag of the query is set: `?live`, `?live=1`, `?live=true`. */
export function flagIn(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  return text !== null && text !== '0' && text !== 'false';
}

export function malformedQuery(name: string, text: string, next: string): HttpRequestError {
  const what = JSON.stringify(text.slice(0, 100));
  return new HttpRequestError(
    'QUERY_MALFORMED',
    `Cannot read ${what} as "${name}" of the query`,
    `give ${next}`,
  );
}

/**
 * The body of a request as the codec says; further properties are refused, because a word spelt wrong must not be ignored.
 *
 * @param next - What to send instead of a body that does not fit; what openapi.json describes when left out.
 * @throws HttpRequestError when it is too large, no JSON, or does not fit.
 */
export async function bodyOf<A extends object>(
  call: Call,
  codec: t.Type<A, unknown>,
  next?: string,
): Promise<A> {
  const value = await jsonBody(call);
  try {
    const body = validate(codec, value, 'the body');
    const { properties } = jsonSchemaOf(codec);
    const strange = Object.keys(value as object).find((key) => !Object.hasOwn(properties as object, key));
    if (strange === undefined) return body;
    throw malformedBody(`it has a property ${JSON.stringify(strange.slice(0, 100))} that nobody reads`, next);
  } catch (error) {
    throw error instanceof ValidationError
      ? malformedBody(error.mismatches.slice(0, 3).join('; '), next)
      : error;
  }
}

/** The body of a request as JSON. @throws HttpRequestError */
async function jsonBody({ request, api: { maxBodyBytes } }: Call): Promise<unknown> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/(json|[\w.+-]+\+json)\s*(;|$)/i.test(type)) {
    throw new HttpRequestError(
      'NOT_JSON',
      `Cannot read a body of type ${JSON.stringify(type.slice(0, 100))}`,
      'send JSON with content-type: application/json',
    );
  }
  const bytes = await bytesOf(request, maxBodyBytes);
  if (bytes.length === 0) throw malformedBody('it is empty, or somebody has read it before');
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    throw malformedBody(error instanceof SyntaxError ? 'it is not JSON' : 'it is not UTF-8');
  }
}

/** A body that is not larger than this. @throws HttpRequestError */
export async function bytesOf(request: Request, most: number): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > most) throw tooLarge(most);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of whole(request)) {
    size += part.byteLength;
    if (size > most) throw tooLarge(most);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The pieces of a body. @throws HttpRequestError when it breaks off. */
async function* whole({ body }: Request): AsyncGenerator<Uint8Array> {
  try {
    yield* (body ?? []) as AsyncIterable<Uint8Array>;
  } catch {
    // Whoever sends it has left, or does not keep to the protocol.
    throw malformedBody('it broke off');
  }
}

/** An id for a new run, under which it can be asked for. @throws HttpRequestError */
export function newIdIn(runId: string): string {
  try {
    checkRunId(runId);
  } catch (error) {
    if (!(error instanceof InvalidRunIdError)) throw error;
    throw new HttpRequestError('BODY_MALFORMED', error.message, error.next);
  }
  // Whoever asks a server takes them out of the address.
  if (runId === '.' || runId === '..' || /\p{Surrogate}/u.test(runId))
    throw new HttpRequestError(
      'BODY_MALFORMED',
      `Cannot use this run id: no address leads to ${JSON.stringify(runId)}`,
      'give another one',
    );
  return runId;
}

function tooLarge(most: number): HttpRequestError {
  return new HttpRequestError(
    'BODY_TOO_LARGE',
    `Cannot read a body above ${String(most)} bytes`,
    'send a reference to large data, or allow more with maxBodyBytes',
  );
}

export function malformedBody(why: string, next = 'send what openapi.json describes'): HttpRequestError {
  return new HttpRequestError('BODY_MALFORMED', `Cannot read the body: ${why}`, next);
}
