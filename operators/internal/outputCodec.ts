import type { Either } from 'fp-ts/lib/Either';
import { isLeft, isRight, right } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import { definitionOf } from '../../lib/graph/definition';

type Codec = t.Type<unknown, unknown>;

/**
 * The form in which a list of outputs is saved: each in the form of its agent. JSON keeps no `undefined` in an array, so a
 * list with gaps is saved as `{ items, gaps }`.
 */
export function listCodec(agent: unknown): Codec {
  const item = definitionOf(agent)?.output;
  return new t.Type<unknown, unknown>(
    'list',
    Array.isArray,
    (stored, context) => {
      const { items, gaps } = listOf(stored);
      if (items === undefined) return t.failure(stored, context);
      if (item === undefined && gaps.size === 0) return t.success(items);
      return decodeAll(items, (value, index) =>
        gaps.has(index)
          ? t.success(undefined)
          : (item ?? t.unknown).validate(value, t.appendContext(context, String(index), item ?? t.unknown)),
      );
    },
    (live) => {
      const items = live as readonly unknown[];
      const encoded = item === undefined ? items : items.map((value) => item.encode(value));
      const gaps = [...encoded.keys()].filter((index) => encoded[index] === undefined);
      return gaps.length === 0 ? encoded : { items: encoded.map((value) => value ?? null), gaps };
    },
  );
}

/** The same for a list of `Either`: what failed is plain data, what succeeded has the form of the agent. */
export function eitherListCodec(agent: unknown): Codec | undefined {
  const item = definitionOf(agent)?.output;
  if (item === undefined) return undefined;
  type List = readonly Either<unknown, unknown>[];
  return new t.Type<unknown, unknown>(
    'list of Either',
    Array.isArray,
    (stored, context) =>
      decodeAll(stored as readonly unknown[], (either) => {
        if (isLeft(either as Either<unknown, unknown>)) return t.success(either);
        const decoded = item.validate((either as { readonly right: unknown }).right, context);
        return isRight(decoded) ? t.success(right(decoded.right)) : decoded;
      }),
    (live) => (live as List).map((either) => (isLeft(either) ? either : right(item.encode(either.right)))),
  );
}

/**
 * The form in which the output of one of several agents is saved, which need not have the same codec: `{ as, value }`, where
 * `as` is the place of the codec. Undefined when none of the agents has one.
 */
export function oneOfCodec(agents: readonly unknown[]): Codec | undefined {
  return oneOf(agents.map((agent) => definitionOf(agent)?.output));
}

/** The same for codecs, or nothing for an agent that has none. */
export function oneOf(all: readonly (Codec | undefined)[]): Codec | undefined {
  // What a codec saves as it is needs none.
  const codecs = all.map((codec) => (codec?.encode === t.identity ? undefined : codec));
  if (codecs.every((codec) => codec === undefined)) return undefined;
  return new t.Type<unknown, unknown>(
    'one of several',
    t.unknown.is,
    (stored, context) => {
      const { as, value } = stored as { readonly as: number; readonly value: unknown };
      return (codecs[as] ?? t.unknown).validate(value, context);
    },
    (live) => {
      const as = codecs.findIndex((codec) => codec?.is(live) === true);
      return { as, value: codecs[as] === undefined ? live : codecs[as].encode(live) };
    },
  );
}

function listOf(stored: unknown): {
  readonly items?: readonly unknown[];
  readonly gaps: ReadonlySet<number>;
} {
  if (Array.isArray(stored)) return { items: stored, gaps: new Set() };
  const { items, gaps } = (stored ?? {}) as { readonly items?: unknown; readonly gaps?: unknown };
  return Array.isArray(items) && Array.isArray(gaps) ? { items, gaps: new Set(gaps) } : { gaps: new Set() };
}

function decodeAll(
  items: readonly unknown[],
  decode: (item: unknown, index: number) => t.Validation<unknown>,
): t.Validation<unknown[]> {
  const values: unknown[] = [];
  for (const [index, item] of items.entries()) {
    const decoded = decode(item, index);
    if (isLeft(decoded)) return decoded;
    values.push(decoded.right);
  }
  return t.success(values);
}
