import type * as t from 'io-ts';

import { typeName } from './typeName';

/**
 * io-ts errors as sentences: where, what was expected, and the *type* of what came, such as
 * `.data expected Array<number>, got object`. Never the value: it may be a secret or megabytes long.
 *
 * The mismatches of the members of a union at one place become one sentence about the union.
 */
export function explain(errors: t.Errors): readonly string[] {
  return [...new Set(errors.map(sentence))];
}

function sentence({ context, message }: t.ValidationError): string {
  const entries: readonly Entry[] = context;
  let at = '';
  let leaf: Entry | undefined = entries[0];
  for (const [i, entry] of entries.slice(1).entries()) {
    // Unions and intersections number their members: those are no places in the value.
    const tag = leaf?.type._tag;
    if (tag === 'UnionType' && entries.slice(i + 1).every(({ actual }) => Object.is(actual, entry.actual)))
      break;
    if (tag !== 'UnionType' && tag !== 'IntersectionType') at += step(entry.key);
    leaf = entry;
  }
  const expected = shorten(leaf?.type.name ?? 'a valid value');
  const why = message === undefined ? '' : ` (${shorten(message)})`;
  return `${at === '' ? 'it' : at} expected ${expected}, got ${typeName(leaf?.actual)}${why}`;
}

interface Entry {
  readonly key: string;
  readonly type: { readonly name: string; readonly _tag?: string };
  readonly actual?: unknown;
}

function step(key: string): string {
  if (/^\d+$/.test(key)) return `[${key}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]{0,63}$/u.test(key) ? `.${key}` : `[${JSON.stringify(key.slice(0, 64))}]`;
}

function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
