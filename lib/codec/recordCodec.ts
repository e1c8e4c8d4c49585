import * as t from 'io-ts';

/** Codecs for the properties of a record that are always there. */
export type Required<T> = { readonly [K in Exclude<keyof T, OptionalKey<T>>]-?: t.Type<T[K], unknown> };

/** Codecs for those that may be absent; one that may hold anything may also hold nothing. */
export type Optional<T> = { readonly [K in OptionalKey<T>]-?: t.Type<Exclude<T[K], undefined>, unknown> };

type OptionalKey<T> = {
  [K in keyof T]-?: unknown extends T[K] ? K : object extends Pick<T, K> ? K : never;
}[keyof T];

/**
 * A codec for a plain record read from a file: own properties only, nothing copied, further properties left alone.
 *
 * Unlike `t.type` it does not look at inherited properties, and a value that fits costs one pass without allocation.
 */
export function recordCodec<T extends object>(
  name: string,
  required: Required<T>,
  optional: Optional<T>,
): t.Type<T> {
  const needed = Object.entries<t.Type<unknown, unknown>>(required as never);
  const possible = Object.entries<t.Type<unknown, unknown>>(optional as never);
  const is = (value: unknown): value is T => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const fields = value as Readonly<Record<string, unknown>>;
    for (const [key, codec] of needed)
      if (!Object.hasOwn(fields, key) || !codec.is(fields[key])) return false;
    for (const [key, codec] of possible)
      if (Object.hasOwn(fields, key) && !codec.is(fields[key])) return false;
    return true;
  };
  return new t.Type<T>(
    name,
    is,
    (value, context) => {
      if (is(value)) return t.success(value);
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        return t.failure(value, context);
      const fields = value as Readonly<Record<string, unknown>>;
      const errors: t.Errors = [];
      for (const [key, codec] of [...needed, ...possible]) {
        const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
        if (field === undefined && !(key in required)) continue;
        const result = codec.validate(field, t.appendContext(context, key, codec, field));
        // One by one: there may be more than a call takes arguments.
        if (result._tag === 'Left') for (const error of result.left) errors.push(error);
      }
      return t.failures(errors);
    },
    t.identity,
  );
}
