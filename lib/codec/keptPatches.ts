import { StateValueError } from '../errors/runErrors';
import type { SharedPatch } from '../model/shared';
import { LARGEST_JSON, measuredJson } from './jsonValue';

/** Changes as they are found after a restart. */
export interface KeptPatches<P extends SharedPatch> {
  readonly patches: readonly P[];
  /** Whether they say what the given ones said. */
  readonly areSame: boolean;
  /** Bytes of JSON that they add, at most. */
  readonly added: number;
}

/**
 * Changes of a value as JSON keeps them: a property that is undefined is none. The levels above a change count as those within it do,
 * so no value gets deeper piece by piece than a whole one may be.
 *
 * @param path - Path of the step, for the error.
 * @throws StateValueError for what JSON would change, and for what lies too deep.
 */
export function keptPatches<P extends SharedPatch>(patches: readonly P[], path: string): KeptPatches<P> {
  const kept: P[] = [];
  let areSame = true;
  let added = 0;
  for (const patch of patches) {
    const { op, path: within } = patch;
    if (op === 'remove') {
      kept.push(patch);
      continue;
    }
    const { value, most } = measuredJson(patch.value, path, { within });
    added += most;
    const key = within.at(-1);
    if (typeof key === 'string') added += key.length * 6 + 4;
    const isSame = value !== undefined && Object.is(value, patch.value);
    areSame &&= isSame;
    if (isSame) kept.push(patch);
    else if (value !== undefined) kept.push({ op, path: within, value } as P);
    else if (op === 'replace') kept.push({ op: 'remove', path: within } as P);
  }
  return { patches: kept, areSame, added };
}

/**
 * Bytes of JSON that a value has at most after `added` more. It is looked at as a whole only where they may be too many.
 *
 * @param before - What this gave for the value before; undefined where that is not known.
 * @throws StateValueError when the value is too large.
 */
export function grownSize(before: number | undefined, added: number, value: unknown, path: string): number {
  const most = (before ?? Infinity) + added;
  if (most <= LARGEST_JSON) return most;
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes > LARGEST_JSON) throw new StateValueError(path, '', `larger than ${String(LARGEST_JSON)} bytes`);
  return bytes;
}
