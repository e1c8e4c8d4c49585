import assert from 'node:assert/strict';

import { append, life } from './life';
import type { StoreCase } from './storeCase';
import { refuses, rest, stands } from './storeCase';

/** Who may carry a run on, and what is kept of what is written down meanwhile. */
export const claims: readonly StoreCase[] = [
  {
    name: 'claim: knows nothing of an id it has not seen',
    async check({ store }) {
      assert.equal((await store.claim('nobody')).state, undefined);
      assert.equal(await store.loadRun('nobody'), undefined);
    },
  },
  {
    name: 'claim: gives back the fold of what was appended',
    async check({ store }) {
      const events = await rest(store, 'book');
      stands(await store.loadRun('book'), events);
    },
  },
  {
    name: 'claim: shows a run while it is under way',
    async check({ store }) {
      const events = life('book', 3).slice(0, 4);
      await append(await store.claim('book'), events);
      stands(await store.loadRun('book'), events);
      assert.equal((await store.listRuns())[0]?.status, 'RUNNING');
    },
  },
  {
    name: 'claim: keeps the order of events that are appended at once',
    async check({ store }) {
      const events = life('book', 50);
      const claim = await store.claim('book');
      await Promise.all(events.map(async (event) => claim.append(event)));
      await claim.release(undefined);
      stands(await store.loadRun('book'), events);
    },
  },
  {
    name: 'claim: keeps what was only noted',
    async check({ store }) {
      const events = life('book', 1).slice(0, 2);
      await rest(store, 'book', events);
      const { state } = await store.claim('book');
      assert.equal(state?.steps.get('s0')?.status, 'RUNNING', 'the start of a step has been lost');
      stands(state, events);
    },
  },
  {
    name: 'claim: hands the state to the next claim',
    async check({ store }) {
      const events = life('book', 3);
      await rest(store, 'book', events.slice(0, 4));
      const claim = await store.claim('book');
      stands(claim.state, events.slice(0, 4));
      await append(claim, events.slice(4));
      await claim.release(undefined);
      stands(await store.loadRun('book'), events);
    },
  },
  {
    name: 'claim: carries on several runs side by side',
    async check({ store }) {
      const lives = ['a', 'b', 'c'].map((runId) => life(runId, 4));
      const taken = await Promise.all(['a', 'b', 'c'].map(async (runId) => store.claim(runId)));
      for (const index of lives[0]?.keys() ?? []) {
        await Promise.all(
          lives.map(async (events, run) => taken[run]?.append(events[index] ?? assert.fail())),
        );
      }
      for (const claim of taken) await claim.release(undefined);
      for (const events of lives) stands(await store.loadRun(events[0]?.runId ?? ''), events);
    },
  },
  {
    name: 'claim: gives one at a time',
    async check({ store }) {
      const first = await store.claim('book');
      await refuses(() => store.claim('book'), 'RunActiveError');
      await refuses(() => store.deleteRun('book'), 'RunActiveError');
      await first.release(undefined);
      await (await store.claim('book')).release(undefined);
    },
  },
  {
    name: 'claim: gives exactly one of two that are asked for at once',
    async check({ store }) {
      await rest(store, 'book');
      const both = await Promise.allSettled([0, 1].map(async () => store.claim('book')));
      assert.deepEqual(both.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    },
  },
  {
    name: 'claim: forgets its state when it is deleted, and takes the id anew',
    async check({ store }) {
      await rest(store, 'book');
      assert.equal(await store.deleteRun('book'), true);
      assert.equal(await store.deleteRun('book'), false);
      assert.equal(await store.loadRun('book'), undefined);
      const events = await rest(store, 'book', life('book', 1));
      stands(await store.loadRun('book'), events);
    },
  },
];
