import { isLeft } from 'fp-ts/lib/Either';
import type * as t from 'io-ts';

import { explain } from './explain';
import { ValidationError } from './validationError';

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
