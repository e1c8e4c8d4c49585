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
    const [first] = this.#pending;
    // A race costs as much again as the waiting. But an operation that was waited for alone when the life was cancelled stays cancelled.
    const alone = this.#pending.size > 1 || this.#isCancelled ? undefined : first;
    let settled: Settled;
    try {
      if (alone === undefined) settled = await RestatePromise.race([...this.#pending].map(entryOf));
      else settled = { op: alone, value: await alone.operation };
    } catch (error) {
      const isCancel = error instanceof CancelledError;
      if (isCancel) this.#isCancelled = true;
      if (alone === undefined || isCancel || !(error instanceof TerminalError)) throw error;
      settled = { op: alone, failure: error };
    }
    this.#pending.delete(settled.op);
    settled.op.onResult(settled.value, settled.failure);
  }
}

/** An operation as one of those that race. */
function entryOf(op: PendingOp): RestatePromise<Settled> {
  return (op.entry ??= op.operation.map((value, failure) => ({ op, value, failure })));
}
