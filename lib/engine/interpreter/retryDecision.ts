import { yesOrNo } from '../../definition/checks';
import type { RetryPolicy, StepPolicy } from '../../model/agentType';
import type { Failure } from '../../model/failure';
import { InvalidArgumentError, isFinalAnswer } from '../../model/failure';

/** What follows a failed attempt: another one after so many milliseconds, or nothing. */
export type RetryDecision = { readonly delayMs: number } | 'give up';

/** The longest that a server can make a step wait, unless the policy says otherwise. */
const LONGEST_ASKED_MS = 300_000;

/**
 * Whether and when a failed attempt is repeated. May call functions of the user's.
 *
 * @param tries - Attempts that have begun in this life, the failed one included.
 * @param error - What was thrown.
 */
export function retryDecision(
  policy: StepPolicy,
  failure: Failure,
  tries: number,
  error: unknown,
): RetryDecision {
  const { count, delayMs = 0, maxMs = LONGEST_ASKED_MS, retryIf } = retryPolicyOf(policy);
  if (!failure.retryable || tries > count) return 'give up';
  const deserves =
    retryIf === undefined
      ? !isFinalAnswer(failure)
      : yesOrNo(retryIf(failure, error), `retry.retryIf after attempt ${String(tries)}`);
  if (!deserves) return 'give up';
  const delay = typeof delayMs === 'number' ? delayMs : delayMs(failure, tries, error);
  if (!Number.isFinite(delay)) {
    throw new InvalidArgumentError(
      `retry.delayMs gave ${String(delay)} after attempt ${String(tries)}, not a finite number of milliseconds`,
      'give a finite number',
    );
  }
  const asked = Math.min(failure.retryAfterMs ?? 0, maxMs);
  return { delayMs: Math.max(0, delay, asked) };
}

/** Whether the decision asks functions of the user's, whose answers must be remembered. */
export function asksUser(policy: StepPolicy): boolean {
  const { delayMs, retryIf } = retryPolicyOf(policy);
  return retryIf !== undefined || typeof delayMs === 'function';
}

function retryPolicyOf({ retry }: StepPolicy): RetryPolicy {
  return typeof retry === 'object' ? retry : { count: retry ?? 0 };
}
