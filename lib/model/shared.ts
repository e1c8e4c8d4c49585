import type { Draft } from 'immer';

/** One change of a shared state, as Immer describes it: plain JSON, with the keys and positions from the root of the state. */
export interface SharedPatch {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: readonly (string | number)[];
  readonly value?: unknown;
}

/** The state that the steps of a workflow share: what it begins with, and how it changes. */
export interface SharedOptions<S, A = never> {
  /** What it begins with in every run: plain JSON. */
  readonly initial: S;
  /**
   * What becomes of `context.update(action)` with anything but a function. It changes the draft, or gives the next state. Pure: it is
   * called again when other steps have changed the state meanwhile.
   */
  // eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- what a block without `return` gives
  readonly reduce?: (draft: Draft<NoInfer<S>>, action: A) => NoInfer<S> | void;
}

/** What a row or a run keeps of a shared state that belongs to it. */
export interface SharedValue {
  /** How it stands. */
  readonly shared?: unknown;
  /** What it began with. */
  readonly sharedInitial?: unknown;
}

/** What a row says of shared states. */
interface SharingRow extends SharedValue {
  readonly stepId: string;
  readonly seq?: number;
  readonly updates?: readonly SharedPatch[];
  readonly updated?: string;
}

/** The shared state after these changes, frozen. */
export function patchedShared(shared: unknown, patches: readonly SharedPatch[]): unknown {
  // What is frozen is a copy that belongs to nobody else.
  return frozen(
    withPatches(
      shared,
      patches.map((patch) => ({
        ...patch,
        value: Object.isFrozen(patch.value) ? patch.value : frozenCopy(patch.value),
      })),
    ),
  );
}

/** An object or an array that is being changed. */
type Container = Record<string | number, unknown>;

/**
 * A JSON value after these changes; `base` and the changes stay as they are, and what no change touches is shared.
 *
 * Not Immer's `applyPatches`: that refuses paths through a property called `constructor`, although Immer itself makes them. However
 * many changes there are, a container is copied once.
 *
 * @throws RangeError for a change that does not fit the value.
 */
export function withPatches(base: unknown, patches: readonly SharedPatch[]): unknown {
  const copies = new Set<unknown>();
  // In something that holds it, the whole is changed as its parts are.
  const holder: Container = { '': base };
  for (const patch of patches) {
    const path = ['', ...patch.path];
    if (path.includes('__proto__')) throw misfit(patch);
    const key = path.pop() as string | number;
    let container = holder;
    for (const name of path) {
      const inner = own(container, name);
      if (typeof inner !== 'object' || inner === null) throw misfit(patch);
      if (!copies.has(inner)) {
        container[name] = Array.isArray(inner) ? inner.slice() : { ...inner };
        copies.add(container[name]);
      }
      container = container[name] as Container;
    }
    change(container, key, patch);
  }
  return holder[''];
}

function change(container: Container, key: string | number, { op, value }: SharedPatch): void {
  if (Array.isArray(container) && op !== 'replace')
    if (op === 'remove') container.splice(Number(key), 1);
    else container.splice(key === '-' ? container.length : Number(key), 0, value);
  else if (op === 'remove') Reflect.deleteProperty(container, key);
  // Of a list also its length.
  else container[key] = value;
}

function misfit({ op, path }: SharedPatch): RangeError {
  return new RangeError(`no place for "${op}" at ${path.join('.')}`);
}

/**
 * The shared states of a run, by whose they are, without the updates of steps that no longer count. The empty path is the run's own.
 *
 * A kept update that was made behind one that is gone counts as what it did: a number that it raised by 2 is raised by 2, what it put into
 * a list is put there, a field that it set is set.
 *
 * @param before - All rows, those that are gone among them.
 */
