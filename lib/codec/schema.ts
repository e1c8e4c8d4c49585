import * as t from 'io-ts';

import { DefinitionError } from '../errors/definitionErrors';
import { typeName } from './typeName';

/**
 * A schema of any library that follows Standard Schema (standardschema.dev): zod from 3.24, valibot from 1, arktype from 2 and
 * others. `In` is what may be given to it, `Out` what it makes of that.
 */
export interface StandardSchema<In = unknown, Out = In> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Out> | Promise<SchemaResult<Out>>;
    readonly types?: { readonly input: In; readonly output: Out } | undefined;
  };
}

type SchemaResult<Out> =
  { readonly value: Out; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What may be given to a schema. */
export type SchemaInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];

/** What a schema makes of what was given to it. */
export type SchemaOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];

/** What checks a value: a schema, or a codec of io-ts. */
export type Check = StandardSchema | t.Any;

/** What makes an `A` of a value, or says why not. */
export type CheckOf<A> = StandardSchema<unknown, A> | t.Type<A, unknown>;

/** What a check makes of what it is given; `T` where there is none. */
export type CheckedBy<C, T = never> = [C] extends [never]
  ? T
  : C extends StandardSchema
    ? SchemaOutput<C>
    : C extends t.Type<infer A, unknown>
      ? A
      : never;

/** What a function has to give where a check follows. */
export type GivenTo<C> = C extends StandardSchema ? SchemaInput<C> : CheckedBy<C>;

/** A codec that checks by a schema. What it has made is saved as it is: a schema knows no way back. */
export class SchemaCodec extends t.Type<unknown, unknown> {
  readonly _tag = 'SchemaCodec' as const;
  readonly schema: StandardSchema;

  constructor(schema: StandardSchema) {
    const { vendor } = schema['~standard'];
    const checked = (value: unknown, context: t.Context): t.Validation<unknown> => {
      const result = schema['~standard'].validate(value);
      if (isPromise(result)) {
        result.then(undefined, () => undefined);
        return t.failure(value, context, 'this schema is asynchronous: make that check inside the agent');
      }
      if (result.issues === undefined) return t.success(result.value);
      return t.failures(result.issues.map((issue) => errorOf(issue, value, context, vendor)));
    };
    super(`${vendor} schema`, t.unknown.is, checked, t.identity);
    this.schema = schema;
  }
}

function isPromise(value: object): value is Promise<unknown> {
  return 'then' in value && typeof value.then === 'function';
}

/** One issue as an error of io-ts, so that there is one way to put errors into words. */
function errorOf(issue: SchemaIssue, root: unknown, context: t.Context, vendor: string): t.ValidationError {
  const keys = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part));
  let actual = root;
  const places = keys.map((key): t.ContextEntry => {
    actual = Object.hasOwn(Object(actual) as object, key)
      ? (actual as Record<PropertyKey, unknown>)[key]
      : undefined;
    return { key: String(key), type: t.unknown, actual };
  });
  const { expected } = issue as { readonly expected?: unknown };
  const isTold = typeof expected === 'string' && expected !== '';
  const leaf = { name: isTold ? expected : `what its ${vendor} schema takes` } as t.Decoder<unknown, unknown>;
  const [last = context[context.length - 1]] = places.slice(-1);
  const before = places.length === 0 ? context.slice(0, -1) : [...context, ...places.slice(0, -1)];
  return {
    value: actual,
    context: [...before, { key: last?.key ?? '', type: leaf, actual }],
    ...(!isTold && { message: withoutValue(issue.message, actual) }),
  };
}

/** Some libraries repeat the value in their message: it may be a secret. */
function withoutValue(message: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') return message;
  const quoted = message
    .replaceAll(JSON.stringify(value), typeName(value))
    .replaceAll(`'${value}'`, typeName(value));
  return value.length < 4 ? quoted : quoted.replaceAll(value, typeName(value));
}

/**
 * The codec behind what a user has given as one: a codec of io-ts as it is, a schema as a codec that checks by it.
 *
 * @param agent - The name of the agent that is being defined, for the error.
 * @param what - What the codec is for: `input`.
 * @throws DefinitionError when it is neither.
 */
export function codecFrom(agent: string, what: string, given: unknown): t.Type<unknown, unknown> {
  // First, because a schema of zod has methods of these names too.
  if (isStandardSchema(given)) return new SchemaCodec(given);
  if (isCodec(given)) return given;
  throw new DefinitionError(
    agent,
    `its ${what} must be a codec of io-ts or a Standard Schema (zod 3.24, valibot 1, arktype 2 and later), got ${notAScheme(given)}`,
  );
}

function isCodec(given: unknown): given is t.Type<unknown, unknown> {
  if (typeof given !== 'object' || given === null) return false;
  const { decode, encode, validate } = given as Readonly<Record<string, unknown>>;
  return typeof decode === 'function' && typeof encode === 'function' && typeof validate === 'function';
}

/** Whether a value is a schema of a library that follows Standard Schema. */
export function isStandardSchema(given: unknown): given is StandardSchema {
  // Those of arktype are functions.
  if ((typeof given !== 'object' && typeof given !== 'function') || given === null) return false;
  const { '~standard': standard } = given as { readonly '~standard'?: unknown };
  if (typeof standard !== 'object' || standard === null) return false;
  const { version, validate } = standard as { readonly version?: unknown; readonly validate?: unknown };
  return version === 1 && typeof validate === 'function';
}

function notAScheme(given: unknown): string {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
    if ('$schema' in given || ('type' in given && typeof given.type === 'string'))
      return 'a JSON Schema; make a schema of it, such as z.fromJSONSchema(…)';
    if ('_def' in given) return 'a schema of a release of zod before 3.24';
  }
  return typeName(given);
}
