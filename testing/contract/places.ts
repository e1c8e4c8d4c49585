import assert from 'node:assert/strict';

import { append, askingLife, life } from './life';
import type { StoreCase } from './storeCase';
import { refuses, rest, restingState, stands } from './storeCase';

/** What every store does when it is closed. */
export const closing: readonly StoreCase[] = [
  {
    name: 'close: keeps what has been written readable',
    async check({ store }) {
      const events = await rest(store, 'book');
      await store.close();
      stands(await store.loadRun('book'), events);
    },
  },
  {
    name: 'close: may be called again',
    async check({ store }) {
      await rest(store, 'book');
      await store.close();
      await store.close();
    },
  },
];

/** What is expected of a place that outlives its stores. */
export const places: readonly StoreCase[] = [
  {
    name: 'place: gives everything back to the next store',
    async check({ store, reopen }) {
      const events = await rest(store, 'book');
      await rest(store, 'gone');
      await store.deleteRun('gone');
      const { snapshotId } = await store.snapshots.save('s', await restingState(store, 'other'));
      const asking = await rest(store, 'asking', askingLife('asking', 'first'));
      await store.post('asking', { kind: 'cancel' });
      await store.close();
      const next = await reopen();
      stands(await next.loadRun('book'), events);
      assert.deepEqual((await next.listRuns()).map(({ runId }) => runId).sort(), ['asking', 'book', 'other']);
      assert.equal((await next.snapshots.load(snapshotId)).name, 's');
      stands((await next.claim('book')).state, events);
      const claim = await next.claim('asking');
      stands(claim.state, asking);
      const kinds: string[] = [];
      claim.inbox(({ kind }) => kinds.push(kind));
      assert.deepEqual(kinds, ['cancel']);
    },
  },
  {
    name: 'place: holds every event before it is acknowledged',
    async check({ store, reopen }) {
      const events = life('book', 3);
      const claim = await store.claim('book');
      const reader = await reopen();
      for (const [i, event] of events.entries()) {
        await claim.append(event);
        stands(await reader.loadRun('book'), events.slice(0, i + 1));
      }
      await claim.release(undefined);
      assert.equal((await reader.listRuns()).length, 1);
    },
  },
  {
    name: 'place: lets nobody else carry on a run that is under way',
    async check({ store, reopen }) {
      const events = life('book', 2);
      const claim = await store.claim('book');
      await append(claim, events.slice(0, 3));
      const other = await reopen();
      await refuses(() => other.claim('book'), 'StoreLockedError', 'RunActiveError');
      await append(claim, events.slice(3));
      await claim.release(undefined);
      await store.close();
      stands((await other.claim('book')).state, events);
    },
  },
];
