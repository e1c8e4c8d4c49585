/** A value did not fit its codec. Carries one sentence a mismatch, without the values themselves. */
export class ValidationError extends Error {
  override readonly name = 'ValidationError';
  readonly retryable = false;
  readonly subject: string;
  /** Such as `.data expected Array<number>, got object`. */
  readonly mismatches: readonly string[];

  constructor(subject: string, mismatches: readonly string[]) {
    const shown = mismatches.slice(0, 3).join('; ');
    const more = mismatches.length > 3 ? ` (and ${String(mismatches.length - 3)} more)` : '';
    super(`Cannot accept ${subject}: ${shown}${more}`);
    this.subject = subject;
    this.mismatches = mismatches;
  }
}
