import type { RunEvent } from '../../lib/model/event';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { Usage } from '../../lib/model/usage';
import { reportedUsage } from '../../lib/model/usage';
import { readOf } from './anthropic';
import type { ModelPrice } from './model';

/**
 * Reads what work has cost off the answers of models, by a table of prices in US dollars for a million tokens: the `usage` of a
 * `budget`. For answers of an SDK as they are, `{ model, usage }`; models of this entry know their own `price`.
 *
 * A price is for the model of its name, and for its dated versions, `gpt-5-2026-01-31`, and `-latest`, not for others whose names begin
 * with it, such as `gpt-5-pro`; of several the longest name counts. An answer
 * that names no model has the price of its agent's name. What has `usage.usd` already costs that.
 *
 * @throws InvalidArgumentError for a price that is none; as an error of the stream where tokens have no price: they would be free.
 *
 * @example
 * ```ts
 * run(report, book).pipe(budget({ usd: 0.5, usage: priced({ 'gpt-5': { input: 1.25, output: 10 } }) }));
 * ```
 */
export function priced(
  prices: Readonly<Record<string, ModelPrice>>,
): (value: unknown, event: RunEvent) => Usage | undefined {
  const table = Object.entries(prices).sort(([a], [b]) => b.length - a.length);
  for (const [name, { input, output }] of table) {
    if (!(input >= 0 && output >= 0))
      throw new InvalidArgumentError(
        `Cannot price the tokens of model "${name}"`,
        'give `input` and `output` in US dollars for a million tokens, 0 or more',
      );
  }
  return (value, event) => {
    const reported = reportedUsage(value);
    if (reported === undefined || reported.usd !== undefined) return reported;
    const { model, usage } = value as {
      readonly model?: unknown;
      readonly usage: Readonly<Record<string, unknown>>;
    };
    const name = typeof model === 'string' ? model : 'agent' in event ? event.agent : '';
    const [, price] =
      table.find(([known]) => name.startsWith(known) && VERSION.test(name.slice(known.length))) ?? [];
    if (price === undefined)
      throw new InvalidArgumentError(
        `Cannot price ${String(reported.tokens)} tokens of model "${name}": it has no price`,
        'give one, 0 where they are free',
      );
    const output = countIn(usage, 'outputTokens', 'output_tokens', 'completion_tokens');
    const input = countIn(usage, 'inputTokens', 'input_tokens', 'prompt_tokens');
    if (input === undefined && output === undefined)
      throw new InvalidArgumentError(
        `Cannot price ${String(reported.tokens)} tokens of model "${name}": which of them it has read is not said`,
        'let the usage say inputTokens and outputTokens',
      );
    // Only Anthropic counts what is cached beside the input.
    const charged = typeof usage['input_tokens'] === 'number' ? readOf(usage)?.charged : input;
    return { ...reported, usd: ((charged ?? 0) * price.input + (output ?? 0) * price.output) / 1_000_000 };
  };
}

/** Nothing, a date as providers write it, or `latest`. `gpt-5-pro` and `gpt-5-1` are other models than `gpt-5`, at other prices. */
const VERSION = /^(?:-\d{3,}(?:-\d+)*|-latest)?$/;

function countIn(usage: Readonly<Record<string, unknown>>, ...names: readonly string[]): number | undefined {
  const name = names.find((one) => typeof usage[one] === 'number');
  return name === undefined ? undefined : (usage[name] as number);
}
