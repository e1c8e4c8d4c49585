import { jsonValue } from '../../../lib/codec/jsonValue';
import type { KeptPatches } from '../../../lib/codec/keptPatches';
import { grownSize, keptPatches } from '../../../lib/codec/keptPatches';
import { typeName } from '../../../lib/codec/typeName';
import { DefinitionError } from '../../../lib/errors/definitionErrors';
import { StateValueError } from '../../../lib/errors/runErrors';
import { InvalidArgumentError } from '../../../lib/model/failure';
import type { RowPatch } from '../../../lib/store/streamRest';

/*
 * What operators take from callbacks and options. In plain JavaScript no compiler checks them, and a time or a key that is none would
 * be remembered for ever.
 */

/** @throws InvalidArgumentError when the key is not a string. */
export function checkedKey(name: string, key: unknown): string {
  if (typeof key === 'string') return key;
  throw new InvalidArgumentError(
    `Cannot remember an item in "${name}": its key is ${shown(key)}`,
    'let the key be a string',
  );
}

/** @throws InvalidArgumentError when the time is not a finite number. */
export function checkedTime(name: string, time: unknown): number {
  if (Number.isFinite(time)) return time as number;
  throw new InvalidArgumentError(
    `Cannot remember an item in "${name}": its time is ${shown(time)}`,
    'let at give epoch milliseconds',
  );
}

/** @throws DefinitionError when the limit is given, or `isNeeded`, and is not a number from `least`. */
export function checkLimit(name: string, what: string, given: unknown, least = 0, isNeeded = false): void {
  if ((given === undefined && !isNeeded) || (typeof given === 'number' && given >= least)) return;
  throw new DefinitionError(name, `${what} must be a number from ${String(least)}, got ${shown(given)}`);
}

/**
 * The value as it is found after a restart.
 *
 * @throws StateValueError when it is not plain JSON.
 */
export function checkedRow(name: string, value: unknown): unknown {
  try {
    return jsonValue(value, name);
  } catch (error) {
    throw ofOperator(name, error);
  }
}

/**
 * Changes of a row as they are found after a restart.
 *
 * @throws StateValueError when they are not plain JSON, or lie too deep in the row.
 */
export function checkedPatches(name: string, patches: readonly RowPatch[]): KeptPatches<RowPatch> {
  try {
    return keptPatches(patches, name);
  } catch (error) {
    throw ofOperator(name, error);
  }
}

/** The size of a row that has grown, as of `grownSize`. @throws StateValueError when it is too large. */
export function checkedSize(name: string, before: number | undefined, added: number, row: unknown): number {
  try {
    return grownSize(before, added, row, name);
  } catch (error) {
    throw ofOperator(name, error);
  }
}

function ofOperator(name: string, error: unknown): unknown {
  return error instanceof StateValueError
    ? new StateValueError(name, error.at, error.why, `"${name}"`)
    : error;
}

function shown(value: unknown): string {
  return typeof value === 'number' ? String(value) : typeName(value);
}
