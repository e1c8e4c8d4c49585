import { CancelledError, RestatePromise, TerminalError } from '@restatedev/restate-sdk';

/** A durable operation that is waited for. */
export interface Expected {
  readonly id: number;
  readonly operation: RestatePromise<unknown>;
  readonly arrive: (value: unknown, failure: TerminalError | undefined) => void;
  /** The operation as one of several. */
  entry?: RestatePromise<Arrived>;
}

/** What the journal has answered. */
export interface Arrived {
  readonly expected: Expected;
  readonly value?: unknown;
  readonly failure?: TerminalError | undefined;
}

/** The next that the journal answers. One alone needs no race, which would cost as much again as the waiting. */
export async function firstArrival(all: readonly Expected[]): Promise<Arrived> {
  const [expected] = all;
  if (expected === undefined || all.length > 1) {
    return RestatePromise.race(
      all.map(
        (one) => (one.entry ??= one.operation.map((value, failure) => ({ expected: one, value, failure }))),
      ),
    );
  }
  try {
    return { expected, value: await expected.operation };
  } catch (error) {
    if (error instanceof CancelledError || !(error instanceof TerminalError)) throw error;
    return { expected, failure: error };
  }
}
