import { setTimeout as wait } from 'node:timers/promises';

import { catchError, EMPTY, lastValueFrom } from 'rxjs';

import type { Agent, Store } from '../../index';
import type { SnapshotSummary } from '../../storePort';
import {
  agent,
  anyOf,
  chain,
  everyStep,
  execute,
  fallback,
  fork,
  onFailure,
  restore,
  resume,
  run,
  saga,
  saveTo,
} from '../../index';
import { everyStore } from '../support/everyStore';

/** A payment that a saga gives back, and a shipment that fails until the carrier is there. */
function shop() {
  const told: string[] = [];
  let hasCarrier = false;
  const pay = agent(
    'pay',
    (price: number) => {
      told.push('paid');
      return price;
    },
    {
      compensate: () => {
        told.push('refunded');
      },
    },
  );
  const ship = agent('ship', (price: number) => {
    if (!hasCarrier) throw new Error('no carrier');
    told.push('shipped');
    return price;
  });
  return {
    pay,
    ship,
    told,
    mend() {
      hasCarrier = true;
      told.length = 0;
    },
  };
}

const end = async (work: Agent<number, unknown>, runId: string, store: Store) =>
  (await lastValueFrom(resume(work, runId, { store }))).state;

/** A snapshot that is being saved beside the run. */
async function takenAs(name: string, store: Store): Promise<SnapshotSummary> {
  for (;;) {
    const taken = (await store.snapshots.list()).find((snapshot) => snapshot.name === name);
    if (taken !== undefined) return taken;
    await wait(1);
  }
}

describe.each(everyStore)('what a saga has undone (%s)', (_where, open) => {
  it.each(['w/ship', 'w/pay', 'w', undefined])('is done again by a fork from %s', async (from) => {
    const { pay, ship, told, mend } = shop();
    const order = saga('order', chain('w', pay, ship));
    const store = open();
    await execute(order, 5, { store, runId: 'r' });
    expect(told).toEqual(['paid', 'refunded']);

    mend();
    const copy = await fork('r', { store, ...(from !== undefined && { from }) });
    const state = await end(order, copy, store);

    expect(told).toEqual(['paid', 'shipped']);
    expect([...state.steps].map(({ stepId }) => stepId)).toEqual(['w', 'w/pay', 'w/ship']);
  });

  it('is done again by a fork also where the saga is a part of the run, and what came before it is not', async () => {
    const { pay, ship, told, mend } = shop();
    const basket = agent('basket', (price: number) => {
      told.push('packed');
      return price;
    });
    const order = chain('all', basket, saga('order', chain('w', pay, ship)));
    const store = open();
    await execute(order, 5, { store, runId: 'r' });

    mend();
    await end(order, await fork('r', { store, from: 'order/w/ship' }), store);
    expect(told).toEqual(['paid', 'shipped']);
  });

  it('is a fact where the failure of the saga was taken up', async () => {
    const { pay, ship, told, mend } = shop();
    const later = agent('later', (value: unknown) => value);
    const order = chain(
      'all',
      fallback(
        'f',
        saga('order', chain('w', pay, ship)),
        agent('other', () => 0),
      ),
      later,
    );
    const store = open();
    await execute(order, 5, { store, runId: 'r' });

    mend();
    await end(order, await fork('r', { store, from: 'later' }), store);
    expect(told).toEqual([]);
  });

  it.each(['step_w/pay_complete', 'failed_w/ship'])(
    'is done again by a run restored from %s',
    async (name) => {
      const { pay, ship, told, mend } = shop();
      const order = saga('order', chain('w', pay, ship));
      const store = open();
      await lastValueFrom(
        run(order, 5, { store, runId: 'r' }).pipe(
          saveTo(anyOf(everyStep(), onFailure()), { store }),
          catchError(() => EMPTY),
        ),
        { defaultValue: undefined },
      );
      const snapshot = await takenAs(name, store);

      mend();
      await end(order, await restore(snapshot.snapshotId, { store }), store);
      expect(told).toEqual(['paid', 'shipped']);
    },
  );
});
