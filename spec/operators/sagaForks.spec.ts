import { setTimeout as wait } from 'node:timers/promises';

import type { Observable } from 'rxjs';
import { lastValueFrom, NEVER, of } from 'rxjs';

import {
  agent,
  anyOf,
  chain,
  each,
  everyStep,
  execute,
  fallback,
  fork,
  loop,
  onFailure,
  restore,
  resume,
  run,
  saga,
  saveTo,
  withPolicy,
} from '../../index';
import type { Agent, RunState, Store } from '../../index';
import type { SnapshotSummary } from '../../storePort';
import { everyStore } from '../support/everyStore';

let log: string[] = [];
let isDown = true;

beforeEach(() => {
  log = [];
  isDown = true;
});

const pay = agent(
  'pay',
  (n: number) => {
    log.push('pay');
    return n;
  },
  { compensate: () => void log.push('refund') },
);
const cachedPay = agent(
  'pay',
  (n: number) => {
    log.push('pay');
    return n;
  },
  { cache: {}, compensate: () => void log.push('refund') },
);
const ship = agent('ship', (n: number) => {
  if (isDown) throw new Error('no carrier');
  log.push('ship');
  return n;
});
const order = saga('order', chain('w', pay, ship));

async function goesOn(self: Agent<number, unknown>, runId: string, store: Store): Promise<RunState> {
  return lastValueFrom(resume(self, runId, { store })).then(
    ({ state }) => state,
    (error: unknown) => (error as { readonly state: RunState }).state,
  );
}

/** A snapshot that is being saved beside the run. */
async function takenAs(name: string, store: Store): Promise<SnapshotSummary> {
  for (;;) {
    const taken = (await store.snapshots.list()).find((snapshot) => snapshot.name === name);
    if (taken !== undefined) return taken;
    await wait(1);
  }
}

describe.each(everyStore)('what a saga has undone (%s)', (_where, open) => {
  for (const from of ['w/ship', 'w/pay', 'w', undefined]) {
    it(`is done again by a fork from ${from ?? 'what has failed'}`, async () => {
      const store = open();
      await execute(order, 5, { store, runId: 'a' });
      expect(log.splice(0)).toEqual(['pay', 'refund']);
      isDown = false;

      await fork('a', { store, runId: 'f', ...(from !== undefined && { from }) });
      const state = await goesOn(order, 'f', store);

      expect(state.status).toBe('COMPLETED');
      expect(log).toEqual(['pay', 'ship']);
      expect([...state.steps].map(({ stepId }) => stepId)).toEqual(['w', 'w/pay', 'w/ship']);
    });
  }

  it('is done again by a fork also where the saga is a part of the run, and what came before it is not', async () => {
    const basket = agent('basket', (n: number) => {
      log.push('basket');
      return n;
    });
    const self = chain('all', basket, saga('order', chain('w', pay, ship)));
    const store = open();
    await execute(self, 5, { store, runId: 'a' });
    expect(log.splice(0)).toEqual(['basket', 'pay', 'refund']);
    isDown = false;

    await fork('a', { store, from: 'order/w/ship', runId: 'f' });

    expect((await goesOn(self, 'f', store)).status).toBe('COMPLETED');
    expect(log).toEqual(['pay', 'ship']);
  });

  for (const name of ['step_w/pay_complete', 'failed_w/ship']) {
    it(`is done again by a run that is restored from the snapshot "${name}"`, async () => {
      const store = open();
      await lastValueFrom(
        run(order, 5, { store, runId: 'a' }).pipe(saveTo(anyOf(everyStep(), onFailure()), { store })),
      ).catch(() => undefined);
      log = [];
      isDown = false;
      const taken = await takenAs(name, store);

      await restore(taken.snapshotId, { store, runId: 'r' });

      expect((await goesOn(order, 'r', store)).status).toBe('COMPLETED');
      expect(log).toEqual(['pay', 'ship']);
    });
  }

  it('is left alone by a fork when what is around it has gone on without it', async () => {
    const other = agent('other', () => log.push('other'));
    const self = chain('c', fallback('f', saga('inner', chain('w', pay, ship)), other), ship);
    const store = open();
    await execute(self, 5, { store, runId: 'a' });
    expect(log.splice(0)).toEqual(['pay', 'refund', 'other']);
    isDown = false;

    for (const from of [undefined, 'ship']) {
      log = [];
      const runId = from ?? 'failed';
      await fork('a', { store, runId, ...(from !== undefined && { from }) });
      expect((await goesOn(self, runId, store)).status).toBe('COMPLETED');
      expect(log).toEqual(['ship']);
    }
  });
});

