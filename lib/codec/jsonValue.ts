import { inspect } from 'node:util';

import { StateValueError } from '../errors/runErrors';
import { typeName } from './typeName';

/** How deep and how large a value may be. */
export interface JsonLimits {
  /** Most objects and arrays inside one another; 256 when left out. */
  readonly depth?: number;
  /** Most bytes of its JSON text in UTF-8; 16 MiB when left out. */
  readonly bytes?: number;
  /** Where it stands in a larger value: names and positions from the root, each of which is a level too. */
  readonly within?: readonly (string | number)[];
}

/** Bytes that the JSON text of a value may have. */
export const LARGEST_JSON = 16 * 1024 * 1024;

/**
 * The value as it will be after a resume: itself when JSON keeps it unchanged.
 *
 * Where only `undefined` properties, properties that are not enumerable or stand under symbols, `-0` or objects without a prototype stand in the way, the answer is a copy without them: what a dependant sees live is what
 * it would see after a resume. `undefined` as the whole value is legal.
 * Nothing is frozen or changed. Costs about as much as `JSON.stringify`.
 *
 * @param path - Path of the step that gave the value; empty for the run itself. Only used in the error.
 * @throws StateValueError for everything JSON would change, for functions, and beyond the limits; it names the place.
 */
export function jsonValue(value: unknown, path: string, limits: JsonLimits = {}): unknown {
  if (value === undefined) return undefined;
  // A string that is surely short enough needs no walk, as most outputs of text steps.
  if (typeof value === 'string' && value.length + 2 <= (limits.bytes ?? LARGEST_JSON) / 8) return value;
  return measuredJson(value, path, limits).value;
}

/**
 * The same, and how many bytes its JSON text has at most. Where it stands within another value, it may be undefined as a property of
 * that, but not as an item.
 */
export function measuredJson(
  value: unknown,
  path: string,
  { depth = 256, bytes = LARGEST_JSON, within = [] }: JsonLimits,
): { readonly value: unknown; readonly most: number } {
  const walk: Walk = {
    path,
    ancestors: [],
    keys: [...within],
    above: within.length,
    size: 0,
    most: 0,
    depth: depth - within.length,
    bytes,
  };
  if (within.includes('__proto__')) refuse(walk, 'a property named __proto__');
  if (value === undefined) {
    if (typeof within.at(-1) === 'number') refuse(walk, 'undefined inside an array');
    return { value, most: 0 };
  }
  const kept = keep(value, walk);
  // What was counted on the way is a lower bound. Text of much that is short need not be made to know that it fits.
  if (walk.most > bytes && walk.size > bytes / 8 && Buffer.byteLength(JSON.stringify(kept)) > bytes)
    refuse(walk, tooLarge(walk));
  return { value: kept, most: walk.most };
}

/** The JSON text of a plain value without properties named `__proto__`, which nobody would read back; undefined where it has none. */
export function readableText(value: unknown): string | undefined {
  const text = JSON.stringify(value) as string | undefined;
  return text?.includes('"__proto__"') === true
    ? JSON.stringify(value, (key, inner: unknown) => (key === '__proto__' ? undefined : inner))
    : text;
}

interface Walk {
  readonly path: string;
  readonly ancestors: object[];
  readonly keys: (string | number)[];
  /** Levels of the larger value it stands in. */
  readonly above: number;
  /** Bytes of the text, at least: at most 8 times too few. */
  size: number;
  /** Bytes of the text, at most. */
  most: number;
  readonly depth: number;
  readonly bytes: number;
}

function keep(value: unknown, walk: Walk): unknown {
  switch (typeof value) {
    case 'string':
      walk.size += value.length + 2;
      walk.most += value.length * 6 + 3;
      if (walk.size > walk.bytes) refuse(walk, tooLarge(walk));
      return value;
    case 'number':
      walk.size += 2;
      walk.most += digitsOf(value) + 1;
      if (!Number.isFinite(value)) refuse(walk, String(value));
      return Object.is(value, -0) ? 0 : value;
    case 'boolean':
      walk.size += 4;
      walk.most += 6;
      return value;
    case 'object':
      if (value === null) {
        walk.size += 4;
        walk.most += 5;
        return null;
      }
      return Array.isArray(value) ? keepArray(value, walk) : keepObject(value, walk);
    default:
      return refuse(walk, value === undefined ? 'undefined' : `a ${typeof value}`);
  }
}

/** A number that is not whole, or is large, takes up to 25. */
function digitsOf(value: number): number {
  return value >= 0 && value < 10 && Number.isInteger(value)
    ? 1
    : Number.isInteger(value) && value > -1e6 && value < 1e6
      ? 7
      : 25;
}

function keepArray(array: readonly unknown[], walk: Walk): unknown {
  // Array.prototype is an array itself, in every realm; the prototype of a class is not.
  if (!Array.isArray(Object.getPrototypeOf(array))) refuse(walk, typeName(array));
  enter(array, walk);
  const { length } = array;
  const isLong = length > MOST_LISTED;
  let copy: unknown[] | undefined;
  if (!isDense(array)) {
    checkItems(array, Reflect.ownKeys(array), walk);
    copy = [];
  }
  const { keys } = walk;
  const place = keys.push(0) - 1;
  for (let i = 0; i < length; i += 1) {
    keys[place] = i;
    // A descriptor an item takes longer than all the rest of a long list: an item with a getter is read there.
    const before: unknown = isLong ? (array[i] ?? readItem(array, i, walk)) : readItem(array, i, walk);
    const after = keep(before, walk);
    if (copy !== undefined) copy.push(after);
    else if (!Object.is(after, before)) (copy = array.slice(0, i)).push(after);
  }
  keys.pop();
  walk.ancestors.pop();
  return copy ?? array;
}

