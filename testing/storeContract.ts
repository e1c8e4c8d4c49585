import type { Store } from '../lib/store/store';
import { claims } from './contract/claims';
import { keptEvents } from './contract/keptEvents';
import { lists } from './contract/lists';
import { closing, places } from './contract/places';
import { remembered } from './contract/remembered';
import { asked, served } from './contract/served';
import { services } from './contract/services';
import { signalled, signals } from './contract/keptSignals';
import { snapshots } from './contract/snapshots';
import type { StoreCase } from './contract/storeCase';
import { values } from './contract/values';

/** How stores for the contract are made. Cases are checked one after another. */
export interface ContractStores {
  /** A new store in an empty place. */
  readonly open: () => Store | Promise<Store>;
  /**
   * Another store in the place of the latest one, as another process would open it; also while that one is in use. Left out
   * when stores are forgotten with their process.
   */
  readonly reopen?: () => Store | Promise<Store>;
  /** Clears the place away; called after each case, when its stores are closed. */
  readonly discard?: () => void | Promise<void>;
}

/** One thing that every store does. */
export interface ContractCase {
  /** What part of the store does what: a sentence, different for each case. */
  readonly name: string;
  /** Rejects, mostly with an AssertionError, when the store does not. */
  readonly check: () => Promise<void>;
}

/**
 * What a store of your own has to do so that runs can rest in it: cases for any test framework. `memoryStore` and
 * `lowdbStore` are held to the very same ones.
 *
 * Not in it: what a store does when its disk fails or its process is killed in the middle of a call.
 *
 * @example
 * ```ts
 * let file: string;
 * const cases = storeContract({
 *   open: () => myStore((file = newFile())),
 *   reopen: () => myStore(file),
 *   discard: () => rm(file),
 * });
 * describe('myStore()', () => {
 *   for (const { name, check } of cases) it(name, check);
 * });
 * ```
 */
export function storeContract({ open, reopen, discard }: ContractStores): readonly ContractCase[] {
  const everywhere = [
    ...claims,
    ...values,
    ...lists,
    ...snapshots,
    ...services,
    ...served,
    ...keptEvents,
    ...remembered,
    ...signals,
    ...closing,
  ];
  const cases: readonly StoreCase[] =
    reopen === undefined ? everywhere : [...everywhere, ...places, ...asked, ...signalled];
  return cases.map(({ name, check }) => ({
    name,
    async check() {
      const opened: Store[] = [];
      const use = async (make: () => Store | Promise<Store>): Promise<Store> => {
        const store = await make();
        opened.push(store);
        return store;
      };
      try {
        await check({ store: await use(open), reopen: () => use(reopen ?? open) });
        for (const store of opened.splice(0)) await store.close();
      } finally {
        // What comes after a failure must not hide it.
        for (const store of opened) await store.close().catch(() => undefined);
        await discard?.();
      }
    },
  }));
}
