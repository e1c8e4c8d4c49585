import type { Patch } from 'immer';

/**
 * What makes the one JSON value of the other, as Immer patches; undefined when the value is better written whole.
 *
 * Applied to `base` the patches give `value` with its properties in the same order: no reader can tell the two apart. Of the
 * libraries for differences none keeps that order, and none stops early when there is little in common. Looks at every part
 * of the value at most once.
 */
export function outputChange(base: unknown, value: unknown): readonly Patch[] | undefined {
  const change: Change = { patches: [], path: [], kept: 0 };
  if (!isContainer(base) || !isContainer(value) || !descend(base, value, change)) return undefined;
  let overhead = LEAST_SAVING;
  for (const { path } of change.patches) {
    overhead += PATCH_BYTES;
    for (const key of path) overhead += String(key).length + 3;
  }
  return change.kept > overhead ? change.patches : undefined;
}

/** Bytes around the path and the value of a patch. */
const PATCH_BYTES = 34;
/** Bytes that a change must save: whoever reads the journal in an editor prefers values that are whole. */
const LEAST_SAVING = 128;
/** Beyond so many patches the value is another one. */
const MOST_PATCHES = 2_000;

interface Change {
  readonly patches: Patch[];
  readonly path: (string | number)[];
  /** Characters that need not be written again. */
  kept: number;
}

type Container = readonly unknown[] | Readonly<Record<string, unknown>>;

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}

/** Compares two containers; false when they have nothing in common, and nothing is noted then. */
function descend(base: Container, value: Container, change: Change): boolean {
  const { length } = change.patches;
  const { kept } = change;
  const isChanged = Array.isArray(base)
    ? Array.isArray(value) && array(base, value, change)
    : !Array.isArray(value) &&
      record(base as Readonly<Record<string, unknown>>, value as Readonly<Record<string, unknown>>, change);
  if (isChanged && (change.kept > kept || change.patches.length === length)) return true;
  change.patches.length = length;
  change.kept = kept;
  return false;
}

function array(base: readonly unknown[], value: readonly unknown[], change: Change): boolean {
  const both = Math.min(base.length, value.length);
  for (let index = 0; index < both; index += 1)
    if (!part(index, base[index], value[index], change)) return false;
  if (base.length > both) note('replace', 'length', both, change);
  for (let index = both; index < value.length && !isOther(change); index += 1)
    note('add', index, value[index], change);
  return !isOther(change);
}

function record(
  base: Readonly<Record<string, unknown>>,
  value: Readonly<Record<string, unknown>>,
  change: Change,
): boolean {
  const keys = Object.keys(value);
  let position = 0;
  for (const key of Object.keys(base)) {
    if (key === keys[position]) {
      position += 1;
      if (!part(key, base[key], value[key], change)) return false;
    } else if (Object.hasOwn(value, key) || isReserved(key)) {
      return false; // The properties stand in another order.
    } else {
      note('remove', key, undefined, change);
      if (isOther(change)) return false;
    }
  }
  for (const key of keys.slice(position)) {
    // A key like "7" would not come last.
    if (isReserved(key) || isIndex(key) || isOther(change)) return false;
    note('add', key, value[key], change);
  }
  return true;
}

/** One part of a container; false when it cannot be named in a patch, or there are too many. */
function part(key: string | number, base: unknown, value: unknown, change: Change): boolean {
  if (typeof key === 'string') change.kept += key.length + 4;
  if (base === value) {
    change.kept += typeof value === 'string' ? value.length + 2 : 4;
    return true;
  }
  if (isContainer(base) && isContainer(value)) {
    change.path.push(key);
    const isDescended = !(typeof key === 'string' && isReserved(key)) && descend(base, value, change);
    change.path.pop();
    if (isDescended) return true;
  }
  if (typeof key === 'string' && isReserved(key)) return false;
  note('replace', key, value, change);
  return !isOther(change);
}

function isOther({ patches }: Change): boolean {
  return patches.length > MOST_PATCHES;
}

function note(op: Patch['op'], key: string | number, value: unknown, { patches, path }: Change): void {
  patches.push(op === 'remove' ? { op, path: [...path, key] } : { op, path: [...path, key], value });
}

/** Keys that no patch may name, ours or one from a file made by somebody else. */
export function isReserved(key: string): boolean {
  return key === '__proto__' || key === 'constructor' || key === 'prototype';
}

function isIndex(key: string): boolean {
  return /^\d+$/.test(key);
}

/** What a property of a record costs beside an item of a list: measured, 0.4 to 1 µs against 0.01 to 0.1 µs. */
const PROPERTY = 16;
/** What each character of a record of the journal pays for. Keeps the reading of any journal below a second a MiB. */
const PAID = 16;

const sizes = new WeakMap<object, number>();

/**
 * Whether a change costs no more than its record pays for: every container that it touches is copied, so a few bytes could
 * otherwise copy a large list again and again.
 *
 * Asked by the writer, which writes the value whole then, and in the same way by the reader, which refuses.
 *
 * @param length - Characters of the record.
 */
export function isAffordable(base: object, patches: readonly Patch[], length: number): boolean {
  const seen = new Set<object>();
  let left = length * PAID;
  for (const { path } of patches) {
    let container: unknown = base;
    for (const key of path) {
      if (typeof container !== 'object' || container === null) break;
      if (!seen.has(container)) {
        seen.add(container);
        left -= costOf(container);
        if (left < 0) return false;
      }
      container = Object.hasOwn(container, key)
        ? (container as Record<string | number, unknown>)[key]
        : undefined;
    }
  }
  return true;
}

function costOf(container: object): number {
  if (Array.isArray(container)) return container.length;
  // Counting takes as long as copying: no object is counted twice.
  let size = sizes.get(container);
  if (size === undefined) sizes.set(container, (size = Object.keys(container).length));
  return size * PROPERTY;
}
