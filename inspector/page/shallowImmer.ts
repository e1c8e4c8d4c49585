/** A change as Immer describes it. */
export interface Patch {
  readonly op: 'add' | 'remove' | 'replace';
  readonly path: readonly (string | number)[];
  readonly value?: unknown;
}

/** Nothing needs to be enabled. */
export function enablePatches(): void {
  // As Immer wants it.
}

/**
 * Takes the place of Immer in the page, which folds events with the reducer of the project: that changes a run's own record only
 * at its top, and makes the changes of shared states that come with the events. A tenth of the script would be Immer otherwise.
 */
export class Immer {
  /** A copy with changes at its top. */
  produce<T extends object>(base: T, change: (draft: T) => void): T {
    const copy = { ...base };
    change(copy);
    return copy;
  }

  /** A copy with these changes; what they do not touch is shared. */
  applyPatches<T>(base: T, patches: readonly Patch[]): T {
    return patches.reduce<unknown>((value, patch) => patched(value, patch, 0), base) as T;
  }
}

function patched(value: unknown, patch: Patch, depth: number): unknown {
  const { op, path } = patch;
  const key = path[depth];
  if (key === undefined) return patch.value;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<
    string | number,
    unknown
  >;
  if (depth < path.length - 1) copy[key] = patched(copy[key], patch, depth + 1);
  else if (Array.isArray(copy) && op === 'add')
    copy.splice(key === '-' ? copy.length : Number(key), 0, patch.value);
  else if (Array.isArray(copy) && op === 'remove') copy.splice(Number(key), 1);
  else if (op === 'remove') Reflect.deleteProperty(copy, key);
  // Of a list also its length.
  else copy[key] = patch.value;
  return copy;
}
