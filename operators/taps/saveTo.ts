import type { MonoTypeOperatorFunction } from 'rxjs';

import type { Transition } from '../../lib/model/event';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { SnapshotPolicy } from '../../lib/model/snapshot';
import type { SnapshotStore } from '../../lib/store/store';
import type { TapOptions } from './tap';
import { sideEffect } from './tap';

/** Where snapshots are saved; engines keep none. */
export interface SaveToOptions extends TapOptions {
  readonly store: { readonly snapshots: Pick<SnapshotStore, 'save'> };
  readonly engine?: never;
}

/**
 * Saves named snapshots of a run where the policy says so: `everyStep()`, `everyNth(5)`, `critical()`, `onFailure()`,
 * `anyOf(…)`, or a function of your own.
 *
 * The state is captured at once, before the next step starts. Nothing waits for the writing; `store.close()` does. A snapshot
 * that cannot be written is reported and harms nothing. A completed run that is only told again is not saved again.
 *
 * @throws InvalidArgumentError without a store.
 */
export function saveTo<O>(
  policy: SnapshotPolicy,
  options: SaveToOptions,
): MonoTypeOperatorFunction<Transition<O>> {
  const { store, engine } =
    (options as { readonly store?: SaveToOptions['store']; readonly engine?: unknown } | undefined) ?? {};
  if (store === undefined && engine !== undefined)
    throw new InvalidArgumentError(
      'Cannot save snapshots on an engine: engines keep none',
      'give saveTo() a { store } of its own; restore(snapshotId, { store, engine }) begins with one on the engine',
    );
  if (typeof policy !== 'function' || store === undefined) {
    throw new InvalidArgumentError(
      'Cannot save snapshots without a policy and a store',
      'say when and where, such as saveTo(everyNth(5), { store })',
    );
  }
  return sideEffect<Transition<O>>(
    'saveTo',
    (attempt) => ({
      next(transition) {
        const { event } = transition;
        if (event.type === 'run.completed' && event.replayed === true) return;
        const names = policy(transition) ?? [];
        for (const name of typeof names === 'string' ? [names] : names) {
          attempt(() => store.snapshots.save(name, transition.state, { runId: event.runId, seq: event.seq }));
        }
      },
    }),
    options,
  );
}
