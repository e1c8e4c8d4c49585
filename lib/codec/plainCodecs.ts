import type * as t from 'io-ts';

import { asCodec, failure, failures, guard, identity, success, within } from './codec';
import { jsonValue } from './jsonValue';

/** Any value that JSON keeps unchanged: what is read back as somebody's input or output. Bounded in depth and size. */
export const Json: t.Type<unknown> = guard('a JSON value', isJson);

/** A text. */
export const Text: t.Type<string> = guard('string', (value) => typeof value === 'string');

/** Yes or no. */
export const Flag: t.Type<boolean> = guard('boolean', (value) => typeof value === 'boolean');

/** What is said by being there. */
export const True: t.Type<true> = guard('true', (value) => value === true);

/** A whole number from 0 that a double holds exactly. */
export const Count: t.Type<number> = guard(
  'a whole number',
  (value) => Number.isSafeInteger(value) && (value as number) >= 0,
);

/** A moment in epoch milliseconds that a Date can hold. */
export const Moment: t.Type<number> = guard(
  'a moment in milliseconds',
  (value) => typeof value === 'number' && Math.abs(value) <= 8.64e15,
);

/** A number that is neither NaN nor infinite. */
export const Finite: t.Type<number> = guard('a finite number', Number.isFinite);

/** One of these words. */
export function oneOf<W extends string>(words: Readonly<Record<W, true>>): t.Type<W> {
  return guard(
    Object.keys(words).join(' | '),
    (value) => typeof value === 'string' && Object.hasOwn(words, value),
  );
}

/** A list, checked without being copied. */
export function listOf<T>(item: t.Type<T, unknown>): t.Type<readonly T[]> {
  const is = (value: unknown): value is readonly T[] =>
    Array.isArray(value) && value.every((each) => item.is(each));
  return asCodec<readonly T[]>(
    `Array<${item.name}>`,
    is,
    (value, context) => {
      if (is(value)) return success(value);
      if (!Array.isArray(value)) return failure(value, context);
      const items: T[] = [];
      const errors: t.ValidationError[] = [];
      for (const [index, each] of (value as readonly unknown[]).entries()) {
        const result = item.validate(each, within(context, String(index), item, each));
        if (result._tag === 'Right') items.push(result.right);
        else for (const error of result.left) errors.push(error);
      }
      return errors.length === 0 ? success(items) : failures(errors);
    },
    identity,
  );
}

/** Either of the two. */
export function either<A, B>(one: t.Type<A>, other: t.Type<B>): t.Type<A | B> {
  const both = [one, other] as readonly t.Type<A | B>[];
  const is = (value: unknown): value is A | B => both.some((each) => each.is(value));
  const codec = asCodec<A | B>(
    `(${one.name} | ${other.name})`,
    is,
    (value, context) => {
      if (is(value)) return success(value);
      const results = both.map((each, index) =>
        each.validate(value, within(context, String(index), each, value)),
      );
      return (
        results.find(({ _tag }) => _tag === 'Right') ??
        failures(results.flatMap((result) => (result._tag === 'Left' ? result.left : [])))
      );
    },
    identity,
  );
  // Its members are no places in the value: `explain` looks for what io-ts calls a union.
  return Object.assign(codec, { _tag: 'UnionType' });
}

function isJson(value: unknown): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true;
  try {
    return Object.is(jsonValue(value, ''), value);
  } catch {
    return false;
  }
}
