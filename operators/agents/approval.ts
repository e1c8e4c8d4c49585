import type * as t from 'io-ts';

import type { SchemaOutput, StandardSchema } from '../../lib/codec/schema';
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
 * @param schema - What an answer looks like: a codec of io-ts, or a schema of zod, valibot, arktype and others.
 * @throws DefinitionError when `timeoutMs` is not at least 0, or the codec is neither of both.
 * @throws ApprovalTimeoutError (the step fails) when the deadline has passed and there is no `onTimeout`.
 * @throws NoRunError in a plain `pipe`.
 *
 * @example
 * ```ts
 * const sign = approval('sign', t.type({ yes: t.boolean }), { timeoutMs: 86_400_000, onTimeout: askTheBoss });
 * ```
 */
export function approval<S extends StandardSchema, I = unknown, P = never>(
  name: string,
  schema: S,
  options?: ApprovalOptions<I, P>,
): Agent<I, SchemaOutput<S> | P>;
/** The same with a codec of io-ts. */
export function approval<A, I = unknown, P = never>(
  name: string,
  codec: t.Type<A, unknown>,
  options?: ApprovalOptions<I, P>,
): Agent<I, A | P>;
export function approval<A, I = unknown, P = never>(
  name: string,
  given: unknown,
  options: ApprovalOptions<I, P> = {},
): Agent<I, A | P> {
  return asking(name, codecFrom(name, 'codec of answers', given), options);
}
