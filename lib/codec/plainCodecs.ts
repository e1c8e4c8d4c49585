import * as t from 'io-ts';

import { jsonValue } from './jsonValue';

/** Any value that JSON keeps unchanged: what is read back as somebody's input or output. Bounded in depth and size. */
export const Json: t.Type<unknown> = new t.Type<unknown>(
  'a JSON value',
  (value): value is unknown => isJson(value),
  (value, context) => (isJson(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);

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
  const codec = t.array(item as t.Type<T>);
  return new t.Type<readonly T[]>(
    codec.name,
    (value): value is readonly T[] => Array.isArray(value) && value.every((each) => item.is(each)),
    (value, context) =>
      Array.isArray(value) && value.every((each) => item.is(each))
        ? t.success(value)
        : codec.validate(value, context),
    t.identity,
  );
}

/** What a test lets pass, as it is. */
export function guard<T>(name: string, test: (value: unknown) => boolean): t.Type<T> {
  const is = (value: unknown): value is T => test(value);
  return new t.Type<T>(
    name,
    is,
    (value, context) => (is(value) ? t.success(value) : t.failure(value, context)),
    t.identity,
  );
}

function isJson(value: unknown): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true;
  try {
    return Object.is(jsonValue(value, ''), value);
  } catch {
    return false;
  }
}
