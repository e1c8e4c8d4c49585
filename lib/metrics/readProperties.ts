/**
 * The same object, which tells when a property is read that it does not have: in plain JavaScript `stats.failure_rate` is undefined,
 * and a rule that compares it never fires. It also tells what is read.
 *
 * @param optional - Properties that may be absent.
 * @param read - Told each property that is read, and what it is.
 * @param missing - Told the name of the property, and one that it has instead, where there is one that is spelled alike.
 */
export function tellingMissing<T extends object>(
  object: T,
  optional: ReadonlySet<string>,
  missing: (name: string, meant: string | undefined) => void,
  read: (name: string, value: unknown) => void = () => undefined,
): T {
  return new Proxy(object, {
    get(target, key, receiver) {
      if (typeof key === 'string' && !(key in target) && !optional.has(key))
        missing(key, namedLike(key, Object.keys(target)));
      const value: unknown = Reflect.get(target, key, receiver);
      if (typeof key === 'string') read(key, value);
      return value;
    },
  });
}

function namedLike(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string): string => text.replace(/[^a-z0-9]/gi, '').toLowerCase();
  return names.find((other) => plain(other) === plain(name));
}
