import { isDeepStrictEqual } from 'node:util';

import type { Patch } from 'immer';
import { enablePatches, Immer } from 'immer';

import type { LogData } from './entry';
import { redactor } from './redact';

enablePatches();
const immer = new Immer({ autoFreeze: false });

/** Who is told that two states differ: any `Logger`. */
export interface MismatchLog {
  warning(component: string, message: string, data?: LogData): void;
}

/**
 * Settles which of two states holds: the actual one, always. When the saved one differs, that is logged as a WARNING with the
 * Immer patches that lead from the saved to the actual state; equal states log nothing.
 *
 * @param saved - Plain data, such as a `RunState` through JSON. Not changed.
 */
export function syncStates<S>(saved: S, actual: S, log: MismatchLog, component = 'state'): S {
  const before = plain(saved);
  const after = plain(actual);
  if (!isDeepStrictEqual(before, after)) {
    const redact = redactor();
    log.warning(component, 'The saved state differs from the actual one; the actual one holds', () =>
      redact({ patches: patchesBetween(before, after) }),
    );
  }
  return actual;
}

/** The changes that lead from one plain value to another one, as Immer patches. */
function patchesBetween(before: unknown, after: unknown): readonly Patch[] {
  const [, patches] = immer.produceWithPatches({ value: before }, (draft) => {
    overwrite(draft, 'value', after);
  });
  return patches.map(({ path, ...patch }) => ({ ...patch, path: path.slice(1) }));
}

/** Makes one place of a draft equal to a value, touching only what differs. */
function overwrite(draft: object, key: string | number, target: unknown): void {
  const holder = draft as Record<string | number, unknown>;
  const current = holder[key];
  if (!isRecord(current) || !isRecord(target) || Array.isArray(current) !== Array.isArray(target)) {
    if (!isDeepStrictEqual(current, target)) holder[key] = target;
    return;
  }
  if (Array.isArray(current) && Array.isArray(target))
    current.length = Math.min(current.length, target.length);
  else for (const gone of Object.keys(current)) if (!(gone in target)) Reflect.deleteProperty(current, gone);
  for (const [inner, value] of Object.entries(target)) overwrite(current, inner, value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** As it would be read from a file: tables become arrays, and what JSON drops is dropped. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : (JSON.parse(JSON.stringify(value)) as unknown);
}
