import { catchError, EMPTY, lastValueFrom } from 'rxjs';

import type { Agent, Store } from '../../index';
import {
  agent,
  anyOf,
  chain,
  everyStep,
  execute,
  fallback,
  fork,
  memoryStore,
  onFailure,
  restore,
  resume,
  run,
  saga,
  saveTo,
} from '../../index';

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

describe('what a saga has undone', () => {
  it.each(['w/ship', 'w/pay', 'w', undefined])('is done again by a fork from %s', async (from) => {
    const { pay, ship, told, mend } = shop();
    const order = saga('order', chain('w', pay, ship));
    const store = memoryStore();
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
    const store = memoryStore();
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
    const store = memoryStore();
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
      const store = memoryStore();
      await lastValueFrom(
        run(order, 5, { store, runId: 'r' }).pipe(
          saveTo(anyOf(everyStep(), onFailure()), { store }),
          catchError(() => EMPTY),
        ),
        { defaultValue: undefined },
      );
      const snapshot = (await store.snapshots.list()).find((one) => one.name === name);

      mend();
      await end(order, await restore(snapshot?.snapshotId ?? '', { store }), store);
      expect(told).toEqual(['paid', 'shipped']);
    },
  );
});
