import type * as t from 'io-ts';

/**
 * What io-ts calls a type, for what is checked here: io-ts itself is one file that no bundler takes apart, so whoever bundles
 * what has no codec of io-ts would load all of it.
 */
export class Codec<A, O = A> implements t.Type<A, O> {
  declare readonly _A: A;
  declare readonly _O: O;
  declare readonly _I: unknown;

  readonly name: string;
  readonly is: t.Is<A>;
  readonly validate: t.Validate<unknown, A>;
  readonly encode: t.Encode<A, O>;
  readonly pipe = piped as t.Type<A, O>['pipe'];

  constructor(name: string, is: t.Is<A>, validate: t.Validate<unknown, A>, encode: t.Encode<A, O>) {
    this.name = name;
    this.is = is;
    this.validate = validate;
    this.encode = encode;
  }

  decode(value: unknown): t.Validation<A> {
    return this.validate(value, [{ key: '', type: this, actual: value }]);
  }

  asDecoder(): t.Decoder<unknown, A> {
    return this;
  }

  asEncoder(): t.Encoder<A, O> {
    return this;
  }
}

/** The same as what io-ts calls one. */
export function asCodec<A, O = A>(...given: ConstructorParameters<typeof Codec<A, O>>): t.Type<A, O> {
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- nobody asks what made it, see isCodec()
  return new Codec<A, O>(...given);
}

function piped(
  this: t.Type<unknown, unknown>,
  next: t.Type<unknown, unknown>,
  name = `pipe(${this.name}, ${next.name})`,
): t.Type<unknown, unknown> {
  return asCodec<unknown>(
    name,
    next.is,
    (value, context) => {
      const validated = this.validate(value, context);
      return validated._tag === 'Left' ? validated : next.validate(validated.right, context);
    },
    (value) => this.encode(next.encode(value)),
  );
}

export const identity = <A>(value: A): A => value;

export const isAny = (_value: unknown): _value is unknown => true;

export const success = <A>(value: A): t.Validation<A> => ({ _tag: 'Right', right: value });

export const failures = <A>(errors: t.Errors): t.Validation<A> => ({ _tag: 'Left', left: errors });

export const failure = <A>(value: unknown, context: t.Context, message?: string): t.Validation<A> =>
  failures([{ value, context, ...(message !== undefined && { message }) }]);

/** Where a part of a value stands. */
export const within = (
  context: t.Context,
  key: string,
  type: t.ContextEntry['type'],
  actual?: unknown,
): t.Context => [...context, { key, type, actual }];

/** What a test lets pass, as it is. */
export function guard<T>(name: string, test: (value: unknown) => boolean): t.Type<T> {
  const is = test as (value: unknown) => value is T;
  return asCodec<T>(
    name,
    is,
    (value, context) => (is(value) ? success(value) : failure(value, context)),
    identity,
  );
}

/** A value that any codec of io-ts is, whichever copy of it has made it. */
export function isCodec(given: unknown): given is t.Type<unknown, unknown> {
  if (typeof given !== 'object' || given === null) return false;
  const { decode, encode, validate } = given as Readonly<Record<string, unknown>>;
  return typeof decode === 'function' && typeof encode === 'function' && typeof validate === 'function';
}