export function sharedWithout(
  run: SharedValue,
  before: Iterable<SharingRow>,
  isGone: (path: string) => boolean,
): ReadonlyMap<string, unknown> {
  const initials = new Map<string, unknown>([['', run.sharedInitial]]);
  const updates = new Map<string, SharingRow[]>();
  for (const row of before) {
    if (row.shared !== undefined) initials.set(row.stepId, row.sharedInitial);
    if (row.updates === undefined) continue;
    const of = row.updated ?? '';
    updates.set(of, [...(updates.get(of) ?? []), row]);
  }
  const left = new Map<string, unknown>();
  for (const [of, rows] of updates) {
    const initial = initials.get(of);
    rows.sort((one, other) => (one.seq ?? 0) - (other.seq ?? 0));
    let whole = initial;
    let kept = initial;
    for (const { stepId, updates: patches = [] } of rows) {
      const next = patchedShared(whole, patches);
      if (!isGone(stepId)) kept = kept === whole ? next : merged(whole, next, kept);
      whole = next;
    }
    left.set(of, frozen(kept));
  }
  return left;
}

/** What becomes of `other` when the change from `before` to `after` is made to it. All of them are JSON. */
function merged(before: unknown, after: unknown, other: unknown): unknown {
  if (isSame(before, after)) return other;
  if (isSame(before, other)) return after;
  if (typeof before === 'number' && typeof after === 'number' && typeof other === 'number')
    return other + (after - before);
  if (Array.isArray(before) && Array.isArray(after) && Array.isArray(other))
    return mergedList(before, after, other);
  if (isRecord(before) && isRecord(after) && isRecord(other)) return mergedRecord(before, after, other);
  return after;
}

function mergedRecord(before: JsonRecord, after: JsonRecord, other: JsonRecord): JsonRecord {
  const result: Record<string, unknown> = { ...other };
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) Reflect.deleteProperty(result, key);
  for (const [key, value] of Object.entries(after)) {
    const was = own(before, key);
    if (was === undefined || !isSame(was, value))
      result[key] = merged(was, value, Object.hasOwn(other, key) ? other[key] : emptyLike(was));
  }
  return result;
}

/** A property may be called as what every object inherits, such as "constructor". */
function own(record: Readonly<Container>, key: string | number): unknown {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** What a field begins with that another step had made, which is gone. */
function emptyLike(value: unknown): unknown {
  if (Array.isArray(value)) return [];
  return typeof value === 'number' ? 0 : isRecord(value) ? {} : undefined;
}

function mergedList(before: readonly unknown[], after: readonly unknown[], other: readonly unknown[]) {
  const least = Math.min(before.length, after.length);
  let start = 0;
  while (start < least && isSame(before[start], after[start])) start += 1;
  let end = 0;
  while (end < least - start && isSame(before.at(-1 - end), after.at(-1 - end))) end += 1;
  const taken = before.slice(start, before.length - end);
  const put = after.slice(start, after.length - end);
  const result = [...other];
  /** Where an item of `before` stands now: at its place, or wherever one like it does. */
  const find = (item: unknown, place: number): number =>
    isSame(result[place], item) ? place : result.findIndex((there) => isSame(there, item));
  if (taken.length === put.length) {
    taken.forEach((item, index) => {
      const found = find(item, start + index);
      const place = found === -1 ? start + index : found;
      if (place < result.length) result[place] = merged(item, put[index], result[place]);
    });
    return result;
  }
  taken.forEach((item, index) => {
    const found = find(item, start + index);
    if (found !== -1) result.splice(found, 1);
  });
  const behind = end === 0 ? result.length : find(before[before.length - end], result.length);
  result.splice(behind === -1 ? Math.min(start, result.length) : behind, 0, ...put);
  return result;
}

type JsonRecord = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether two JSON values are equal, whatever the order of their keys. */
function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (Array.isArray(one))
    return (
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((item, index) => isSame(item, other[index]))
    );
  if (!isRecord(one) || !isRecord(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isSame(one[key], other[key]))
  );
}

/** Freezes a value of our own, however deep. What is frozen already is taken to be frozen below. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) frozen(part);
  return Object.freeze(value);
}

/** A frozen copy of a JSON value, at most 256 levels deep. */
export function frozenCopy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return Object.freeze(value.map(frozenCopy));
  return Object.freeze(
    Object.fromEntries(
      Object.entries(value).map(([key, part]: [string, unknown]) => [key, frozenCopy(part)]),
    ),
  );
}
