/** What work has cost so far. */
export interface Usage {
  /** How many tokens. */
  readonly tokens?: number;
  /** US dollars. */
  readonly usd?: number;
}

/**
 * The usage that a value reports in its field `usage`; undefined when it reports none.
 *
 * Takes `{ tokens, usd }`, and for tokens also the words of the model providers: `totalTokens` or `total_tokens`, or the
 * sum of `inputTokens` and `outputTokens`, `input_tokens` and `output_tokens`, `prompt_tokens` and `completion_tokens`.
 */
export function reportedUsage(value: unknown): Usage | undefined {
  if (!isRecord(value) || !isRecord(value['usage'])) return undefined;
  const { usage } = value;
  const tokens =
    numberIn(usage, 'tokens') ??
    numberIn(usage, 'totalTokens') ??
    numberIn(usage, 'total_tokens') ??
    sumIn(usage, 'inputTokens', 'outputTokens') ??
    sumIn(usage, 'input_tokens', 'output_tokens') ??
    sumIn(usage, 'prompt_tokens', 'completion_tokens');
  const usd = numberIn(usage, 'usd');
  if (tokens === undefined && usd === undefined) return undefined;
  return { ...(tokens !== undefined && { tokens }), ...(usd !== undefined && { usd }) };
}

/** Both together. */
export function addedUsage(one: Usage | undefined, other: Usage): Usage {
  const tokens = sumOf(one?.tokens, other.tokens);
  const usd = sumOf(one?.usd, other.usd);
  return { ...(tokens !== undefined && { tokens }), ...(usd !== undefined && { usd }) };
}

function sumOf(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined && other === undefined ? undefined : (one ?? 0) + (other ?? 0);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function numberIn(usage: Readonly<Record<string, unknown>>, key: string): number | undefined {
  const value = usage[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function sumIn(usage: Readonly<Record<string, unknown>>, one: string, other: string): number | undefined {
  const [first, second] = [numberIn(usage, one), numberIn(usage, other)];
  return first === undefined && second === undefined ? undefined : (first ?? 0) + (second ?? 0);
}
