import { types } from 'node:util';

import type { Secrecy } from './secretNames';
import { hideSecrets, mayHoldSecrets, REDACTED } from './secretTexts';

/** How much of a value is copied. */
export interface TidyLimits {
  /** Levels of lists and records within each other. */
  readonly depth: number;
  /** Items and properties altogether. */
  readonly values: number;
  /** Of texts altogether. */
  readonly characters: number;
}

const OF_A_LOG_LINE: TidyLimits = { depth: 12, values: 2_000, characters: 32_768 };
/** For plain JSON: a store keeps at most 256 levels. */
export const WHOLE: TidyLimits = { depth: 300, values: Infinity, characters: Infinity };

/**
 * A copy of anything as plain JSON: finite, small, and without secrets: what stands under secret names, behind them in pairs
 * (`{ name: 'Authorization', value }`, `['token', value]`), and texts that look like credentials, also within JSON texts.
 *
 * Never throws and calls no more of the value's own code than its getters and `toJSON`; what they throw is written down
 * instead. Errors become `{ name, message, code, status, stack, cause, errors }`, Maps, `Headers` and `URLSearchParams`
 * records, Sets arrays; cycles and whatever exceeds the limits, 12 levels, 2,000 values or 32,768 characters when left out, is
 * replaced by a note in brackets.
 */
export function tidy(
  value: unknown,
  secrecyOf: (key: string) => Secrecy,
  limits: TidyLimits = OF_A_LOG_LINE,
): unknown {
  const { values, characters } = limits;
  return copyOf(value, { secrecyOf, above: [], limits, values, characters, hidesTexts: false });
}

interface Work {
  readonly secrecyOf: (key: string) => Secrecy;
  /** The objects around the value in hand, outermost first. */
  readonly above: object[];
  readonly limits: TidyLimits;
  values: number;
  characters: number;
  /** Below a name under which texts are secret and numbers are not. */
  hidesTexts: boolean;
}

function copyOf(value: unknown, work: Work): unknown {
  switch (typeof value) {
    case 'string':
      return work.hidesTexts && value !== '' ? REDACTED : stringOf(value, work);
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
  if (work.above.length >= work.limits.depth) return '[too deep]';
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
  if (types.isRegExp(value)) return textOf(String(value), work);
  if (types.isMap(value)) {
    const fields = fieldsOf(value);
    return recordOf([...fields.keys()], (key) => fields.get(key), work);
  }
  if (types.isSet(value)) return itemsOf(value, value.size, work);
  if (ArrayBuffer.isView(value)) return `[${value.constructor.name} of ${value.byteLength} bytes]`;
  if (types.isAnyArrayBuffer(value)) return `[ArrayBuffer of ${value.byteLength} bytes]`;
  if (types.isPromise(value) || types.isWeakMap(value) || types.isWeakSet(value)) return '[opaque]';
  const toJson: unknown = 'toJSON' in value ? value.toJSON : undefined;
  if (typeof toJson === 'function') return copyOf(toJson.call(value), work);
  if (isEntryList(value)) {
    const fields = joined(value);
    return recordOf([...fields.keys()], (key) => fields.get(key), work);
  }
  return recordOf(Object.keys(value), (key) => (value as Record<string, unknown>)[key], work);
}

function itemsOf(items: Iterable<unknown>, size: number, work: Work): unknown[] {
  const copy: unknown[] = [];
  let before: unknown;
  for (const item of items) {
    if (work.values <= 0) {
      copy.push(`[${size - copy.length} more]`);
      break;
    }
    work.values -= 1;
    const secrecy = typeof before === 'string' ? secrecyAfter(before, copy.length, size, work) : 'none';
    copy.push(hidden(item, secrecy, work) ?? null);
    before = item;
  }
  return copy;
}

/** Lists hold names and values too: `['token', 'x']`, the `rawHeaders` of Node, `['--token', 'x']`. */
function secrecyAfter(name: string, index: number, size: number, work: Work): Secrecy {
  const isName = size % 2 === 0 ? index % 2 === 1 || name.startsWith('-') : name.startsWith('-');
  return isName ? work.secrecyOf(name) : 'none';
}

function recordOf(
  keys: readonly string[],
  read: (key: string) => unknown,
  work: Work,
): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  const named = keys.length < 2 ? 'none' : namedSecrecy(keys, read, work);
  for (const key of keys) {
    if (work.values <= 0) {
      copy['…'] = '[more]';
      break;
    }
    work.values -= 1;
    const own = work.secrecyOf(key);
    const value = valueOf(key, read, own === 'none' && valueKeys.has(key.toLowerCase()) ? named : own, work);
    if (value === undefined) continue;
    // Assigning `__proto__` would change the prototype instead.
    if (key === '__proto__') Object.defineProperty(copy, key, { value, enumerable: true });
    else copy[hideSecrets(key.length > 256 ? `${key.slice(0, 256)}…` : key)] = value;
  }
  return copy;
}

