import type Redact from '@pinojs/redact';

import type { Secrecy } from '../model/secrets/secretNames';
import { secrecyOf } from '../model/secrets/secretNames';
import { REDACTED } from '../model/secrets/secretTexts';
import type { LogData } from './entry';
import { tidy } from '../model/secrets/tidy';

/** What a log keeps out. */
export interface Redaction {
  /** Keys whose values are secret wherever they stand, besides those that `isSecretKey` knows. */
  readonly keys?: readonly (string | RegExp)[];
  /** Places in `data` that are secret, such as `user.card`, `users[*].iban` or `headers["x-id"]`. */
  readonly paths?: readonly string[];
}

/**
 * A function that makes the `data` of an entry: resolved, copied, plain, and without secrets.
 *
 * @throws Error when a path cannot be read.
 */
export function redactor({ keys = [], paths = [] }: Redaction = {}): (
  data?: LogData,
) => Record<string, unknown> {
  const secrecy =
    keys.length === 0
      ? secrecyOf
      : (key: string): Secrecy => (keys.some((secret) => fits(secret, key)) ? 'always' : secrecyOf(key));
  const cut = paths.length === 0 ? undefined : pathCutter(paths);

  return (data) => {
    if (data === undefined) return {};
    const plain = tidy(typeof data === 'function' ? answerOf(data as () => unknown) : data, secrecy);
    const record = isPlainRecord(plain) ? plain : plain === undefined ? {} : { value: plain };
    return cut === undefined ? record : cut(record);
  };
}

function fits(secret: string | RegExp, key: string): boolean {
  if (typeof secret === 'string') return secret.toLowerCase() === key.toLowerCase();
  secret.lastIndex = 0;
  return secret.test(key);
}

/** What a lazy `data` gives, or the note that it failed. */
function answerOf(make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    return { unreadable: error };
  }
}

function isPlainRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function pathCutter(paths: readonly string[]): (record: Record<string, unknown>) => Record<string, unknown> {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only when paths are given
  const redactPaths = require('@pinojs/redact') as typeof Redact;
  return redactPaths({
    paths: [...paths],
    censor: REDACTED,
    serialize: (record: unknown) => record,
  }) as unknown as (record: Record<string, unknown>) => Record<string, unknown>;
}
