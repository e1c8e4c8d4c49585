import type Redact from '@pinojs/redact';

import type { LogData } from './entry';
import { REDACTED, tidy } from './tidy';

const secret =
  /pass(word|wd|phrase|code)|^pwd$|secret|apikey|authorization|^auth$|cookie|credential|privatekey|accesskey|connectionstring|^bearer$|^jwt$|token$|^sessionid$|^ssn$|^cvv$/;

const known = new Map<string, boolean>();
const KNOWN_AT_MOST = 4096;

/**
 * Whether values under this key are kept out of logs: passwords, keys, tokens, cookies and the like, however they are
 * spelt (`apiKey`, `API_KEY`, `x-api-key`). `tokens` and `maxTokens` are counts and stay readable.
 */
export function isSecretKey(key: string): boolean {
  const answer = known.get(key);
  if (answer !== undefined) return answer;
  const isSecret = key.length <= 256 && secret.test(key.toLowerCase().replace(/[^a-z0-9]/g, ''));
  if (known.size < KNOWN_AT_MOST) known.set(key, isSecret);
  return isSecret;
}

/** What a log keeps out. */
export interface Redaction {
  /** Keys whose values are secret wherever they stand, besides those `isSecretKey` knows. */
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
  const isSecret =
    keys.length === 0
      ? isSecretKey
      : (key: string) => isSecretKey(key) || keys.some((secret) => fits(secret, key));
  const cut = paths.length === 0 ? undefined : pathCutter(paths);

  return (data) => {
    if (data === undefined) return {};
    const plain = tidy(typeof data === 'function' ? answerOf(data as () => unknown) : data, isSecret);
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
