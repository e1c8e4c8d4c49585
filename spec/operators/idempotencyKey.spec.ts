import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lastValueFrom, of, toArray } from 'rxjs';

import { agent, chain, execute, fork, lowdbStore, memoryStore, restore, resume, workflow } from '../../index';
import { initialState } from '../../lib/definition/definition';
import type { Agent, Store, Wire } from '../../index';
import { crashPoints, recordingStore } from '../../testing/index';

let keys: string[] = [];
let isDown = false;
const pay = agent('pay', (amount: number, { idempotencyKey }) => {
  keys.push(idempotencyKey);
  if (isDown) throw new Error('down');
  return amount;
});
const times = (factor: number): Agent<number, number> =>
  agent(`times${String(factor)}`, (n: number) => n * factor);

async function keysOf(
  work: Agent<number, unknown>,
  store: Store,
  input = 1,
  onMismatch?: 'actual',
): Promise<string[]> {
  keys = [];
  await execute(work, input, { store, runId: 'r', ...(onMismatch && { onMismatch }) });
  return keys;
}

describe('the idempotency key', () => {
  beforeEach(() => {
    isDown = false;
  });

  it('is the same for every attempt of a step, over all lives', async () => {
    isDown = true;
    const store = memoryStore();
    const retried = workflow('work', (n: Wire<number>, step) =>
      step('often', pay, n, { retry: { count: 2, delayMs: 0 } }),
    );
    const first = await keysOf(retried, store);
    isDown = false;
    const second = await keysOf(retried, store);

    const incarnation = (await store.loadRun('r'))?.incarnation;
    expect([...first, ...second]).toEqual(Array(4).fill(`${incarnation!}/often`));
  });

  it('is the same after a crash in the middle of the call', async () => {
    const store = recordingStore(memoryStore());
    const work = chain('work', times(2), pay);
    const [key] = await keysOf(work, store);
    const point = [...crashPoints(store, 'r')].find(
      ({ after }) => after.type === 'step.started' && after.path === 'pay',
    );

    expect(await keysOf(work, point!.store)).toEqual([key]);
  });

  it('is another one when the step is called with something else, because the definition has changed', async () => {
    const store = memoryStore();
    const [before] = await keysOf(chain('work', times(2), pay), store);
    const [after] = await keysOf(chain('work', times(3), pay), store, 1, 'actual');
    const [afterThat] = await keysOf(chain('work', times(4), pay), store, 1, 'actual');

    expect(new Set([before, after, afterThat]).size).toBe(3);
  });

  it('is another one when the input of the run has changed, also where the call had failed', async () => {
    isDown = true;
    const store = memoryStore();
    const [before] = await keysOf(pay, store, 1);
    isDown = false;
    const [after] = await keysOf(pay, store, 2, 'actual');
    expect(after).not.toBe(before);

    isDown = true;
    const other = memoryStore();
    await keysOf(pay, other, 1);
    const [failed] = await keysOf(pay, other, 2, 'actual');
    isDown = false;
    expect(await keysOf(pay, other, 2)).toEqual([failed]);
  });

  it('stays as it was for a step that had never been called', async () => {
    const store = memoryStore();
    const broken = agent('broken', (_: number): number => {
      throw new Error('down');
    });
    await keysOf(chain('work', broken, pay), store);

    const [key] = await keysOf(chain('work', times(2), pay), store, 1, 'actual');
    expect(key).toBe(`${(await store.loadRun('r'))!.incarnation!}/pay`);
  });

  it('stays as it was for a step that does not depend on the change', async () => {
    const store = memoryStore();
    isDown = true;
    const both = (factor: number) =>
      workflow('both', (n: Wire<number>, step) => [step('pay', pay, n), step('times', times(factor), n)]);
    const [before] = await keysOf(both(2), store);
    isDown = false;

    expect(await keysOf(both(3), store, 1, 'actual')).toEqual([before]);
  });

  it('is another one for a run of a like name, however the names are cut', async () => {
    const store = memoryStore();
    keys = [];
    await execute(chain('outer', chain('42', pay)), 1, { store, runId: 'order' });
    await execute(chain('outer', pay), 1, { store, runId: 'order/42' });

    expect(new Set(keys).size).toBe(2);
  });

  it('goes on after a restart of the process, from the files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-keys-'));
    isDown = true;
    const store = lowdbStore(folder);
    const [before] = await keysOf(chain('work', times(2), pay), store);
    await store.close();
    isDown = false;
    const reopened = lowdbStore(folder);

    expect(await keysOf(chain('work', times(2), pay), reopened)).toEqual([before]);
    await reopened.close();
    rmSync(folder, { recursive: true });
  });

  it('stays as it was for a run that an earlier version began', async () => {
    const store = memoryStore();
    await store.importRun({ ...initialState(pay, 'r'), status: 'FAILED', input: 1, life: 1, seq: 1 });

    expect(await keysOf(pay, store)).toEqual(['r/pay']);
  });

  it('is another one for each input of a plain pipe, and for each pipe', async () => {
    keys = [];
    await lastValueFrom(of(1, 2).pipe(pay, toArray()));
    await lastValueFrom(of(1, 2).pipe(pay, toArray()));

    expect(new Set(keys).size).toBe(4);
  });

  describe.each([
    ['in memory', () => memoryStore(), () => undefined],
    [
      'in a folder',
      () => lowdbStore(mkdtempSync(join(tmpdir(), 'millrace-keys-'))),
      (store: Store) => store.close(),
    ],
  ])('%s', (_name, make, close) => {
    it('is another one when the id of a run is used again', async () => {
      const [store, other] = [make(), make()];
      const seen = [...(await keysOf(pay, store)), ...(await keysOf(pay, other))];
      await store.deleteRun('r');
      seen.push(...(await keysOf(pay, store)));
      await store.prune({});
      seen.push(...(await keysOf(pay, store)));

      expect(seen).toHaveLength(4);
      expect(new Set(seen).size).toBe(4);
      await close(store);
      await close(other);
    });

    it('is another one in a fork, and in a run that begins with a snapshot, under the same id too', async () => {
      const store = make();
      isDown = true;
      const seen = await keysOf(pay, store);
      const snapshot = await store.snapshots.save('failed', (await store.loadRun('r'))!);
      isDown = false;
      const forked = await fork('r', { store, from: 'pay' });
      const restored = [await restore(snapshot.snapshotId, { store }), 'r'];
      await store.deleteRun('r');
      await restore(snapshot.snapshotId, { store, runId: 'r' });
      for (const id of [forked, ...restored]) {
        keys = [];
        await lastValueFrom(resume(pay, id, { store }));
        seen.push(...keys);
      }

      expect(seen).toHaveLength(4);
      expect(new Set(seen).size).toBe(4);
      await close(store);
    });

    it('moves with a run into another store', async () => {
      const [store, other] = [make(), make()];
      isDown = true;
      const [before] = await keysOf(pay, store);
      await other.importRun((await store.loadRun('r'))!);
      isDown = false;

      expect(await keysOf(pay, other)).toEqual([before]);
      await close(store);
      await close(other);
    });
  });
});
