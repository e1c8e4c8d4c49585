import { CancelledError, RestatePromise, TerminalError } from '@restatedev/restate-sdk';

import type { Stop } from '../../../lib/streams/pull';

/** Takes what the journal has answered. */
export type Arrive = (value: unknown, failure: TerminalError | undefined) => void;

/** The durable operations that a life waits for. */
export interface Arrivals {
  /** Waits for one more. The function that comes back forgets it. */
  readonly expect: (operation: RestatePromise<unknown>, arrive: Arrive) => Stop;
  /**
   * Waits for the next that the journal answers, and hands it on.
   *
   * @throws CancelledError when the life is cancelled first.
   */
  readonly next: () => Promise<void>;
}

interface Expected {
  readonly operation: RestatePromise<unknown>;
  readonly arrive: Arrive;
  /** The operation as one of several. */
  entry?: RestatePromise<Arrived>;
}

interface Arrived {
  readonly expected: Expected;
  readonly value?: unknown;
  readonly failure?: TerminalError | undefined;
}

/** Hands on what the journal answers, one at a time and in journaled order: a replay sees the same. */
export function arrivals(): Arrivals {
  const pending = new Set<Expected>();
  return {
    expect(operation, arrive) {
      const expected: Expected = { operation, arrive };
      pending.add(expected);
      return () => {
        pending.delete(expected);
      };
    },
    async next() {
      const { expected, value, failure } = await firstOf([...pending]);
      pending.delete(expected);
      expected.arrive(value, failure);
    },
  };
}

/** One alone needs no race, which would cost as much again as the waiting. */
async function firstOf(all: readonly Expected[]): Promise<Arrived> {
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
