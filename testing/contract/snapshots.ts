import assert from 'node:assert/strict';

import { throughJson } from './life';
import type { StoreCase } from './storeCase';
import { refuses, restingState, withMap } from './storeCase';

/** Named copies of how a run stood. */
export const snapshots: readonly StoreCase[] = [
  {
    name: 'snapshots: give back what was saved',
    async check({ store }) {
      const state = await restingState(store, 'book');
      const saved = await store.snapshots.save('checkpoint_2', state, { by: 'test' });
      const { snapshotId, executionState, timestamp, ...others } = await store.snapshots.load(
        saved.snapshotId,
      );
      assert.deepEqual(others, { name: 'checkpoint_2', metadata: { by: 'test' } });
      assert.equal(snapshotId, saved.snapshotId);
      assert.equal(timestamp, saved.timestamp);
      assert.equal(new Date(timestamp).toISOString(), timestamp);
      assert.deepEqual(throughJson(executionState), throughJson(state));
      assert.deepEqual(executionState.steps.get('s1')?.output, { step: 1 });
    },
  },
  {
    name: 'snapshots: are listed the newest first, without bodies',
    async check({ store }) {
      const state = await restingState(store, 'book');
      const saved = [];
      for (const name of ['b', 'c', 'a']) {
        const long = 'x'.repeat(name === 'c' ? 9_000 : 1);
        saved.push(await store.snapshots.save(name, state, { long }));
      }
      const list = await store.snapshots.list();
      assert.deepEqual(
        list.map(({ name }) => name),
        ['a', 'c', 'b'],
      );
      const { snapshotId, timestamp } = saved[2] ?? assert.fail();
      assert.deepEqual(list[0], { snapshotId, timestamp, name: 'a', runId: 'book', metadata: { long: 'x' } });
    },
  },
  {
    name: 'snapshots: are all kept when many are saved at once',
    async check({ store }) {
      const state = await restingState(store, 'book');
      const names = Array.from({ length: 20 }, (_, i) => `n${String(i)}`);
      await Promise.all(names.map((name) => store.snapshots.save(name, state)));
      const kept = (await store.snapshots.list()).map(({ name }) => name);
      assert.deepEqual(kept.sort(), names.sort());
    },
  },
  {
    name: 'snapshots: capture the state at once',
    async check({ store }) {
      const state = await restingState(store, 'book');
      const output = state.steps.get('s0')?.output as Record<string, unknown>;
      const saving = store.snapshots.save('early', state);
      output['step'] = 'changed';
      const { executionState } = await store.snapshots.load((await saving).snapshotId);
      assert.deepEqual(executionState.steps.get('s0')?.output, { step: 0 });
    },
  },
  {
    name: 'snapshots: say whether there was one to delete',
    async check({ store }) {
      const { snapshotId } = await store.snapshots.save('a', await restingState(store, 'book'));
      assert.equal(await store.snapshots.delete(snapshotId), true);
      assert.equal(await store.snapshots.delete(snapshotId), false);
      assert.deepEqual(await store.snapshots.list(), []);
    },
  },
  {
    name: 'snapshots: that are unknown are refused by name',
    async check({ store }) {
      const { snapshotId } = await store.snapshots.save('a', await restingState(store, 'book'));
      await store.snapshots.delete(snapshotId);
      for (const unknown of [snapshotId, '../x', 'nobody'])
        await refuses(() => store.snapshots.load(unknown), 'UnknownSnapshotError');
    },
  },
  {
    name: 'snapshots: refuse a state that they would change, and keep nothing of it',
    async check({ store }) {
      const state = withMap(await restingState(store, 'book'));
      if ((await store.claim('other')).checksValues) {
        await refuses(() => store.snapshots.save('a', state), 'StateValueError');
        assert.deepEqual(await store.snapshots.list(), []);
      } else {
        const { snapshotId } = await store.snapshots.save('a', state);
        const { executionState } = await store.snapshots.load(snapshotId);
        assert.deepEqual(executionState.steps.get('s0')?.output, new Map([[1, 'a']]));
      }
    },
  },
  {
    name: 'snapshots: refuse metadata that JSON cannot keep',
    async check({ store }) {
      const state = await restingState(store, 'book');
      await refuses(() => store.snapshots.save('a', state, { when: new Date(0) }), 'StateValueError');
    },
  },
];
