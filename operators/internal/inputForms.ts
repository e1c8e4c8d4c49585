import { isStream } from './pullFrom';

/** What stands in a saved input for a stream, which cannot be saved. */
const MARK = '$stream';

/** Whether a saved input holds the mark of a stream, so that it has to be given again. */
export function hasStreamMark(stored: unknown): boolean {
  if (typeof stored !== 'object' || stored === null) return false;
  return isMark(stored) || Object.values(stored).some(hasStreamMark);
}

/**
 * The input as it is saved: a stream in it, however deep in plain records and arrays, is replaced by a mark. The very same
 * value when there is none.
 */
export function withoutStreams(input: unknown): unknown {
  return replaced(input, []);
}

function replaced(value: unknown, above: readonly unknown[]): unknown {
  if (typeof value !== 'object' || value === null || above.includes(value)) return value;
  if (isStream(value)) return { [MARK]: true };
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  if (!isPlain) return value;
  const before: readonly unknown[] = Object.values(value);
  const after = before.map((part) => replaced(part, [...above, value]));
  if (after.every((part, index) => part === before[index])) return value;
  return Array.isArray(value)
    ? after
    : Object.fromEntries(Object.keys(value).map((key, index) => [key, after[index]]));
}

function isMark(value: object): boolean {
  return Object.keys(value).length === 1 && (value as { readonly [MARK]?: unknown })[MARK] === true;
}
