/**
 * The answer of a user's predicate, which the compiler cannot vouch for in plain JavaScript: a Promise would always be true.
 *
 * @param what - Which predicate, for the error: `when of step "pay"`.
 */
export function yesOrNo(answer: unknown, what: string): boolean {
  if (typeof answer === 'boolean') return answer;
  const got = answer instanceof Promise ? 'a Promise; it must answer at once' : typeof answer;
  throw new TypeError(`Cannot decide: ${what} must give true or false, got ${got}`);
}
