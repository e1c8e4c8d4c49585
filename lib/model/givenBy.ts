/**
 * Which of several agents has given an output, and so in whose form it is saved. Plain JSON, on record beside the output, never
 * around it: who reads the output sees what the agent gave.
 */
export type GivenBy =
  /** The id of the alternative that gave it. */
  | string
  /** No agent: a person who answered. */
  | null
  /** Nobody: a policy put it in the place of a step that was left out. */
  | false
  /** The alternative that gave it, and which of its own did. */
  | { readonly id: string; readonly by: GivenBy }
  /** A list: who gave its items, by index; and which items are undefined, which JSON does not keep. */
  | { readonly items?: Readonly<Record<string, GivenBy>>; readonly gaps?: readonly number[] }
  /** A record: who gave its fields. */
  | { readonly fields: Readonly<Record<string, GivenBy>> }
  /** A step that has ended the chain or workflow around it: what it gave is no output of its agent. */
  | { readonly bailed: true };

/** An alternative has given what `by` had given to it. */
export function givenById(id: string, by: GivenBy | undefined): GivenBy {
  return by === undefined ? id : { id, by };
}

/**
 * A list of items.
 *
 * @param givenBy - Who gave each item.
 * @param gaps - Indexes of the items that are undefined.
 */
export function givenByItems(
  givenBy: readonly (GivenBy | undefined)[],
  gaps: readonly number[],
): GivenBy | undefined {
  const items = givenByItemsAt(givenBy.entries())?.items;
  if (items === undefined && gaps.length === 0) return undefined;
  return { ...(items !== undefined && { items }), ...(gaps.length > 0 && { gaps }) };
}

function givenByItemsAt(
  givenBy: Iterable<readonly [index: string | number, GivenBy | undefined]>,
): { readonly items: Readonly<Record<string, GivenBy>> } | undefined {
  const items = present(givenBy);
  return items === undefined ? undefined : { items };
}

/** A record of fields. */
export function givenByFields(
  givenBy: Iterable<readonly [key: string, GivenBy | undefined]>,
): GivenBy | undefined {
  const fields = present(givenBy);
  return fields === undefined ? undefined : { fields };
}

/** Who gave the item at an index, or the field of a name; undefined when that is not on record. */
export function givenByPart(givenBy: GivenBy | undefined, key: string | number): GivenBy | undefined {
  if (typeof givenBy !== 'object' || givenBy === null) return undefined;
  const parts = 'fields' in givenBy ? givenBy.fields : 'items' in givenBy ? givenBy.items : undefined;
  return parts !== undefined && Object.hasOwn(parts, key) ? parts[key] : undefined;
}

/** Indexes of the items of a list that are undefined; undefined when nothing is on record. */
export function gapsOf(givenBy: GivenBy | undefined): readonly number[] | undefined {
  return typeof givenBy === 'object' && givenBy !== null && 'gaps' in givenBy ? givenBy.gaps : undefined;
}

/** The same for a value in which what is undefined has a form of its own. */
export function withoutGaps(givenBy: GivenBy | undefined): GivenBy | undefined {
  if (typeof givenBy !== 'object' || givenBy === null) return givenBy;
  if ('id' in givenBy || 'bailed' in givenBy) return givenBy;
  if ('fields' in givenBy) {
    return givenByFields(Object.entries(givenBy.fields).map(([key, by]) => [key, withoutGaps(by)] as const));
  }
  const { items = {} } = givenBy;
  return givenByItemsAt(Object.entries(items).map(([key, by]) => [key, withoutGaps(by)] as const));
}

/** Whether something read from a file has this form. */
export function isGivenBy(value: unknown): value is GivenBy {
  if (typeof value === 'string' || value === null || value === false) return true;
  if (typeof value !== 'object' || Array.isArray(value)) return false;
  const { id, by, items = {}, gaps = [], fields, bailed } = value as Readonly<Record<string, unknown>>;
  if (bailed !== undefined) return bailed === true;
  if (id !== undefined) return typeof id === 'string' && isGivenBy(by);
  const parts = fields ?? items;
  if (typeof parts !== 'object' || parts === null || !Object.values(parts).every(isGivenBy)) return false;
  return Array.isArray(gaps) && gaps.every((gap) => Number.isSafeInteger(gap));
}

function present(
  givenBy: Iterable<readonly [key: string | number, GivenBy | undefined]>,
): Record<string, GivenBy> | undefined {
  let parts: Record<string, GivenBy> | undefined;
  for (const [key, by] of givenBy) if (by !== undefined) (parts ??= {})[key] = by;
  return parts;
}