function keepObject(object: object, walk: Walk): unknown {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== null && prototype !== Object.prototype && !isRootPrototype(prototype as object)) {
    refuse(walk, typeName(object));
  }
  enter(object, walk);
  const keys = Object.keys(object);
  const ownKeys = Reflect.ownKeys(object);
  // JSON leaves out what is not enumerable or stands under a symbol; SDKs hide the id of the request there.
  const hasHidden = ownKeys.length !== keys.length;
  if (hasHidden) checkHidden(object, ownKeys, walk);
  let copy: Record<string, unknown> | undefined = prototype === null || hasHidden ? {} : undefined;
  for (const key of keys) {
    walk.size += key.length + 4;
    walk.most += key.length * 6 + 4;
    walk.keys.push(key);
    if (key === '__proto__') refuse(walk, 'a property named __proto__');
    const before = readProperty(object, key, walk);
    const after = before === undefined ? undefined : keep(before, walk);
    if (copy === undefined && (before === undefined || !Object.is(after, before))) {
      copy = copyBefore(object as Record<string, unknown>, keys, key);
    }
    if (copy !== undefined && after !== undefined) copy[key] = after;
    walk.keys.pop();
  }
  walk.ancestors.pop();
  return copy ?? object;
}

/** The properties that stand before this one, and were kept unchanged. */
function copyBefore(object: Readonly<Record<string, unknown>>, keys: readonly string[], end: string) {
  const copy: Record<string, unknown> = {};
  for (const key of keys) {
    if (key === end) break;
    copy[key] = object[key];
  }
  return copy;
}

function enter(container: object, walk: Walk): void {
  walk.size += 2;
  walk.most += 3;
  if (walk.size > walk.bytes) refuse(walk, tooLarge(walk));
  if (walk.ancestors.length >= walk.depth) {
    refuse(
      walk,
      walk.ancestors.includes(container)
        ? 'part of a cycle'
        : `nested deeper than ${String(walk.depth + walk.above)}`,
    );
  }
  walk.ancestors.push(container);
}

function readItem(array: readonly unknown[], index: number, walk: Walk): unknown {
  const item = readProperty(array, index, walk);
  return item === undefined ? refuse(walk, 'undefined inside an array') : item;
}

function readProperty(object: object, key: string | number, walk: Walk): unknown {
  const property = Object.getOwnPropertyDescriptor(object, key);
  if (property === undefined) return refuse(walk, 'a hole in an array');
  if (property.get !== undefined || property.set !== undefined)
    return refuse(walk, 'a property with a getter or setter');
  return property.value as unknown;
}

function isRootPrototype(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

/** Refuses what is not an item of the array and is not hidden either, and holes: JSON would make them null. */
function checkItems(array: readonly unknown[], ownKeys: readonly (string | symbol)[], walk: Walk): void {
  const keys = Object.keys(array);
  for (let i = 0; i < array.length; i += 1) if (!Object.hasOwn(array, i)) refuse(walk, 'an array with holes');
  if (keys.length > array.length) refuse(walk, 'an array with further properties');
  checkHidden(array, ownKeys, walk);
}

/** A `toJSON` that is hidden would change everything else. */
function checkHidden(container: object, ownKeys: readonly (string | symbol)[], walk: Walk): void {
  if (!ownKeys.includes('toJSON')) return;
  const property = Object.getOwnPropertyDescriptor(container, 'toJSON');
  if (property?.enumerable === true) return;
  if (property?.get !== undefined || typeof property?.value === 'function')
    refuse(walk, 'a value with a toJSON of its own');
}

/** Up to so many items the keys of an array are listed; V8 makes a string of each, which takes 11 s for 7 million. */
const MOST_LISTED = 1_000;

/** How Node shows an array of which no item is to be shown, and that has nothing else. */
const NOTHING_ELSE = /^\[ \.\.\. \d+ more items? \]$/;

/** Whether an array has its items and nothing else. Of a long one, properties that JSON does not see anyway are not looked for. */
function isDense(array: readonly unknown[]): boolean {
  const { length } = array;
  if (length <= MOST_LISTED) return Reflect.ownKeys(array).length === length + 1;
  if (Object.getOwnPropertySymbols(array).length > 0 || Object.hasOwn(array, 'toJSON')) return false;
  // The only way to the other properties that makes no string of each index. Holes show when the items are read.
  if (NOTHING_ELSE.test(inspect(array, BARE))) return true;
  let names = 0;
  // eslint-disable-next-line @typescript-eslint/no-for-in-array -- properties that are no items are what is looked for
  for (const key in array) if (names < length || Object.hasOwn(array, key)) names += 1;
  return names === length;
}

const BARE = {
  maxArrayLength: 0,
  depth: 0,
  customInspect: false,
  breakLength: Infinity,
  colors: false,
  compact: true,
};

function tooLarge(walk: Walk): string {
  return `part of a value larger than ${String(walk.bytes)} bytes`;
}

function refuse(walk: Walk, why: string): never {
  // Every level of a cycle repeats: the first levels say enough.
  const at = walk.keys
    .slice(0, 16)
    .map((key) => (typeof key === 'number' ? `[${String(key)}]` : keyText(key)));
  throw new StateValueError(walk.path, `${at.join('')}${walk.keys.length > 16 ? '…' : ''}`, why);
}

function keyText(key: string): string {
  return /^[\p{L}_$][\p{L}\p{N}_$]{0,63}$/u.test(key) ? `.${key}` : `[${JSON.stringify(key.slice(0, 64))}]`;
}
