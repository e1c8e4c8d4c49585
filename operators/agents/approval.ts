import type { CheckOf } from '../../lib/codec/schema';
import { codecFrom } from '../../lib/codec/schema';
import type { Agent } from '../../lib/model/agentType';
import type { ApprovalOptions } from './internal/asking';
import { asking } from './internal/asking';

export type { ApprovalOptions } from './internal/asking';

/**
 * Asks somebody outside: the step is SUSPENDED, with its input as the request, until `answer()` is called for it. The output
 * is the answer.
 *
 * When nothing else in the run can go on, the run ends as suspended. Resume it after the answer, weeks later or in another
 * process. An answer that does not fit the codec is logged as a WARNING, and the step goes on waiting.
 *
 * @param check - What an answer looks like: a codec of io-ts, or a schema of zod, valibot, arktype and others.
 * @throws DefinitionError when `timeoutMs` is not at least 0, or the codec is neither of both.
 * @throws ApprovalTimeoutError (the step fails) when the deadline has passed and there is no `onTimeout`.
 * @throws NoRunError in a plain `pipe`.
 *
 * @example
 * ```ts
 * const sign = approval('sign', t.type({ yes: t.boolean }), { timeoutMs: 86_400_000, onTimeout: askTheBoss });
 * ```
 */
export function approval<A, I = unknown, P = never>(
  name: string,
  check: CheckOf<A>,
  options: ApprovalOptions<I, P> = {},
): Agent<I, A | P> {
  return asking(name, codecFrom(name, 'codec of answers', check), options);
}
