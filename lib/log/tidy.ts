import { types } from 'node:util';

/** What takes the place of a secret. */
export const REDACTED = '[redacted]';

const DEPTH = 12;
const VALUES = 2_000;
const CHARACTERS = 32_768;

/**
 * A copy of anything as plain JSON: finite, small, and without what stands under secret keys.
 *
 * Never throws and calls no more of the value's own code than its getters and `toJSON`; what they throw is written down
 * instead. Errors become `{ name, message, stack, cause }`, Maps records, Sets arrays; cycles and whatever exceeds 12 levels,
 * 2,000 values or 32,768 characters is replaced by a note in brackets.
 */
export function tidy(value: unknown, isSecret: (key: string) => boolean): unknown {
  return copyOf(value, { isSecret, above: [], values: VALUES, characters: CHARACTERS });
}

interface Work {
  readonly isSecret: (key: string) => boolean;
  /** The objects around the value in hand, outermost first. */
  readonly above: object[];
  values: number;
  characters: number;
}

function copyOf(value: unknown, work: Work): unknown {
  switch (typeof value) {
    case 'string':
      return textOf(value, work);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'boolean':
    case 'undefined':
      return value;
    case 'bigint':
      return textOf(`${value}n`, work);
    case 'symbol':
      return textOf(String(value), work);
    case 'function':
      return '[function]';
    case 'object':
      return value === null ? null : guarded(value, work);
  }
}

function guarded(value: object, work: Work): unknown {
  if (work.above.includes(value)) return '[circular]';
  if (work.above.length >= DEPTH) return '[too deep]';
  work.above.push(value);
  try {
    return objectOf(value, work);
  } catch (error) {
    return unreadable(error, work);
  } finally {
    work.above.pop();
  }
}

function objectOf(value: object, work: Work): unknown {
  if (Array.isArray(value)) return itemsOf(value, value.length, work);
  if (isError(value)) return recordOf(keysOf(value), (key) => value[key as keyof Error], work);
  if (types.isDate(value)) return Number.isNaN(value.getTime()) ? '[invalid date]' : value.toISOString();
  if (types.isMap(value)) {
    const fields = fieldsOf(value);
    return recordOf([...fields.keys()], (key) => fields.get(key), work);
  }
  if (types.isSet(value)) return itemsOf(value, value.size, work);
  if (ArrayBuffer.isView(value)) return `[${value.constructor.name} of ${value.byteLength} bytes]`;
  if (types.isPromise(value) || types.isWeakMap(value) || types.isWeakSet(value)) return '[opaque]';
  const toJson: unknown = 'toJSON' in value ? value.toJSON : undefined;
  if (typeof toJson === 'function') return copyOf(toJson.call(value), work);
  return recordOf(Object.keys(value), (key) => (value as Record<string, unknown>)[key], work);
}

function itemsOf(items: Iterable<unknown>, size: number, work: Work): unknown[] {
  const copy: unknown[] = [];
  for (const item of items) {
    if (work.values <= 0) {
      copy.push(`[${size - copy.length} more]`);
      break;
    }
    work.values -= 1;
    copy.push(copyOf(item, work) ?? null);
  }
  return copy;
}

function recordOf(
  keys: readonly string[],
  read: (key: string) => unknown,
  work: Work,
): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key of keys) {
    if (work.values <= 0) {
      copy['…'] = '[more]';
      break;
    }
    work.values -= 1;
    const value = work.isSecret(key) ? secretOf(key, read) : valueOf(key, read, work);
    if (value === undefined) continue;
    // Assigning `__proto__` would change the prototype instead.
    if (key === '__proto__') Object.defineProperty(copy, key, { value, enumerable: true });
    else copy[key.length > 256 ? `${key.slice(0, 256)}…` : key] = value;
  }
  return copy;
}

/** Nothing at all is no secret, and it helps to see that it was missing. */
function secretOf(key: string, read: (key: string) => unknown): unknown {
  try {
    const value = read(key);
    return value === undefined || value === null || value === '' ? value : REDACTED;
  } catch {
    return '[unreadable]';
  }
}

function valueOf(key: string, read: (key: string) => unknown, work: Work): unknown {
  try {
    return copyOf(read(key), work);
  } catch (error) {
    return unreadable(error, work);
  }
}

/** Also one of another realm, such as those of Node itself under Jest. */
function isError(value: object): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

function keysOf(error: Error): readonly string[] {
  return [
    ...new Set(['name', 'message', ...Object.keys(error), 'stack', ...('cause' in error ? ['cause'] : [])]),
  ];
}

function fieldsOf(map: ReadonlyMap<unknown, unknown>): ReadonlyMap<string, unknown> {
  const fields = new Map<string, unknown>();
  for (const [key, value] of map) {
    fields.set(
      typeof key === 'string' || typeof key === 'number' ? String(key) : `[${typeof key} ${fields.size}]`,
      value,
    );
    if (fields.size > VALUES) break;
  }
  return fields;
}

function unreadable(error: unknown, work: Work): string {
  try {
    return textOf(`[unreadable: ${error instanceof Error ? error.message : String(error)}]`, work);
  } catch {
    return '[unreadable]';
  }
}

function textOf(text: string, work: Work): string {
  const room = Math.max(0, work.characters);
  work.characters -= text.length;
  return text.length <= room ? text : `${text.slice(0, room)}… [${text.length} characters]`;
}
