import type { Either } from 'fp-ts/lib/Either';
import { isLeft, isRight, right } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import type { DagStep } from '../../../lib/definition/dag';
import { definitionOf } from '../../../lib/definition/definition';
import type { Source } from '../../../lib/definition/wire';
import { nodeOf } from '../../../lib/definition/wire';

type Codec = t.Type<unknown, unknown>;

/**
 * The form in which a list of outputs is saved: each in the form of its agent. JSON keeps no `undefined` in an array, so a
 * list with gaps is saved as `{ items, gaps }`.
 */
export function listCodec(agent: unknown): Codec {
  const item = definitionOf(agent)?.output;
  return itemsCodec(Array.isArray, () => item);
}

/** The same for a list of a known length, whose items have a codec each, or none. */
export function tupleCodec(codecs: readonly (Codec | undefined)[]): Codec {
  const is = (live: unknown): boolean =>
    Array.isArray(live) &&
    live.length === codecs.length &&
    codecs.every((codec, index) => live[index] === undefined || codec?.is(live[index]) !== false);
  return itemsCodec(is, (index) => codecs[index]);
}

/** The same for a record: what is undefined is left out, as everywhere; nothing is checked that has no codec. */
export function recordCodec(codecs: ReadonlyMap<string, Codec>): Codec {
  const changed = (record: unknown, change: (codec: Codec, value: unknown) => unknown): object => {
    const copy: Record<string, unknown> = { ...(record as object) };
    for (const [key, codec] of codecs) {
      if (copy[key] !== undefined) copy[key] = change(codec, copy[key]);
    }
    return copy;
  };
  const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  return new t.Type<unknown, unknown>(
    'record of outputs',
    (live): live is unknown =>
      isRecord(live) && [...codecs].every(([key, codec]) => live[key] === undefined || codec.is(live[key])),
    (stored, context) => {
      if (!isRecord(stored)) return t.failure(stored, context);
      const errors: t.Errors = [];
      const live = changed(stored, (codec, value) => {
        const decoded = codec.validate(value, context);
        if (isRight(decoded)) return decoded.right;
        errors.push(...decoded.left);
        return undefined;
      });
      return errors.length === 0 ? t.success(live) : t.failures(errors);
    },
    (live) => changed(live, (codec, value) => codec.encode(value)),
  );
}

/** The same for an output that may be missing. */
export function optionalCodec(codec: Codec): Codec {
  return new t.Type<unknown, unknown>(
    `${codec.name} or nothing`,
    (live): live is unknown => live === undefined || codec.is(live),
    (stored, context) => (stored === undefined ? t.success(undefined) : codec.validate(stored, context)),
    (live) => (live === undefined ? undefined : codec.encode(live)),
  );
}

function itemsCodec(is: (live: unknown) => boolean, codecAt: (index: number) => Codec | undefined): Codec {
  return new t.Type<unknown, unknown>(
    'list',
    (live): live is unknown => is(live),
    (stored, context) => {
      const { items, gaps } = listOf(stored);
      if (items === undefined) return t.failure(stored, context);
      if (gaps.size === 0 && items.every((_, index) => codecAt(index) === undefined)) return t.success(items);
      return decodeAll(items, (value, index) => {
        const codec = codecAt(index);
        if (gaps.has(index)) return t.success(undefined);
        if (codec === undefined) return t.success(value);
        return codec.validate(value, t.appendContext(context, String(index), codec));
      });
    },
    (live) => {
      const items = live as readonly unknown[];
      let encoded: unknown[] | undefined;
      const gaps: number[] = [];
      for (const [index, value] of items.entries()) {
        const codec = value === undefined ? undefined : codecAt(index);
        const stored = codec === undefined ? value : codec.encode(value);
        if (stored === undefined) gaps.push(index);
        // A list that stays as it is stays the same list: it may be long.
        if (stored !== value || stored === undefined) (encoded ??= [...items])[index] = stored ?? null;
      }
      const kept = encoded ?? items;
      return gaps.length === 0 ? kept : { items: kept, gaps };
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

/**
 * The form in which the result of a workflow is saved: every output that stands in it as it is in the form of its agent, and
 * in tuples also what is `undefined`, such as the output of a step that was skipped. Undefined when plain JSON does.
 */
export function resultCodec(steps: readonly DagStep[], result: Source): Codec | undefined {
  const node = nodeOf(result);
  if (node?.kind === 'step') {
    const step = steps[node.index];
    const codec = definitionOf(step?.agent)?.output;
    return codec !== undefined && step?.policy.when !== undefined ? optionalCodec(codec) : codec;
  }
  // What was projected, gathered or settled has a form of its own that no agent knows.
  if (node !== undefined) return undefined;
  if (Array.isArray(result)) {
    return tupleCodec((result as readonly Source[]).map((part) => resultCodec(steps, part)));
  }
  const codecs = new Map<string, Codec>();
  for (const [key, part] of Object.entries(result as Readonly<Record<string, Source>>)) {
    const codec = resultCodec(steps, part);
    if (codec !== undefined && key !== '__proto__') codecs.set(key, codec);
  }
  return codecs.size === 0 ? undefined : recordCodec(codecs);
}
