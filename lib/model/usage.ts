import { read } from './failure';

/** What work has cost so far. */
export interface Usage {
  /** How many tokens. */
  readonly tokens?: number;
  /** US dollars. */
  readonly usd?: number;
}

/**
 * The usage that a value reports in its field `usage`; undefined when it reports none, or when that cannot be read.
 *
 * Takes `{ tokens, usd }`, and for tokens also the words of the model providers: `totalTokens` or `total_tokens`, or the
 * sum of `inputTokens` and `outputTokens`, `input_tokens` and `output_tokens`, `prompt_tokens` and `completion_tokens`; Anthropic
 * counts what is read from the cache of a prompt, and written into it, beside `input_tokens`.
 */
export function reportedUsage(value: unknown): Usage | undefined {
  const usage = isRecord(value) ? read(value, 'usage') : undefined;
  if (!isRecord(usage)) return undefined;
  const tokens =
    numberIn(usage, 'tokens') ??
    numberIn(usage, 'totalTokens') ??
    numberIn(usage, 'total_tokens') ??
    sumIn(usage, 'inputTokens', 'outputTokens') ??
    sumIn(usage, 'input_tokens', 'output_tokens', ...CACHED) ??
    sumIn(usage, 'prompt_tokens', 'completion_tokens');
  const usd = numberIn(usage, 'usd');
  if (tokens === undefined && usd === undefined) return undefined;
  return { ...(tokens !== undefined && { tokens }), ...(usd !== undefined && { usd }) };
}

const CACHED = ['cache_creation_input_tokens', 'cache_read_input_tokens'] as const;

/** As far as a number goes: what is infinite could not be kept. */
function bounded(sum: number): number {
  return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, sum));
}

/** Both together. */
export function addedUsage(one: Usage | undefined, other: Usage): Usage {
  const tokens = sumOf(one?.tokens, other.tokens);
  const usd = sumOf(one?.usd, other.usd);
  return { ...(tokens !== undefined && { tokens }), ...(usd !== undefined && { usd }) };
}

function sumOf(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined && other === undefined ? undefined : bounded((one ?? 0) + (other ?? 0));
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function numberIn(usage: object, key: string): number | undefined {
  const value = read(usage, key);
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function sumIn(usage: object, ...keys: readonly string[]): number | undefined {
  return keys.map((key) => numberIn(usage, key)).reduce<number | undefined>(sumOf, undefined);
}
