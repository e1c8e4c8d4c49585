import { CancelledError, RestatePromise, TerminalError } from '@restatedev/restate-sdk';

import type { Stop } from '../../../lib/streams/pull';

/** Takes what the journal has answered. */
export type OnResult = (value: unknown, failure: TerminalError | undefined) => void;

interface PendingOp {
  readonly operation: RestatePromise<unknown>;
  readonly onResult: OnResult;
  /** The operation as one of several. */
  entry?: RestatePromise<Settled>;
}

interface Settled {
  readonly op: PendingOp;
  readonly value?: unknown;
  readonly failure?: TerminalError | undefined;
}

/** The durable operations that a life waits for. They are handed on one at a time and in journaled order: a replay sees the same. */
export class PendingOps {
  readonly #pending = new Set<PendingOp>();
  #isCancelled = false;

  /** How many there are. */
  get size(): number {
    return this.#pending.size;
  }

  /** Waits for one more. The function that comes back forgets it. */
  await(operation: RestatePromise<unknown>, onResult: OnResult): Stop {
    const op: PendingOp = { operation, onResult };
    this.#pending.add(op);
    return () => {
      this.#pending.delete(op);
    };
  }

  /**
   * Waits for the next that the journal answers, and hands it on.
   *
   * @throws CancelledError when the life is cancelled first; it can be asked again then.
   */
  async next(): Promise<void> {
    const { op, value, failure } = await this.#first();
    this.#pending.delete(op);
    op.onResult(value, failure);
  }

  async #first(): Promise<Settled> {
    try {
      return await firstOf([...this.#pending], this.#isCancelled);
    } catch (error) {
      if (error instanceof CancelledError) this.#isCancelled = true;
      throw error;
    }
  }
}

/**
 * One alone needs no race, which would cost as much again as the waiting; but an operation that was waited for alone when the life was
 * cancelled is cancelled for ever.
 */
async function firstOf(all: readonly PendingOp[], isCancelled: boolean): Promise<Settled> {
  const [op] = all;
  if (op === undefined || all.length > 1 || isCancelled) {
    return RestatePromise.race(
      all.map((one) => (one.entry ??= one.operation.map((value, failure) => ({ op: one, value, failure })))),
    );
  }
  try {
    return { op, value: await op.operation };
  } catch (error) {
    if (error instanceof CancelledError || !(error instanceof TerminalError)) throw error;
    return { op, failure: error };
  }
}
