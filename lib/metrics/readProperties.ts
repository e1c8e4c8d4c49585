/**
 * The same object, which tells when a property is read that it does not have: in plain JavaScript `stats.failure_rate` is undefined,
 * and a rule that compares it never fires.
 *
 * @param optional - Properties that may be absent.
 * @param missing - Told the name of the property, and one that it has instead, where there is one that is spelled alike.
 */
export function tellingMissing<T extends object>(
  object: T,
  optional: ReadonlySet<string>,
  missing: (name: string, meant: string | undefined) => void,
): T {
  return new Proxy(object, {
    get(target, key, receiver) {
      if (typeof key === 'string' && !(key in target) && !optional.has(key))
        missing(key, namedLike(key, Object.keys(target)));
      return Reflect.get(target, key, receiver) as unknown;
    },
  });
}

function namedLike(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string): string => text.replace(/[^a-z0-9]/gi, '').toLowerCase();
  return names.find((other) => plain(other) === plain(name));
}
