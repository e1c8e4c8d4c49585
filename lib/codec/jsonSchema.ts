import type * as t from 'io-ts';

import { NoJsonSchemaError } from '../errors/definitionErrors';
import { toFailure } from '../model/failure';
import type { StandardSchema } from './schema';
import { isStandardSchema, SchemaCodec } from './schema';

/** A JSON Schema of draft 2020-12. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The JSON Schema of what may be given to a codec or schema, for forms and for the tools of a model.
 *
 * Schemas are asked themselves (`~standard.jsonSchema`: zod from 4.2, arktype from 2.1, valibot through
 * `@valibot/to-json-schema`). For codecs of io-ts it describes the decoded value, as far as it is plain data.
 *
 * @throws NoJsonSchemaError when part of it has no such form, such as a codec written by hand.
 */
export function jsonSchemaOf(given: t.Any | StandardSchema): JsonSchema {
  if (given instanceof SchemaCodec) return ofSchema(given.schema);
  if (isStandardSchema(given)) return ofSchema(given);
  const walk = new CodecWalk();
  const root = walk.of(given);
  return walk.definitions.size === 0 ? root : { ...root, $defs: Object.fromEntries(walk.definitions) };
}

interface DescribesItself {
  readonly jsonSchema?: { readonly input?: (options: { readonly target: string }) => JsonSchema };
}

function ofSchema(schema: StandardSchema): JsonSchema {
  const { vendor, ...standard } = schema['~standard'];
  const { jsonSchema } = standard as DescribesItself;
  if (typeof jsonSchema?.input !== 'function') {
    const how = vendor === 'valibot' ? ': wrap it in toStandardJsonSchema() of @valibot/to-json-schema' : '';
    throw new NoJsonSchemaError(
      `a schema of this release of ${vendor}, which does not describe itself${how}`,
    );
  }
  try {
    return jsonSchema.input({ target: 'draft-2020-12' });
  } catch (error) {
    // Such as of a date: libraries throw errors of their own.
    throw new NoJsonSchemaError(`this schema of ${vendor} (${toFailure(error).message})`);
  }
}

/** The classes of io-ts, as far as they are read here. */
interface Tagged {
  readonly _tag?: string;
  readonly name: string;
  readonly value?: unknown;
  readonly keys?: Readonly<Record<string, unknown>>;
  readonly type?: Tagged;
  readonly types?: readonly Tagged[];
  readonly props?: Readonly<Record<string, Tagged>>;
  readonly domain?: Tagged;
  readonly codomain?: Tagged;
}

const SIMPLE: Readonly<Record<string, JsonSchema>> = {
  StringType: { type: 'string' },
  NumberType: { type: 'number' },
  BooleanType: { type: 'boolean' },
  NullType: { type: 'null' },
  UnknownType: {},
  AnyType: {},
  AnyArrayType: { type: 'array' },
  AnyDictionaryType: { type: 'object' },
  ObjectType: { type: 'object' },
};

/** One walk over a codec; codecs that contain themselves are defined once and referred to. */
class CodecWalk {
  readonly definitions = new Map<string, JsonSchema>();
  readonly #recursive = new Map<Tagged, string>();

  of(codec: Tagged): JsonSchema {
    const tag = codec._tag ?? '';
    const simple = SIMPLE[tag];
    if (simple !== undefined) return simple;
    const { type, types = [], props = {}, codomain, domain } = codec;
    switch (tag) {
      case 'LiteralType':
        return { const: codec.value };
      case 'KeyofType':
        return { enum: Object.keys(codec.keys ?? {}) };
      case 'InterfaceType':
        return this.#object(props, Object.keys(props));
      case 'PartialType':
        return this.#object(props, []);
      case 'ArrayType':
      case 'ReadonlyArrayType':
        if (type !== undefined) return { type: 'array', items: this.of(type) };
        break;
      case 'TupleType': {
        const prefixItems = types.map((item) => this.of(item));
        return { type: 'array', prefixItems, minItems: prefixItems.length, items: false };
      }
      case 'UnionType':
        // A member that is undefined says that the property may be left out.
        return this.#any(types.filter((member) => !isAbsent(member)));
      case 'IntersectionType':
        return this.#all(types);
      case 'DictionaryType':
        if (domain !== undefined && codomain !== undefined) return this.#record(domain, codomain);
        break;
      case 'RefinementType':
        if (codec.name === 'Int') return { type: 'integer' };
        if (type !== undefined) return this.of(type);
        break;
      case 'ReadonlyType':
        if (type !== undefined) return this.of(type);
        break;
      case 'StrictType':
      case 'ExactType':
        if (type !== undefined) return { ...this.of(type), additionalProperties: false };
        return { ...this.#object(props, Object.keys(props)), additionalProperties: false };
      case 'RecursiveType':
        return this.#recursion(codec);
      default:
    }
    throw new NoJsonSchemaError(`the codec "${codec.name}"`);
  }

  #object(props: Readonly<Record<string, Tagged>>, keys: readonly string[]): JsonSchema {
    const required = keys.filter((key) => !mayBeAbsent(props[key]));
    const properties = Object.entries(props).map(([key, codec]) => [key, this.of(codec)] as const);
    return {
      type: 'object',
      properties: Object.fromEntries(properties),
      ...(required.length > 0 && { required }),
    };
  }

  #any(members: readonly Tagged[]): JsonSchema {
    const [only, ...others] = members;
    if (only !== undefined && others.length === 0) return this.of(only);
    return { anyOf: members.map((member) => this.of(member)) };
  }

  /** Objects become one object: two that allow nothing more would refuse each other. */
  #all(members: readonly Tagged[]): JsonSchema {
    const schemas = members.map((member) => this.of(member));
    if (!schemas.every(({ type, properties }) => type === 'object' && properties !== undefined))
      return { allOf: schemas };
    const required = schemas.flatMap((schema) => (schema['required'] as readonly string[] | undefined) ?? []);
    return {
      type: 'object',
      properties: Object.assign({}, ...schemas.map((schema) => schema['properties'])) as object,
      ...(required.length > 0 && { required: [...new Set(required)] }),
      ...(schemas.every((schema) => schema['additionalProperties'] === false) && {
        additionalProperties: false,
      }),
    };
  }

  #record(domain: Tagged, codomain: Tagged): JsonSchema {
    const additionalProperties = this.of(codomain);
    if (domain._tag === 'StringType') return { type: 'object', additionalProperties };
    return { type: 'object', propertyNames: this.of(domain), additionalProperties };
  }

  #recursion(codec: Tagged): JsonSchema {
    let name = this.#recursive.get(codec);
    if (name === undefined) {
      name = this.#nameFor(codec.name);
      this.#recursive.set(codec, name);
      this.definitions.set(name, {});
      if (codec.type === undefined) throw new NoJsonSchemaError(`the codec "${codec.name}"`);
      this.definitions.set(name, this.of(codec.type));
    }
    return { $ref: `#/$defs/${name}` };
  }

  #nameFor(wanted: string): string {
    const base = wanted.replaceAll(/[^A-Za-z0-9_]/g, '_');
    let name = base;
    for (let n = 2; this.definitions.has(name); n += 1) name = `${base}_${String(n)}`;
    return name;
  }
}

function isAbsent({ _tag }: Tagged): boolean {
  return _tag === 'UndefinedType' || _tag === 'VoidType';
}

function mayBeAbsent(codec: Tagged | undefined): boolean {
  if (codec === undefined) return true;
  return isAbsent(codec) || (codec._tag === 'UnionType' && (codec.types ?? []).some(mayBeAbsent));
}
