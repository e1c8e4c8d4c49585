import type { SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { checkedNow } from '../../lib/engine/clockProblem';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { Store } from '../../lib/store/store';

/** Where a signal is kept, and for how long. */
export interface SignalOptions {
  /** Where the runs rest that may wait for it. */
  readonly store: Pick<Store, 'signals' | 'isServed'>;
  /** After so many milliseconds no run takes it any more; kept until one does when left out. */
  readonly ttlMs?: number;
  /** The clock. Give a virtual one in tests. */
  readonly scheduler?: Pick<SchedulerLike, 'now'>;
}

/** What has become of a signal. */
export interface SignalReceipt {
  /** The id of the signal: `store.signals.remove()` takes it back. */
  readonly signalId: string;
  /** Whether somebody is there who goes on with a run that waits for it; otherwise the run takes it when it is resumed. */
  readonly isServed: boolean;
}

/**
 * Tells that something has happened, from any process: the first run that waits for it, now or later, takes it (`waitFor`). Resolves
 * when it is kept, as durably as the store promises.
 *
 * @param value - Plain JSON.
 * @throws StateValueError when the value is no plain JSON.
 * @throws InvalidArgumentError when the name is empty, or `ttlMs` is out of its range.
 */
export async function signal(name: string, value: unknown, options: SignalOptions): Promise<SignalReceipt> {
  const { store, ttlMs = Infinity, scheduler = asyncScheduler } = options;
  if (typeof name !== 'string' || name === '')
    throw new InvalidArgumentError('Cannot signal without a name', 'give the name that waitFor() has');
  if (typeof ttlMs !== 'number' || !(ttlMs > 0))
    throw new InvalidArgumentError(
      `Cannot keep signal "${name}" for ${String(ttlMs)} ms`,
      'give a number above 0',
    );
  const at = checkedNow(scheduler);
  const until = at + ttlMs;
  const { signalId } = await store.signals.add({ name, value, at, ...(until < 8.64e15 && { until }) });
  return { signalId, isServed: await store.isServed() };
}
