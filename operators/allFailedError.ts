import type { Failure } from '../lib/model/failure';

/** None of the agents of a `firstOf` has completed. `failures` are theirs, in the order in which they failed. */
export class AllFailedError extends Error {
  override readonly name = 'AllFailedError';
  readonly retryable: boolean;
  readonly path: string;
  readonly failures: readonly Failure[];

  constructor(path: string, failures: readonly Failure[], causes: readonly unknown[]) {
    const reasons = failures.map(({ message }) => message).join('; ');
    super(
      `Cannot take the first of step "${path}": all ${String(failures.length)} agents failed (${reasons})`,
      {
        cause: causes.at(-1),
      },
    );
    this.path = path;
    this.failures = failures;
    this.retryable = failures.some((failure) => failure.retryable);
  }
}
