import type { LimitPolicy } from '../model/agentType';

/** What tells apart, in a limit, whom a call concerns; what is no text counts as its text. May call a function of the user's. */
export function limitKeyOf(limit: LimitPolicy, input: unknown): string | undefined {
  const own: unknown = limit.key?.(input as never);
  // eslint-disable-next-line @typescript-eslint/no-base-to-string -- what is on record of it is its text, whatever that says
  return own === undefined || own === null ? undefined : String(own);
}