describe.each(everyStore)('what another run has done (%s)', (_where, open) => {
  it('is not undone by forks of it that fail', async () => {
    const store = open();
    isDown = false;
    await execute(order, 5, { store, runId: 'a' });
    log = [];
    isDown = true;

    for (const runId of ['f1', 'f2']) {
      await fork('a', { store, from: 'w/ship', runId });
      expect((await goesOn(order, runId, store)).status).toBe('FAILED');
    }

    expect(log).toEqual([]);
  });

  it('is not undone by a fork of a run with hundreds of steps, which a page of the table holds packed', async () => {
    const store = open();
    const count = 150;
    const pays = each(
      'pays',
      agent('pay', (n: number) => n, {
        compensate: () => {
          log.push('refund');
        },
      }),
    );
    let isUp = true;
    const last = agent('last', () => {
      if (!isUp) throw new Error('down');
      return 'done';
    });
    const work = saga('bulk', chain('w', pays, last));
    const bill = Array.from({ length: count }, (_, n) => n);
    await execute(work, bill, { store, runId: 'a' });
    isUp = false;
    await fork('a', { store, from: 'w/last', runId: 'f' });

    expect((await goesOn(work as unknown as Agent<number, unknown>, 'f', store)).status).toBe('FAILED');
    expect(log).toEqual([]);
  });

  it('is not undone by a run that found its answer in the cache', async () => {
    const store = open();
    await execute(chain('c', cachedPay), 5, { store });
    log = [];

    expect((await execute(saga('order', chain('w', cachedPay, ship)), 5, { store })).status).toBe('FAILED');

    expect(log).toEqual([]);
  });

  it('is not taken from the cache once it is undone', async () => {
    const store = open();
    await execute(saga('order', chain('w', cachedPay, ship)), 5, { store });
    expect(log.splice(0)).toEqual(['pay', 'refund']);
    isDown = false;

    await execute(saga('order', chain('w', cachedPay, ship)), 5, { store });
    await execute(saga('order', chain('w', cachedPay, ship)), 5, { store });

    expect(log).toEqual(['pay', 'ship', 'ship']);
  });

  it.each([
    ['a step', (part: Agent<number, number>): Agent<number, number> => chain('c', part)],
    ['the run', (part: Agent<number, number>): Agent<number, number> => part],
  ])(
    'is not left behind because another run has left an answer meanwhile: %s goes on with what it has booked',
    async (_what, made) => {
      const store = open();
      let isHeld = true;
      const sent = agent('sent', (n: number): Observable<number> => (isHeld ? NEVER : of(n)));
      const work = made(withPolicy(chain('part', saga('order', chain('w', pay, sent))), { cache: {} }));
      const left = run(work, 5, { store, runId: 'first' }).subscribe();
      while (!log.includes('pay')) await wait(1);
      await wait(5);
      left.unsubscribe();
      isHeld = false;
      await execute(work, 5, { store, runId: 'other' });

      const state = await execute(work, 5, { store, runId: 'first' });

      expect(log).toEqual(['pay', 'pay']);
      expect([state.status, ...[...state.steps].map(({ status }) => status)]).toEqual(
        [...state.steps, 'the run'].map(() => 'COMPLETED'),
      );
    },
  );
});

describe.each(everyStore)('what only bears the name of undoing (%s)', (_where, open) => {
  const undoLast = agent('undo last', (n: number) => {
    log.push('undo last');
    return n + 1;
  });
  const undoing = loop('undo', undoLast, { until: (n) => n > 6, max: 9 });
  const ship2 = agent('ship2', (n: number) => {
    if (isDown) throw new Error('no ship');
    return n;
  });

  it.each<[string, Agent<number, unknown>]>([
    ['a loop in a chain', chain('c', pay, undoing, ship2)],
    ['a loop in a chain of a chain', chain('c', chain('d', pay, undoing), ship2)],
    [
      'a loop in items',
      chain(
        'c',
        pay,
        agent('list', (n: number) => [n]),
        each('all', undoing),
        ship2 as never,
      ),
    ],
    [
      'the loop used twice',
      chain(
        'c',
        pay,
        undoing,
        agent('back', () => 5),
        undoing,
        ship2,
      ),
    ],
    [
      'a loop in the saga itself',
      saga(
        'order',
        chain(
          'c',
          pay,
          undoing,
          agent('wait', (n: number) => n),
        ),
      ),
    ],
  ])('is kept by a fork and a snapshot as anything else is: %s', async (_, work) => {
    const store = open();
    await execute(work, 5, { store, runId: 'r' });
    const calls = [...log];
    isDown = false;
    const forkId = await fork('r', { store });
    const { status } = await execute(work, 5, { store, runId: forkId });

    expect(status).toBe('COMPLETED');
    expect(log).toEqual(calls);
  });
});
