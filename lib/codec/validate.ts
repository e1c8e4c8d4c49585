import { isLeft } from 'fp-ts/lib/Either';
import type * as t from 'io-ts';

import { ValidationError } from '../errors/runErrors';
import { typeName } from './typeName';

/**
 * io-ts errors as sentences: where, what was expected, and the *type* of what came, such as
 * `.data expected Array<number>, got object`. Never the value: it may be a secret or megabytes long.
 *
 * The mismatches of the members of a union at one place become one sentence about the union.
 */
export function explain(errors: t.Errors): readonly string[] {
  return [...new Set(errors.map(sentence))];
}

function sentence({ context, message }: t.ValidationError): string {
  const entries: readonly Entry[] = context;
  let at = '';
  let leaf: Entry | undefined = entries[0];
  for (const [i, entry] of entries.slice(1).entries()) {
    // Unions and intersections number their members: those are no places in the value.
    const tag = leaf?.type._tag;
    if (tag === 'UnionType' && entries.slice(i + 1).every(({ actual }) => Object.is(actual, entry.actual)))
      break;
    if (tag !== 'UnionType' && tag !== 'IntersectionType') at += step(entry.key);
    leaf = entry;
  }
  const expected = shorten(leaf?.type.name ?? 'a valid value');
  const why = message === undefined ? '' : ` (${shorten(message)})`;
  return `${at === '' ? 'it' : at} expected ${expected}, got ${typeName(leaf?.actual)}${why}`;
}

interface Entry {
  readonly key: string;
  readonly type: { readonly name: string; readonly _tag?: string };
  readonly actual?: unknown;
}

function step(key: string): string {
  if (/^\d+$/.test(key)) return `[${key}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]{0,63}$/u.test(key) ? `.${key}` : `[${JSON.stringify(key.slice(0, 64))}]`;
}

function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}

/**
 * Decodes a value at a border, such as the input of an agent or the answer of a person.
 *
 * Own properties count, inherited ones do not; a property named `__proto__` is refused before the codec sees it.
 *
 * @param subject - What the value is, for the error: `input of step "sum"`.
 * @throws ValidationError that names the place, what was expected, and the type of what came.
 */
export function validate<A>(codec: t.Decoder<unknown, A>, value: unknown, subject = 'the value'): A {
  const strange = strangeness(value);
  if (strange !== undefined) throw new ValidationError(subject, [strange]);
  const decoded = codec.decode(value);
  if (isLeft(decoded)) throw new ValidationError(subject, explain(decoded.left));
  return decoded.right;
}

/** What makes an object unfit for a codec: io-ts reads inherited properties, and assigns `__proto__`. */
function strangeness(root: unknown): string | undefined {
  if (typeof root !== 'object' || root === null) return undefined;
  const seen = new Set<object>([root]);
  for (const object of seen) {
    const prototype: unknown = Object.getPrototypeOf(object);
    if (!Array.isArray(object) && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      // The instance of a class is the business of its codec; an object made over another object belongs to nobody.
      if (Object.hasOwn(prototype as object, 'constructor')) continue;
      return 'it expected own properties, got an object with inherited ones';
    }
    if (Object.hasOwn(object, '__proto__')) return 'it expected plain data, got a property named __proto__';
    for (const key of Object.keys(object)) {
      const inner = Object.getOwnPropertyDescriptor(object, key)?.value as unknown;
      if (typeof inner === 'object' && inner !== null) seen.add(inner);
    }
  }
  return undefined;
}
