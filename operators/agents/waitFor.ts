import type { CheckOf } from '../../lib/codec/schema';
import { codecFrom } from '../../lib/codec/schema';
import { checkFunction } from '../../lib/definition/checks';
import type { Agent } from '../../lib/model/agentType';
import type { ApprovalOptions } from './internal/asking';
import { asking } from './internal/asking';

/**
 * Waits for something that happens outside and that nobody addresses to a run: a webhook, a payment. The step is SUSPENDED until a
 * `signal()` of this name comes that fits the codec, and of which `match` says that it is meant; what the signal says is the output. A
 * signal that has come before is taken at once. Each signal goes to one run: the first that waits for it.
 *
 * It waits as `approval` does: the run rests meanwhile, also for weeks, has a deadline with `timeoutMs`, and whoever serves the store
 * goes on with it. `answer()` by the id of the run answers it too.
 *
 * @param check - What a signal says: a schema of zod, valibot, arktype and others, or a codec of io-ts. What does not fit is left for
 * others.
 * @param match - Whether a signal is meant for a step with this input; every one when left out. It must be pure: whoever serves asks
 * it too.
 * @throws DefinitionError when `timeoutMs` is not at least 0, or the codec is neither of both.
 * @throws ApprovalTimeoutError (the step fails) when the deadline has passed and there is no `onTimeout`.
 * @throws NoRunError in a plain `pipe`.
 *
 * @example
 * ```ts
 * const paid = waitFor('paid', t.type({ order: t.string }), ({ order }, input: Order) => order === input.id);
 * await signal('paid', { order: '42' }, { store, ttlMs: 86_400_000 }); // in the webhook
 * ```
 */
export function waitFor<A, I = unknown, P = never>(
  name: string,
  check: CheckOf<A>,
  match?: (signal: A, input: I) => boolean,
  options: ApprovalOptions<NoInfer<I>, P> = {},
): Agent<I, A | P> {
  if (match !== undefined) checkFunction(name, 'match', match);
  return asking(name, codecFrom(name, 'codec of signals', check), options, {
    match: (match ?? (() => true)) as (signal: unknown, input: unknown) => boolean,
  });
}
