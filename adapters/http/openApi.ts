import { jsonSchemaOf } from '../../lib/codec/jsonSchema';
import { definitionOf } from '../../lib/definition/definition';
import type { Api, Route } from './call';
import { inputCodecOf } from './call';
import { schemaOf } from './readRoutes';

const errorReply = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['code', 'name', 'message', 'next'],
      properties: {
        code: { type: 'string', description: 'Names the kind of error, such as UNKNOWN_RUN' },
        name: { type: 'string' },
        message: { type: 'string', description: 'What could not be done, to what, and why' },
        next: { type: 'string', description: 'What to do now' },
      },
    },
  },
};

/** Bodies that are no JSON object. */
const types: Readonly<Record<string, readonly string[]>> = {
  '/runs/{id}/events': ['text/event-stream', 'application/x-ndjson'],
  '/changes': ['text/event-stream'],
  '/runs/{id}/export': ['application/gzip'],
};

/** The routes as OpenAPI 3.1 describes them, with the inputs of the agents that are known. */
export function openApi(api: Api, routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route);
  const inputs: Record<string, object> = {};
  for (const [name, agent] of api.agents) {
    const key = keyFor(name, inputs);
    inputs[key] = placed(inputOf(name, agent), `#/components/schemas/${key}`);
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Millrace', version: '1', description: 'Runs of agents: list, follow, answer, fork.' },
    servers: [{ url: '.' }],
    paths,
    components: { schemas: { ErrorReply: errorReply, ...inputs } },
  };
}

/** OpenAPI allows few letters in a key: names of other scripts would all become one. */
function keyFor(name: string, taken: Readonly<Record<string, object>>): string {
  const base = `input.${name.replace(/[^\w.-]/g, '_')}`;
  let key = base;
  for (let count = 2; Object.hasOwn(taken, key); count += 1) key = `${base}_${String(count)}`;
  return key;
}

/** A schema in its place: what refers to its root refers to the root of the document there. */
function placed<T>(schema: T, root: string): T {
  if (Array.isArray(schema)) return schema.map((each: unknown) => placed(each, root)) as T;
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]: [string, unknown]) => {
    const isReference = key === '$ref' && typeof value === 'string' && value.startsWith('#');
    return [key, isReference ? `${root}${value.slice(1)}` : placed(value, root)];
  });
  return Object.fromEntries(entries) as T;
}

function inputOf(name: string, agent: unknown): object {
  const definition = definitionOf(agent);
  return { title: `Input of ${name}`, ...schemaOf(definition && inputCodecOf(definition)) };
}

function operationOf({ method, path, summary, query = {}, body, needs }: Route): object {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => parameter(name ?? '', 'path'));
  const inQuery = Object.entries({
    ...query,
    ...(isAboutStore(path) && { store: 'Which store; the first when left out' }),
  });
  const content = Object.fromEntries((types[path] ?? ['application/json']).map((type) => [type, {}]));
  return {
    summary,
    operationId: operationId(method, path),
    parameters: [...inPath, ...inQuery.map(([name, description]) => parameter(name, 'query', description))],
    ...(body !== undefined && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: { ...jsonSchemaOf(body), additionalProperties: false } } },
      },
    }),
    ...(path === '/import' && { requestBody: { required: true, content: { 'application/gzip': {} } } }),
    responses: {
      [needs === 'write' ? '2XX' : '200']: { description: 'Done, or accepted', content },
      default: {
        description: 'Refused',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/ErrorReply' } } },
      },
    },
  };
}

function isAboutStore(path: string): boolean {
  return /^\/(runs|changes|import|signals|streams)/.test(path);
}

function parameter(name: string, at: 'path' | 'query', description?: string): object {
  return {
    name,
    in: at,
    required: at === 'path',
    ...(description !== undefined && { description }),
    schema: { type: 'string' },
  };
}

function operationId(method: string, path: string): string {
  const words = path.split('/').filter((word) => word !== '');
  const name = words.map((word) => word.replace(/[{}.]/g, ' ').trim()).join(' ');
  return `${method.toLowerCase()} ${name}`.replace(/ +(\w)/g, (_, letter: string) => letter.toUpperCase());
}