const nameKeys = new Set([
  'name',
  'key',
  'header',
  'field',
  'param',
  'parameter',
  'property',
  'attribute',
  'label',
  'k',
  'id',
  'variable',
  'type',
  'title',
  'kind',
]);
const valueKeys = new Set([
  'value',
  'values',
  'val',
  'v',
  'content',
  'data',
  'text',
  'default',
  'plaintext',
  'current',
  'from',
  'to',
]);

/** How secret the `value` is beside its `name`, or behind the `path` of a patch. */
function namedSecrecy(keys: readonly string[], read: (key: string) => unknown, work: Work): Secrecy {
  if (!keys.some((key) => valueKeys.has(key.toLowerCase()))) return 'none';
  for (const key of keys) {
    const lower = key.toLowerCase();
    if (!nameKeys.has(lower) && lower !== 'path') continue;
    const name = quietly(() => read(key));
    const parts = Array.isArray(name)
      ? name
      : lower === 'path' && typeof name === 'string' && name.startsWith('/')
        ? name.split(/[/.]/)
        : [name];
    for (const part of parts) {
      const secrecy = typeof part === 'string' ? work.secrecyOf(part) : 'none';
      if (secrecy !== 'none') return secrecy;
    }
  }
  return 'none';
}

function quietly(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** Nothing at all is no secret, and it helps to see that it was missing. */
function hidden(value: unknown, secrecy: Secrecy, work: Work): unknown {
  if (secrecy === 'none') return copyOf(value, work);
  if (value === undefined || value === null || value === '') return value;
  if (secrecy === 'always') return REDACTED;
  const before = work.hidesTexts;
  work.hidesTexts = true;
  try {
    return copyOf(value, work);
  } finally {
    work.hidesTexts = before;
  }
}

function valueOf(key: string, read: (key: string) => unknown, secrecy: Secrecy, work: Work): unknown {
  try {
    return hidden(read(key), secrecy, work);
  } catch (error) {
    return secrecy === 'none' ? unreadable(error, work) : '[unreadable]';
  }
}

/** Also one of another realm, such as those of Node itself under Jest. */
function isError(value: object): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

/** What tells most first. Many of these are not enumerable, or live on the class. */
function keysOf(error: Error): readonly string[] {
  const keys = new Set(['name', 'message']);
  for (const key of ['code', 'status', 'statusCode']) if (key in error) keys.add(key);
  for (const key of Object.keys(error)) keys.add(key);
  keys.add('stack');
  for (const key of ['cause', 'errors']) if (key in error) keys.add(key);
  return [...keys];
}

/** `Headers`, `URLSearchParams`, `FormData`, also of another realm or package. */
function isEntryList(value: object): value is Iterable<readonly [string, unknown]> {
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  return (tag === 'Headers' || tag === 'URLSearchParams' || tag === 'FormData') && Symbol.iterator in value;
}

/** A name that comes several times has all its values. */
function joined(entries: Iterable<readonly [string, unknown]>): ReadonlyMap<string, unknown> {
  const fields = new Map<string, unknown>();
  for (const [name, value] of entries) {
    const before = fields.get(name);
    fields.set(
      name,
      before === undefined ? value : [...(Array.isArray(before) ? (before as unknown[]) : [before]), value],
    );
    if (fields.size > OF_A_LOG_LINE.values) break;
  }
  return fields;
}

function fieldsOf(map: ReadonlyMap<unknown, unknown>): ReadonlyMap<string, unknown> {
  const fields = new Map<string, unknown>();
  for (const [key, value] of map) {
    fields.set(
      typeof key === 'string' || typeof key === 'number' ? String(key) : `[${typeof key} ${fields.size}]`,
      value,
    );
    if (fields.size > OF_A_LOG_LINE.values) break;
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

/** A text, or the same JSON without its secrets where it is the JSON of something. */
function stringOf(text: string, work: Work): string {
  if (
    text.length < 6 ||
    text.length > work.limits.characters ||
    !/^\s*[[{"]/.test(text) ||
    !mayHoldSecrets(text)
  )
    return textOf(text, work);
  try {
    const value: unknown = JSON.parse(text);
    const plain = JSON.stringify(copyOf(value, { ...work, above: [...work.above] }));
    return textOf(plain.includes(REDACTED) ? plain : text, work);
  } catch {
    return textOf(text, work);
  }
}

/** Cut with room to spare before secrets are looked for: half a secret looks like none. */
const SPARE = 4_096;

function textOf(text: string, work: Work): string {
  const room = Math.max(0, work.characters);
  const shown = hideSecrets(text.length <= room + SPARE ? text : text.slice(0, room + SPARE));
  work.characters -= Math.min(text.length, room + SPARE);
  return text.length <= room ? shown : `${shown.slice(0, room)}… [${text.length} characters]`;
}
