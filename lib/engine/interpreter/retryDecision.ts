import { yesOrNo } from '../../definition/checks';
import type { RetryPolicy, StepPolicy } from '../../model/agentType';
import type { Failure } from '../../model/failure';
import { InvalidArgumentError } from '../../model/failure';

/** What follows a failed attempt: another one after so many milliseconds, or nothing. */
export type RetryDecision = { readonly delayMs: number } | 'give up';

/**
 * Whether and when a failed attempt is repeated. May call functions of the user's.
 *
 * @param tries - Attempts that have begun in this life, the failed one included.
 */
export function retryDecision(policy: StepPolicy, failure: Failure, tries: number): RetryDecision {
  const { count, delayMs = 0, retryIf } = retryPolicyOf(policy);
  if (!failure.retryable || tries > count) return 'give up';
  if (retryIf !== undefined && !yesOrNo(retryIf(failure), `retry.retryIf after attempt ${String(tries)}`))
    return 'give up';
  const delay = typeof delayMs === 'number' ? delayMs : delayMs(failure, tries);
  if (typeof delay !== 'number' || Number.isNaN(delay)) {
    throw new InvalidArgumentError(
      `retry.delayMs gave ${String(delay)} after attempt ${String(tries)}, not a number of milliseconds`,
      'give a number',
    );
  }
  return { delayMs: Math.max(0, delay) };
}

/** Whether the decision asks functions of the user's, whose answers must be remembered. */
export function asksUser(policy: StepPolicy): boolean {
  const { delayMs, retryIf } = retryPolicyOf(policy);
  return retryIf !== undefined || typeof delayMs === 'function';
}

function retryPolicyOf({ retry }: StepPolicy): RetryPolicy {
  return typeof retry === 'object' ? retry : { count: retry ?? 0 };
}
